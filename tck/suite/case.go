package suite

import (
	"context"
	"time"
)

// Kind says which parties a case needs: who is judged, and who is played by the kit.
type Kind string

const (
	// Frontend cases judge a user function (a support library's TCK model): the kit plays the proxy.
	Frontend Kind = "frontend"
	// Proxy cases judge a proxy: the kit plays the user function behind it and the client in front of it.
	Proxy Kind = "proxy"
	// Pair cases judge a real proxy with a real user function: the kit is the client and records what passes between the two.
	Pair Kind = "pair"
)

// Entity types, as they are written in EntitySpec.entities and in ProxyInfo.supported_entity_types. Use them in [Case.Needs].
const (
	EventSourced = "cloudstate.eventsourced.EventSourced"
	ValueEntity  = "cloudstate.valueentity.ValueEntity"
	Action       = "cloudstate.action.ActionProtocol"
	CRDT         = "cloudstate.crdt.Crdt"
)

// Capabilities that are not entity types or services. Use them in [Case.Needs].
const (
	// NeedProxyProcess: the kit itself starts the proxy, so that the case may kill, stop and start it. A proxy that is only an address
	// cannot be judged so: the case is not run, and the report says why.
	NeedProxyProcess = "process:proxy"
	// NeedFrontendProcess: the same for the user function.
	NeedFrontendProcess = "process:frontend"
	// NeedDurableStore: what the proxy has acknowledged survives its own restart. Not applicable to a store that lives in memory.
	NeedDurableStore = "store:durable"
	// NeedStoreControl: the kit can take the proxy's store away and bring it back ([T.Store]).
	NeedStoreControl = "control:store"
	// NeedHostPorts: the proxy listens on ports of the kit's own machine, so that the case may take them. One in a container with an address of its own cannot be
	// judged so.
	NeedHostPorts = "ports:host"
	// NeedManagement: the address of the proxy's management endpoint is known ([ProxyTarget.Management]).
	NeedManagement = "endpoint:management"
	// NeedIdempotency: the proxy lists the profile idempotency in its ProxyInfo.extensions.
	NeedIdempotency = "extension:idempotency"
	// NeedCrashPoints: the proxy lists the profile crash-points there; the kit starts each with CLOUDSTATE_CRASH_POINT=none.
	NeedCrashPoints = "extension:crash-points"
)

// Case is one independent observation of a target. Its fields never change after construction.
type Case struct {
	// ID is stable for ever: expected-failures files and dashboards refer to it. Lower case, parts joined by '/':
	// area, kind, name ("es/frontend/emit-one").
	ID string
	// Title says in one line what holds when the case passes.
	Title string
	// Requirements are the ids in SPEC.md that the case proves; at least one. The first is the default of [Failure.Requirement].
	Requirements []string
	// Kind says which parties take part.
	Kind Kind
	// Needs lists what the target must declare for the case to apply: entity types, full service names, and capabilities.
	// For a frontend, types and services are looked up in its EntitySpec; for a proxy, types in its supported_entity_types (services do
	// not apply: the kit serves them); for a pair, types in both and services in the frontend.
	// What is not declared makes the case not applicable; what is declared and not served makes it fail.
	Needs []string
	// Labels are free words for selection, beside those that the engine derives (area, kind, level, profile).
	Labels []string
	// OwnTarget asks for targets that no other case shares, with a data directory of their own. They are handed over not started
	// and end after the case. A proxy case calls [T.Serve] and then Start (or Launch) of [T.Proxy]; a pair case starts [T.Frontend] first.
	// It implies the need for processes, so that a target that is only an address is not judged by the case.
	OwnTarget bool
	// Outcomes is set when the case judges what became of its work and not the messages on the way, so that it holds in every environment; it
	// works while [T.Environment] disturbs. Other pair cases run only where nothing is disturbed while they run.
	Outcomes bool
	// Timeout bounds the case; 0 means the engine's (10 s unless told otherwise).
	Timeout time.Duration
	// Run does the observation. It must return soon after ctx ends.
	Run func(ctx context.Context, t *T)
}
