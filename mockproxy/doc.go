// Package mockproxy is a proxy without a backend: it drives a user function (the frontend) from a script, to test a support
// library or to try a user function by hand.
//
// What enters: the address of a user function, and a script that says what to send and what to expect, or a recorded conversation
// whose proxy it is to play ([Proxy.Replay]).
//
// What leaves: the protocol's calls to that user function (discovery, error reports, entity streams, actions); an error for each
// expectation that was not met, always a *trace.Mismatch; and the record of all that went over the wire, if a recorder is given.
//
// What it never does: it serves no clients, keeps no state, and keeps no rules either: it sends whatever the script says, broken
// messages and raw bytes included, because that is what it is for.
package mockproxy
