// Package intercept is the recording man in the middle between a real proxy and a real user function.
//
// What enters: gRPC calls of any method from the proxy. What leaves: the same calls to the user function and its answers back, byte for
// byte (messages, half-close, headers, trailers, status, cancellation) but for answers to discover, if [Start] is told to amend them, and a record of them in a trace.Recorder, decoded where the method is
// one of the protocol's.
//
// On its own the package never changes, delays, reorders or judges what passes. What it cannot carry over are matters of one HTTP/2 hop: flow-control
// windows, settings, and the peer's address.
package intercept
