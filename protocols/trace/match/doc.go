// Package match says whether two conversations are the same by the rules of docs/tck/trace-format.md ("What may differ"): what implementations choose for
// themselves (command ids, the order across calls, times, words for people) may differ, the rest may not.
//
// What enters: recorded messages, and either other recorded ones or those that come live. What leaves: differences, each with the call, what was
// expected and what came; and recorded messages translated into what the live peer understands.
//
// What it never does: it sends and receives nothing. The mocks' replays and cloudstate-tck diff-trace share it.
package match
