package config

import (
	"net"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// sources returns what is set of s.
func (s Source) sources() []target.Ref {
	var set []target.Ref
	for _, one := range []target.Ref{
		{Scheme: target.Builtin, Value: s.Builtin}, {Scheme: target.Exec, Value: s.Exec}, {Scheme: target.Addr, Value: s.Addr},
		{Scheme: target.Image, Value: s.Image}, {Scheme: target.Dockerfile, Value: s.Dockerfile},
	} {
		if one.Value != "" {
			set = append(set, one)
		}
	}
	return set
}

// check makes the reference that a declaration stands for, and tells what about its options does not fit.
func check(f *faults, node *yaml.Node, role target.Role, source Source, options *target.Options) target.Ref {
	set := source.sources()
	if len(set) != 1 {
		f.add(node, "%s %q must have exactly one of builtin, exec, addr, image and dockerfile; it has %d", role, node.Value, len(set))
		return target.Ref{}
	}
	ref, err := target.Parse(role, set[0].String())
	if err != nil {
		_, reason, _ := strings.Cut(err.Error(), `": `)
		f.add(node, "%s %q: %s", role, node.Value, reason)
		return target.Ref{}
	}
	ref.Options = options
	if !ref.Contained() {
		for name, given := range map[string]bool{
			"command": len(options.Command) > 0, "pull": options.Pull, "network": options.Network != "", "port": options.Port != 0,
			"management_port": options.ManagementPort != 0, "limits": options.Limits != target.Limits{}, "writable": len(options.Writable) > 0,
		} {
			if given {
				f.add(node, "%s %q: %s is for containers, and this is %s:", role, node.Value, name, ref.Scheme)
			}
		}
	}
	if options.Context != "" && ref.Scheme != target.Dockerfile {
		f.add(node, "%s %q: context goes with dockerfile", role, node.Value)
	}
	if (options.Limits.Disk > 0) != (len(options.Writable) > 0) {
		f.add(node, "%s %q: limits.disk and writable go together: the limit is that of the directories which can be written", role, node.Value)
	}
	if !ref.Starts() && len(options.Environment) > 0 {
		f.add(node, "%s %q: the kit does not start an address, so it cannot set its environment", role, node.Value)
	}
	if _, err := regexp.Compile(options.Ready.Log); err != nil {
		f.add(node, "%s %q: ready.log: %v", role, node.Value, err)
	}
	if !ref.Starts() && (options.Ready.Log != "" || len(options.Ready.Command) > 0) {
		f.add(node, "%s %q: ready.log and ready.command are for what the kit starts", role, node.Value)
	}
	templates(f, node, role, "environment", options.Environment, sample(role))
	return ref
}

// sample has every fact that the environment of a target may name.
func sample(role target.Role) target.Facts {
	facts := target.Facts{"Host": "127.0.0.1", "Port": "1"}
	if role == target.Proxy {
		for _, name := range []string{"ManagementPort", "FunctionHost", "FunctionPort", "DataDir", "Namespace"} {
			facts[name] = "1"
		}
	}
	return facts
}

// templates renders each text once, so that a fault is told before anything starts.
func templates(f *faults, node *yaml.Node, role target.Role, field string, texts map[string]string, facts target.Facts) {
	if _, err := target.Render(texts, facts); err != nil {
		f.add(node, "%s %q: %s: %v", role, node.Value, field, err)
	}
}

func checkTarget(f *faults, node *yaml.Node, role target.Role, t Target) {
	if (t.Management != "" || t.FunctionAddress != "") && (role != target.Proxy || t.Ref.Scheme != target.Addr) {
		f.add(node, "%s %q: management and function_address are for proxies that are an address", role, node.Value)
	}
	if t.FunctionAddress != "" {
		if _, _, err := net.SplitHostPort(t.FunctionAddress); err != nil {
			f.add(node, "%s %q: function_address: %v", role, node.Value, err)
		}
	}
}

func checkStore(f *faults, node *yaml.Node, s Store) {
	if (s.Away == "") != (s.Back == "") {
		f.add(node, "store %q: away and back go together: what is taken away must come back", s.Name)
	}
	if s.Ref.Contained() && s.Port == 0 {
		f.add(node, "store %q: port is missing: where does the server in the container listen?", s.Name)
	}
	facts := target.Facts{}
	if s.Ref.Scheme != target.Builtin {
		facts["Host"], facts["Port"], facts["Match"] = "127.0.0.1", "1", groups(s.Ready.Log)
	}
	templates(f, node, target.Store, "proxy_environment", s.ProxyEnvironment, facts)
	switch {
	case s.Ref.Scheme == target.Exec:
		facts["Pid"] = "1"
	case s.Ref.Contained():
		facts["Container"] = "1"
	}
	templates(f, node, target.Store, "away, back", map[string]string{"away": s.Away, "back": s.Back}, facts)
}

// groups returns the named groups of a pattern, each with a value.
func groups(pattern string) map[string]string {
	named := map[string]string{}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return named
	}
	for _, name := range compiled.SubexpNames() {
		if name != "" {
			named[name] = "1"
		}
	}
	return named
}

// checkMatrix tells of names that nothing has.
func (f *File) checkMatrix(faults *faults, matrix *yaml.Node) {
	known := f.declared()
	plural := map[string]string{"proxies": "proxy", "frontends": "frontend", "stores": "store", "environments": "environment"}
	for i := 0; i+1 < len(matrix.Content); i += 2 {
		key, value := matrix.Content[i].Value, meant(matrix.Content[i+1])
		if dimension, ok := plural[key]; ok {
			checkNames(faults, dimension, value, known[dimension])
		}
		if key != "include" && key != "exclude" {
			continue
		}
		for _, rule := range value.Content {
			rule = meant(rule)
			for j := 0; j+1 < len(rule.Content); j += 2 {
				dimension := rule.Content[j].Value
				checkNames(faults, dimension, meant(rule.Content[j+1]), known[dimension])
			}
		}
	}
}

func checkNames(f *faults, dimension string, node *yaml.Node, known []string) {
	nodes := node.Content
	if node.Kind == yaml.ScalarNode {
		nodes = []*yaml.Node{node}
	}
	for _, n := range nodes {
		if name := meant(n).Value; !slices.Contains(known, name) {
			f.add(n, "there is no %s %q%s", dimension, name, nearest(name, known))
		}
	}
}
