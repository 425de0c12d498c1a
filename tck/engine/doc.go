// Package engine runs the cases of the TCK against one combination of targets.
//
// What enters: a [Config] with the targets, the cases, and what of them is wanted. What leaves: the verdict.Report with every case
// of the kit in it, run or not, each with its reason.
//
// On the way it starts the targets, plays the mock user function and the interceptor, hands each case its environment, restarts a
// target that a case has killed or that died, and ends everything that it started. Cases run one after the other in an order drawn
// from the seed.
//
// The package never decides what a result means for a requirement (package verdict), and never writes a report (package report).
package engine
