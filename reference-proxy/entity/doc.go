// Package entity is the pure heart of an entity instance: commands and the
// user function's messages go in, instructions come out. It does no I/O, has no
// clock and starts no goroutines, so that every rule of SPEC.md's ES and VE areas
// can be read, scripted and fuzzed without a network (the style of etcd's raft).
//
// What enters: commands from the router, messages from the user function's
// stream, the results of instructions. What leaves: [Instruction] values for
// package driver, and for each command exactly one [Outcome]. The two durable
// kinds share [Machine]; their differences are a [Protocol], in the packages
// eventsourced and value. Actions have no instance and no machine: package
// action reads and writes their messages.
//
// It never decides a gRPC status code: a [Fault] says what went wrong, and
// package serve says which code that is.
package entity
