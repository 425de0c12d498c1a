// Package script reads and runs scripts for the mocks: steps in YAML that open a call, send, expect, wait, or break the protocol in a given way.
// docs/tck/mock-scripts.md describes them, docs/tck/mock-script.schema.json is their schema.
//
// What enters: a script, or one step that a person typed, and the [Side] that makes the calls: mockproxy or mockfunction. What leaves: the steps'
// effects on the side's calls, and an error with file, line and column for a script that makes no sense and for a step that was not met, the
// latter with a *trace.Mismatch in it.
//
// What it never does: it makes no connection, and decides nothing that the script does not say.
package script
