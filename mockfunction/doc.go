// Package mockfunction is a user function without a support library: it faces a proxy from a script, to test a proxy or to try
// one by hand.
//
// What enters: the discovery answer to give (see [NewSpec]), behaviours that answer by themselves, and a script that takes the
// streams it wants for itself.
//
// A recorded conversation may take the place of script and behaviours: see [Replay].
//
// What leaves: the user function's half of the protocol, on a port of its own; what the proxy said of itself and which errors
// it reported; an error for each expectation that was not met, always a *trace.Mismatch; and the record of all that went over the
// wire, if a recorder is given.
//
// What it never does: it keeps no rules. It answers wrongly, late, twice or never, closes streams, drops every connection and
// comes back with another discovery answer, if the script says so. It never calls the proxy: a script that plays the client too
// does that itself. The one exception is a [Replay] that was told where clients call the proxy.
//
// # Who answers a stream
//
// Each stream belongs to one entity instance (or is one call of an action). If the script has claimed it (see
// [Function.Claim]), or if there is no behaviour for its kind, it waits for the script to take it with [Function.EventSourced],
// [Function.ValueEntity] or [Function.Action]; otherwise the behaviour of its kind answers in the stream's own goroutine, which
// is cheap enough for many thousands of streams.
package mockfunction
