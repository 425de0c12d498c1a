// Package fuzz looks for conversations that a proxy or a frontend cannot bear: it makes up valid ones, breaks them, and holds what the target
// does against SPEC.md.
//
// What enters: a target, a seed, and how many conversations to hold; or a saved case. What leaves: a [Report], and for each failure a case, cut
// down to as few steps as still fail, which is written as a file that can be held again.
//
// A frontend faces the fuzzer as its proxy. A proxy has it on both sides: as the client in front and as the user function behind.
//
// # How a conversation is judged
//
// The oracle does not know which mutation was made. It reads the very bytes that are about to be sent, as the target will, and says what the
// target must do with them: exactly this answer, an end for that requirement, or, where SPEC.md leaves it open, anything that is an answer
// within the bound. So a mutation that leaves a conversation lawful is held to the lawful answer, and a new mutation needs no new rule.
//
// Whatever the conversation, four things must hold: the target's process lives; every stream and call ends within the bound; entities beside
// it keep their state and answer as before (each worker has a witness that it asks after every few conversations); and memory stays within what
// was there after the warm-up, a fixed allowance, and what the target was given to keep.
//
// What the package never does: it reads no clock and no randomness for what a conversation contains, so that one seed always gives the
// same ones; and it never takes a target's word for what is right, only SPEC.md's.
package fuzz
