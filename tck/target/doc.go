// Package target brings the programs under judgement up and down: a proxy, a user function, or the server of a store, named by a reference
// and reached over the loopback interface.
//
// What enters: a [Ref] with its [Options], the environment that the program is given, and a way to tell that it is ready. What leaves: a [Process]
// (or a [Remote], for an address; package container has the like for images) that can be launched, awaited, stopped, killed and launched again, with
// its latest output.
//
// The package never judges: that a process died is reported ([Process.Crash]), what it means is the engine's business. It ends
// only processes that it started itself and what these left behind: by their process group, and by a mark in their environment.
package target
