// Package claim writes down that an implementation conforms, and finds out whether that still holds.
//
// What enters: a verdict.Report, and who is claimed to conform to which profiles. What leaves: a [Claim], which names all of that, says how to
// show it again, and carries the results with a digest that leaves out times and order; and later the differences between a claim and
// another report.
//
// A claim is only made when it is true of the report: every MUST of the claimed profiles that binds the party passed. An announced failure is a
// failure here. The package runs nothing and judges nothing: that is the engine's and package verdict's.
package claim
