// Package rpc checks handlers against the protobuf service they are meant for.
//
// What enters: a generated service description and the handlers that a user function registered. What leaves: the
// protobuf service, or errors that name the rpc and say what to change. It runs once, at start, so that a forgotten or
// mistyped handler is found there and not by a caller.
//
// It never calls a handler and never looks at messages.
package rpc
