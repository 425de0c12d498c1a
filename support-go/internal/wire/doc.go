// Package wire builds the protocol messages that all entity kinds answer with.
//
// What enters: errors of handlers, replies and what a handler asked for. What leaves: client actions and failures,
// always fit to be sent. It never sends anything.
package wire
