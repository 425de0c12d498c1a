// Package driver runs entity instances: it gives each [entity.Machine] its
// mailbox, its stream to the user function, its timers and its place in the store.
//
// What enters: commands from package route, with the entity's id. What leaves:
// their outcomes. In between it does the I/O that the machines ask for, in the
// order in which they ask. It never interprets a message (the machine does), never
// picks a status code (package serve does) and never runs a side effect or forward
// (package route does).
//
// An instance has one goroutine of its own: it loads, replays and then receives.
// Everything else happens on the goroutine that brings an input: whoever finds the
// instance at rest carries its instructions out, and inputs that come meanwhile
// are picked up by that goroutine. So an idle instance costs its stream, one
// goroutine that waits for a message, one timer and a few hundred bytes.
package driver
