// Package environment is what may befall a proxy and a user function while they are judged: restarts, kills, slow and lossy links, tiny passivation times.
//
// What enters: a name, a seed, and a [Scene] of targets that can be handled. What leaves: a [Driver], which disturbs the scene while a case
// works on it and says what it did.
//
// What is done, when and for how long is drawn from the seed alone ([Plan]), counted in acknowledged operations and not by a clock, so that the same seed does it again.
//
// The package never judges outcomes (package oracle does) and never makes a call to a target but to see that it serves.
package environment
