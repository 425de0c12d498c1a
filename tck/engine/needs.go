package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// profiles says which profile an entity type belongs to.
var profiles = map[string]string{
	suite.EventSourced: "event-sourced",
	suite.ValueEntity:  "value-entity",
	suite.Action:       "action",
	suite.CRDT:         "crdt",
}

// extensions are the profiles that a proxy claims by their names in ProxyInfo.extensions.
var extensions = []string{"idempotency", "crash-points"}

// declared is what the targets say that they can do.
type declared struct {
	proxyTypes    []string // ProxyInfo.supported_entity_types
	extensions    []string // ProxyInfo.extensions
	frontendTypes []string // the types of EntitySpec.entities
	services      []string // the services of EntitySpec.entities
	durable       bool
	management    bool
	storeControl  bool
	proxyStarts   bool // the kit starts the proxy
	frontStarts   bool // the kit starts the frontend
}

// unmet returns the verdict on a case that cannot be run for what the target does not declare, and why; "" when it can.
func (d declared) unmet(c suite.Case) (verdict.Verdict, string) {
	wantsProxy, wantsFrontend := c.Kind != suite.Frontend, c.Kind != suite.Proxy
	needs := slices.Clone(c.Needs)
	if c.OwnTarget && wantsProxy {
		needs = append(needs, suite.NeedProxyProcess)
	}
	if c.OwnTarget && wantsFrontend {
		needs = append(needs, suite.NeedFrontendProcess)
	}
	for _, need := range needs {
		_, isType := profiles[need]
		switch {
		case need == suite.NeedProxyProcess:
			if wantsProxy && !d.proxyStarts {
				return verdict.NotRun, "the case must start and stop the proxy, which the kit was given as an address; use exec: or builtin:"
			}
		case need == suite.NeedFrontendProcess:
			if wantsFrontend && !d.frontStarts {
				return verdict.NotRun, "the case must start and stop the frontend, which the kit was given as an address; use exec: or builtin:"
			}
		case need == suite.NeedDurableStore:
			if !d.durable {
				return verdict.NotApplicable, "the store does not claim to outlive the proxy's process"
			}
		case need == suite.NeedManagement:
			if !d.management {
				return verdict.NotApplicable, "no management endpoint of the proxy is known; name it with --management"
			}
		case strings.HasPrefix(need, "extension:"):
			if name := strings.TrimPrefix(need, "extension:"); wantsProxy && !slices.Contains(d.extensions, name) {
				return verdict.NotApplicable, "the proxy does not list " + name + " in ProxyInfo.extensions"
			}
		case need == suite.NeedStoreControl:
			if !d.storeControl {
				return verdict.NotApplicable, "the kit was not told how to take the store away and bring it back; say so with --store-away and --store-back"
			}
		case isType:
			if wantsProxy && !slices.Contains(d.proxyTypes, need) {
				return verdict.NotApplicable, "the proxy does not declare the entity type " + need
			}
			if wantsFrontend && !slices.Contains(d.frontendTypes, need) {
				return verdict.NotApplicable, "the frontend has no entity of the type " + need
			}
		case !strings.Contains(need, "."):
			return verdict.Error, fmt.Sprintf("the kit does not know the capability %q that the case needs", need)
		case wantsFrontend && !slices.Contains(d.services, need):
			return verdict.NotApplicable, "the frontend does not serve " + need
		}
	}
	return "", ""
}

// claims says which profiles the judged parties claim.
func (d declared) claims(proxy, frontend bool) verdict.Claims {
	claims := verdict.Claims{}
	if proxy {
		claims[spec.Proxy] = map[string]bool{"core": true, "durable": d.durable, "management": d.management, "remote-store": d.storeControl}
		for _, t := range d.proxyTypes {
			claims[spec.Proxy][profiles[t]] = true
		}
		for _, name := range extensions {
			claims[spec.Proxy][name] = slices.Contains(d.extensions, name)
		}
	}
	if frontend {
		claims[spec.Frontend] = map[string]bool{"core": true}
		for _, t := range d.frontendTypes {
			claims[spec.Frontend][profiles[t]] = true
		}
	}
	return claims
}

// names lists the profiles of one party for the report, sorted.
func names(profiles map[string]bool) []string {
	out := []string{}
	for name, claimed := range profiles {
		if claimed && name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
