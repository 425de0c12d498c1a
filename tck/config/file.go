package config

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// File is what a tck.yaml declares. Lists are in the order of the file.
type File struct {
	// Path is where it was read from, for messages; Dir is the directory that its paths and command lines are relative to.
	Path, Dir    string
	Proxies      []Target
	Frontends    []Target
	Stores       []Store
	Environments []Environment
	Matrix       Matrix
}

// Source is what says what a target is; exactly one is set.
type Source struct {
	Builtin    string `yaml:"builtin"`
	Exec       string `yaml:"exec"`
	Addr       string `yaml:"addr"`
	Image      string `yaml:"image"`
	Dockerfile string `yaml:"dockerfile"`
}

// Shared is what every kind of target can say of itself beside how it is started.
type Shared struct {
	// Weight is how many of the matrix's jobs a cell with it counts for; at least 1.
	Weight int `yaml:"weight"`
	// ExpectedFailures and Inputs are paths, inputs with wildcards.
	ExpectedFailures []string `yaml:"expected_failures"`
	Inputs           []string `yaml:"inputs"`
}

// Target is a proxy or a frontend.
type Target struct {
	Name           string `yaml:"-"`
	Source         `yaml:",inline"`
	Shared         `yaml:",inline"`
	target.Options `yaml:",inline"`
	// Management and FunctionAddress are host:port of a proxy that is an address.
	Management      string `yaml:"management"`
	FunctionAddress string `yaml:"function_address"`

	// Ref is the target with its options, for the engine.
	Ref target.Ref `yaml:"-"`
}

// Store is a store, with the server that it needs if it needs one.
type Store struct {
	Name           string `yaml:"-"`
	Source         `yaml:",inline"`
	Shared         `yaml:",inline"`
	target.Options `yaml:",inline"`
	// Kind is what proxies know it by (CLOUDSTATE_STORE).
	Kind string `yaml:"store"`
	// ProxyEnvironment tells a proxy of it; values are templates.
	ProxyEnvironment map[string]string `yaml:"proxy_environment"`
	// Away and Back are shell commands, as templates.
	Away          string        `yaml:"away"`
	Back          string        `yaml:"back"`
	FewNamespaces bool          `yaml:"few_namespaces"`
	CaseTimeout   time.Duration `yaml:"case_timeout"`

	// Ref is the server with its options; for a builtin there is no server.
	Ref target.Ref `yaml:"-"`
}

// Environment is what befalls a pair while it is judged.
type Environment struct {
	Name string `yaml:"-"`
	// Kind is the name that the kit has for it.
	Kind string `yaml:"kind"`
	// Flags are added to those of the run.
	Flags []string `yaml:"flags"`
}

// DefaultCellTimeout bounds a cell of the matrix.
const DefaultCellTimeout = 20 * time.Minute

// Matrix says which combinations are judged.
type Matrix struct {
	Proxies      []string      `yaml:"proxies"`
	Frontends    []string      `yaml:"frontends"`
	Stores       []string      `yaml:"stores"`
	Environments []string      `yaml:"environments"`
	Exclude      []Rule        `yaml:"exclude"`
	Include      []Rule        `yaml:"include"`
	Pairwise     bool          `yaml:"pairwise"`
	CellTimeout  time.Duration `yaml:"cell_timeout"`
}

// Rule names combinations by some of their labels; a label that is empty matches all.
type Rule struct {
	Proxy       Names `yaml:"proxy"`
	Frontend    Names `yaml:"frontend"`
	Store       Names `yaml:"store"`
	Environment Names `yaml:"environment"`
}

// Proxy returns the proxy called name.
func (f *File) Proxy(name string) (Target, bool) {
	return find(f.Proxies, name)
}

// Frontend returns the frontend called name.
func (f *File) Frontend(name string) (Target, bool) {
	return find(f.Frontends, name)
}

// Store returns the store called name.
func (f *File) Store(name string) (Store, bool) {
	return find(f.Stores, name)
}

// Environment returns the environment called name.
func (f *File) Environment(name string) (Environment, bool) {
	return find(f.Environments, name)
}

// named is what is declared under a name.
type named interface{ name() string }

func (t Target) name() string      { return t.Name }
func (s Store) name() string       { return s.Name }
func (e Environment) name() string { return e.Name }

func find[T named](all []T, name string) (T, bool) {
	for _, one := range all {
		if one.name() == name {
			return one, true
		}
	}
	var none T
	return none, false
}

// names lists what all are called.
func names[T named](all []T) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = one.name()
	}
	return out
}

// declared lists the names of each dimension of the matrix.
func (f *File) declared() map[string][]string {
	return map[string][]string{"proxy": names(f.Proxies), "frontend": names(f.Frontends), "store": names(f.Stores), "environment": names(f.Environments)}
}

// Resolve returns a path of the file as seen from where the kit runs.
func (f *File) Resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Dir, path)
}

// Contained tells whether any target runs in a container.
func (f *File) Contained() bool {
	contained := func(t Target) bool { return t.Ref.Contained() }
	return slices.ContainsFunc(f.Proxies, contained) || slices.ContainsFunc(f.Frontends, contained) ||
		slices.ContainsFunc(f.Stores, func(s Store) bool { return s.Ref.Contained() })
}
