// Package target brings the programs under judgement up and down: a proxy or a user function, named by a reference
// (builtin:, exec: or addr:) and reached over the loopback interface.
//
// What enters: a [Ref], the environment that the program is given, and a way to tell that it is ready. What leaves: a [Process]
// (or a [Remote], for an address) that can be launched, awaited, stopped, killed and launched again, with its latest output.
//
// The package never judges: that a process died is reported ([Process.Crash]), what it means is the engine's business. It ends
// only processes that it started itself, by their process group.
package target
