// Package trace is the record of what went over the wire between a client, a proxy and a user function (the frontend).
//
// What enters: messages as the mocks and the TCK's interceptor saw them, in the order in which they saw them, each given to a
// [Recorder].
//
// What leaves: the recorded messages (bounded in number and in size), a rendering of each that a person can read, and
// [Mismatch], the error that says what was expected on the wire, what came instead, and where the two differ.
//
// What it never does: it opens no connection, judges nothing, and never alters a message. It knows the protocol only so far as
// to show it well.
package trace
