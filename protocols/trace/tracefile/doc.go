// Package tracefile writes and reads trace files: recorded conversations between a client, a proxy and a user function, one JSON object a
// line. docs/tck/trace-format.md is the format's description for people and for other languages.
//
// What enters: messages as a [trace.Recorder] saw them, in their order. What leaves: lines that a person can read and that give the same
// messages back: field by field, payloads byte by byte. The types of payloads are those of the protocol and of the TCK's model, and those
// that discovery answers in the same file bring along, so a file needs nothing beside itself to be read.
//
// What it never does: it judges nothing, opens no connection, and believes no file: what it takes from one has limits.
package tracefile
