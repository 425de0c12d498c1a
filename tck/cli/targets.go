package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/config"
	"github.com/stateful-serverless/cloudstate/tck/engine"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// targets fills in what is judged, by reference or by its name in --config, and returns the files of expected failures that are declared for it.
func (c *runCommand) targets(to *engine.Config) ([]string, error) {
	file := &config.File{}
	if c.Config != "" {
		var err error
		if file, err = config.Read(c.Config); err != nil {
			return nil, err
		}
	}
	var expected []string
	var patience time.Duration // the longest that a target may take to start
	for _, one := range []struct {
		role target.Role
		text string
		find func(string) (config.Target, bool)
		into *target.Ref
	}{
		{target.Proxy, c.Proxy, file.Proxy, &to.Proxy}, {target.Frontend, c.Frontend, file.Frontend, &to.Frontend},
	} {
		if one.text == "" {
			continue
		}
		declared, ok := one.find(one.text)
		switch {
		case ok:
			*one.into = declared.Ref
			expected = append(expected, resolved(file, declared.ExpectedFailures)...)
			patience = max(patience, cmp.Or(declared.StartTimeout, c.StartTimeout))
			override(to, declared)
		case c.Config != "" && !strings.Contains(one.text, ":"):
			return nil, fmt.Errorf("--%s %q: %s declares no such %s", one.role, one.text, c.Config, one.role)
		default:
			ref, err := target.Parse(one.role, one.text)
			if err != nil {
				return nil, err
			}
			*one.into = ref
			patience = max(patience, c.StartTimeout)
		}
	}
	store, ok := file.Store(c.Store)
	switch {
	case ok:
		useStore(to, store)
		patience = max(patience, cmp.Or(store.StartTimeout, c.StartTimeout))
		expected = append(expected, resolved(file, store.ExpectedFailures)...)
	case c.Config != "" && c.Store != "":
		return nil, fmt.Errorf("--store %q: %s declares no such store", c.Store, c.Config)
	}
	to.StartTimeout = cmp.Or(patience, c.StartTimeout)
	return expected, nil
}

// override takes over what a declaration says of the run.
func override(to *engine.Config, declared config.Target) {
	if declared.Management != "" {
		to.Management = declared.Management
	}
	if declared.FunctionAddress != "" {
		to.FunctionAddress = declared.FunctionAddress
	}
}

// useStore takes over what is declared of a store.
func useStore(to *engine.Config, store config.Store) {
	to.Store = store.Kind
	to.StoreCapabilities = store.Capabilities
	to.FewNamespaces = to.FewNamespaces || store.FewNamespaces
	to.Timeout = max(to.Timeout, store.CaseTimeout)
	to.StoreServer = &engine.StoreServer{Ref: store.Ref, ProxyEnvironment: store.ProxyEnvironment, Away: store.Away, Back: store.Back}
}

func resolved(file *config.File, paths []string) []string {
	out := make([]string, len(paths))
	for i, path := range paths {
		out[i] = file.Resolve(path)
	}
	return out
}
