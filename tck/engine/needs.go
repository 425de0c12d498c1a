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
	hostPorts     bool // the proxy listens on ports of this machine
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
				return verdict.NotRun, "the case must start and stop the proxy, which the kit was given as an address; name it by exec:, builtin: or image:"
			}
		case need == suite.NeedFrontendProcess:
			if wantsFrontend && !d.frontStarts {
				return verdict.NotRun, "the case must start and stop the frontend, which the kit was given as an address; name it by exec:, builtin: or image:"
			}
		case need == suite.NeedHostPorts:
			if !d.hostPorts {
				return verdict.NotRun, "the proxy is in a container with an address of its own, whose ports the kit cannot take; declare it with network: host"
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

// without returns d without what is declared not to be judged of a party.
func (d declared) without(party spec.Party, lacks []string) declared {
	lacking := func(profile string) bool { return slices.Contains(lacks, profile) }
	left := func(types []string) []string {
		return slices.DeleteFunc(slices.Clone(types), func(t string) bool { return lacking(profiles[t]) })
	}
	if party == spec.Frontend {
		d.frontendTypes = left(d.frontendTypes)
		return d
	}
	d.proxyTypes = left(d.proxyTypes)
	d.extensions = slices.DeleteFunc(slices.Clone(d.extensions), lacking)
	d.durable = d.durable && !lacking("durable")
	d.management = d.management && !lacking("management")
	d.storeControl = d.storeControl && !lacking("remote-store")
	return d
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
