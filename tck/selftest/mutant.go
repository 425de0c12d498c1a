package selftest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// ErrMutant is wrapped by every error about a mutant that cannot be used as it is written.
var ErrMutant = errors.New("mutant cannot be used")

// Target says which of the two programs a mutant breaks.
type Target string

// The targets.
const (
	Proxy    Target = "proxy"
	Frontend Target = "frontend"
)

// peer is the other one.
func (t Target) peer() Target {
	if t == Proxy {
		return Frontend
	}
	return Proxy
}

// DefaultStore is the store that a mutant of the proxy is judged with when it names none.
const DefaultStore = "memory"

// Mutant is one deliberately broken program, as its mutant.yaml states it.
type Mutant struct {
	// ID is the name of the mutant's folder.
	ID string `yaml:"id"`
	// Requirement is the id in SPEC.md of the MUST or SHOULD that it breaks.
	Requirement string `yaml:"requirement"`
	// Description says in a sentence what the broken program does.
	Description string `yaml:"description"`
	// Target is the program that is broken.
	Target Target `yaml:"target"`
	// Store is what a mutant of the proxy is judged with: memory (the default), embedded, or postgres, which the kit can take away.
	Store string `yaml:"store"`
	// Cases are the ids of the TCK's cases that must fail, each proving the requirement.
	Cases []string `yaml:"cases"`
	// Twins are further MUSTs that say the same of something else which shares the broken code (of value entities, say, what the
	// requirement says of event sourced ones), each with its cases, which must fail as well.
	Twins map[string][]string `yaml:"twins"`
	// AlsoBreaks are patterns (path.Match) of further cases that the same fault breaks, and which are no part of the sample.
	AlsoBreaks []string `yaml:"also_breaks"`
	// ProvenBy names the test that catches a mutant which no case can catch; such a mutant has no Cases, and is only built here.
	ProvenBy string `yaml:"proven_by"`
	// Fuzz says that the protocol fuzzer must find the fault as well, within its default budget.
	Fuzz bool `yaml:"fuzz"`
	// Edits make the mutant, in this order.
	Edits []Edit `yaml:"edits"`
}

// Edit replaces a text that occurs exactly once in a file.
type Edit struct {
	// File is the path from the repository's root, with slashes.
	File    string `yaml:"file"`
	Find    string `yaml:"find"`
	Replace string `yaml:"replace"`
}

// Load reads all mutants below dir, which has the form <target>/<id>/mutant.yaml, sorted by target and id. The error joins all that is
// wrong with any of them.
func Load(dir string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "mutant.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: there is none in %s", ErrMutant, dir)
	}
	slices.Sort(files)
	var mutants []Mutant
	var faults []error
	for _, file := range files {
		m, err := read(file)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", file, err))
			continue
		}
		mutants = append(mutants, m)
	}
	return mutants, errors.Join(faults...)
}

func read(file string) (Mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Mutant{}, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	m := Mutant{}
	if err := decoder.Decode(&m); err != nil {
		return Mutant{}, fmt.Errorf("%w: %w", ErrMutant, err)
	}
	if m.Store == "" {
		m.Store = DefaultStore
	}
	folder := filepath.Dir(file)
	return m, m.check(filepath.Base(filepath.Dir(folder)), filepath.Base(folder))
}

// check finds what is wrong with a mutant by itself; what it names is looked up by checkCases.
func (m *Mutant) check(target, id string) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: %s", ErrMutant, fmt.Sprintf(format, args...)))
	}
	if m.ID != id {
		fault("its id is %q, its folder's name %q; make them the same", m.ID, id)
	}
	if string(m.Target) != target || m.Target != Proxy && m.Target != Frontend {
		fault("its target is %q, but it lies in the folder %q; write proxy or frontend, and put it there", m.Target, target)
	}
	if !slices.Contains([]string{DefaultStore, "embedded", postgres}, m.Store) {
		fault("its store is %q; write memory, embedded or postgres", m.Store)
	}
	if m.Requirement == "" || m.Description == "" {
		fault("a requirement and a description are needed")
	}
	if (len(m.Cases) == 0) == (m.ProvenBy == "") {
		fault("either cases or proven_by is needed, and not both")
	}
	for twin, cases := range m.Twins {
		if twin == m.Requirement || len(cases) == 0 || m.ProvenBy != "" {
			fault("twins: %s: a twin is another requirement, with the cases that fail for it", twin)
		}
	}
	if len(m.Edits) == 0 {
		fault("it has no edits")
	}
	for _, e := range m.Edits {
		if e.File == "" || e.Find == "" || e.Find == e.Replace || !filepath.IsLocal(e.File) {
			fault("an edit needs a file of the repository, and a text to find that differs from its replacement")
		}
	}
	for _, pattern := range m.AlsoBreaks {
		if _, err := path.Match(pattern, ""); err != nil {
			fault("also_breaks: %q: %v", pattern, err)
		}
	}
	return errors.Join(faults...)
}

// Requirements are all that the mutant breaks: the one that it is for, then its twins in the order of their ids.
func (m *Mutant) Requirements() []string {
	return append([]string{m.Requirement}, slices.Sorted(maps.Keys(m.Twins))...)
}

// casesOf are those of the cases that are to fail for a requirement.
func (m *Mutant) casesOf(requirement string) []string {
	if requirement == m.Requirement {
		return m.Cases
	}
	return m.Twins[requirement]
}

// AllCases are all the cases that must fail, each once.
func (m *Mutant) AllCases() []string {
	var all []string
	for _, requirement := range m.Requirements() {
		for _, id := range m.casesOf(requirement) {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all
}

// breaks tells whether the mutant is known to break the case besides those mapped to it.
func (m *Mutant) breaks(c Case) bool {
	return slices.ContainsFunc(m.AlsoBreaks, func(pattern string) bool {
		ok, err := path.Match(pattern, c.ID)
		return err == nil && ok
	})
}
