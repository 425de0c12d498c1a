package discovery

import "slices"

// The version of the Cloudstate protocol that this proxy speaks (ProxyInfo, GAP-01).
const (
	ProtocolMajor = 0
	ProtocolMinor = 2
)

// Options says what this proxy can serve, and how strict it is.
type Options struct {
	// Served lists the kinds that this proxy serves in its present configuration (DISC-02, DISC-04).
	Served []Kind
	// SkipUnsupported leaves entities of other kinds out, with a warning each; without it they are problems (DISC-14). An
	// answer of which nothing is left is always a problem.
	SkipUnsupported bool
	// StrictVersion refuses user functions that speak a protocol from before 0.2 or name no version (GAP-01).
	StrictVersion bool
	// StoreHint says how the operator gives the proxy a store, in one sentence. It is the remedy when an event sourced or value
	// entity is refused for want of one (DISC-15).
	StoreHint string
	// Reserved lists the full names of services that the proxy serves itself on the same port, such as gRPC reflection. A
	// user function cannot serve them.
	Reserved []string
}

// serves tells whether the kind is one of Served.
func (o Options) serves(k Kind) bool {
	return slices.Contains(o.Served, k)
}
