// Package oracle judges what became of commands that were sent while targets were killed, cut off and restarted: whether the state of each entity
// is one that a correct proxy could have left, given what its clients were told.
//
// What enters: an [Operation] for each command, with the outcome as its client knows it, and a [Sighting] for each piece of state that the user
// function was shown, which a [Witness] reads from the recorded messages. Everything that is written is unique, so that each piece of state names the command that
// made it. What leaves: the [Violation]s.
//
// What it holds against them, for each entity alone:
//
//   - what was acknowledged is there in the end, once, whole, and in an order that the answers and their times admit;
//   - what was surely refused is not there, and nobody was ever shown it;
//   - what is unknown (no answer, or one that leaves it open) is there once or not at all, and stays as it is once somebody has seen it;
//   - no event number ever stood for two events, and what is there was sent by somebody;
//   - all answers together are linearizable: porcupine decides.
//
// The package makes no calls, knows no clock and starts nothing. It never guesses: what it cannot decide it says.
package oracle
