// Package frontend holds the cases that judge a user function (the frontend): the kit plays the proxy, and the user function
// serves the TCK's model services on the support library under judgement.
//
// What enters: a frontend that answers at an address. What leaves: [Cases], each bound to the requirements of SPEC.md that it
// proves.
//
// What it never does: it never asks for more than SPEC.md does. Where the specification leaves a choice (a failed command rolls
// back or asks for a restart; a failed stream says so in a message, in a status, or both), every choice passes; metadata that a
// library adds to its answers, the way it encodes a message, and the status code it adds to a failure are of no account.
//
// The cases are independent of each other and of their order, and use no timing: that nothing more was sent shows in what comes
// next on the same stream, its orderly end at the latest.
package frontend
