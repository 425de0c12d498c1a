// Package model holds behaviours for a mock user function that act like the TCK's model services: each request says what the
// entity or action is to do (emit, update, forward, fail, ...), and it does that, correctly.
//
// What enters: commands of the services in protocols/tck. What leaves: the replies that the comments in those files promise.
//
// What it never does: it never breaks the protocol; whatever should be wrong, a script does.
package model
