// Package suite is the contract between the TCK's engine and the authors of its cases.
//
// A [Case] is data: a stable id, the requirement ids of SPEC.md that it proves, what the target must declare for the case to
// apply, and one function. The engine brings a combination of targets up, gives every case a fresh [T], and turns what the
// function did into a verdict. A case package exports one function, Cases() []suite.Case, which builds its slice explicitly;
// nothing registers itself at start.
//
// What enters: cases, and an [Env] that the engine fills. What leaves: an [Outcome] for each execution.
//
// The package never starts processes, never prints, and never decides whether a requirement is met: that is package verdict's.
//
// # How a case ends
//
//   - The function returns: passed.
//   - [T.Fail], [T.Check] and their kin: failed, with requirement, expectation, answer and remedy. The first failure ends the case.
//   - [T.KitFault], or a panic: error. The kit is at fault; the target is not judged.
//   - The time limit passes: failed, since a target that hangs does not conform. A case must return soon after its context ends.
//
// # How to write one
//
//	suite.Case{
//		ID:           "es/proxy/emit-one",
//		Title:        "an emitted event is persisted before the reply leaves",
//		Requirements: []string{"ES-20"},
//		Kind:         suite.Proxy,
//		Needs:        []string{suite.EventSourced},
//		Run: func(ctx context.Context, t *suite.T) {
//			id := t.ID("cart")
//			_, err := t.Client().Unary(ctx, method, request, response)
//			t.Check(err, suite.Failure{Requirement: "ES-20", Expected: "a reply", Remedy: "persist, then reply"})
//		},
//	}
//
// Cases are independent of each other and of their order (the engine shuffles them): take entity ids from [T.ID], never wait
// by sleeping, and prove absence by a later command on the same stream rather than by a silent window.
package suite
