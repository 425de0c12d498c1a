// Package crashing ends the process at a named moment of its work, for tests of what it leaves behind (SPEC.md, OPS-21).
//
// What enters: a journal.Store, and a point with a number from the setting crash-point. What leaves: the same store, whose writes pass the points around them, and a
// [Trigger] for points elsewhere. When the named point is passed for the n-th time the process is gone, as by SIGKILL.
//
// Nothing of it is in a proxy that was started without the setting.
package crashing
