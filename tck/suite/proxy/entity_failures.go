package proxy

import (
	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// failureCases are about commands that fail by a reply.
func failureCases(k *kind) []suite.Case {
	return []suite.Case{
		k.on("failure", "a failure without restart reaches the client, and the stream goes on",
			append(k.both("ES-33", "VE-19", "ES-63", ""), "SERV-10", "SERV-34"), func(s *scene) {
				rule := k.byKind("ES-33", "VE-19")
				e := s.entity(k, k.model)
				i := e.put(rule, "kept")
				c := e.call("fails")
				i.command(rule, "fails")
				i.fails("expected failure", false)
				c.fails("SERV-10", codes.Unknown, "expected failure")
				// The id inside the failure says nothing: libraries fill it differently.
				for _, id := range []int64{0, 77, -1} {
					c = e.call("fails")
					i.command(k.byKind("ES-63", "VE-19"), "fails")
					i.reply(answer{action: failed(&cloudstate.Failure{CommandId: id, Description: "expected failure"})})
					c.fails(k.byKind("ES-63", "VE-19"), codes.Unknown, "expected failure")
				}
				i.asks(rule, "next")
				e.unopened(rule, "no failure asked for a restart")
				i.restart(rule, "kept")
			}),
		k.on("failure-effects", "side effects of a failed command are not run",
			k.both("ES-60", "VE-52"), func(s *scene) {
				rule := k.byKind("ES-60", "VE-52")
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				c := e.call("fails")
				i := e.opens(rule)
				for _, restart := range []bool{false, true} {
					i.command(rule, "fails")
					i.reply(answer{
						action:  failed(&cloudstate.Failure{CommandId: i.last, Description: "fails", Restart: restart}),
						effects: []*cloudstate.SideEffect{target.effect("of a failure", true), target.effect("of a failure", false)},
					})
					c.fails(rule, codes.Unknown, "fails")
					if !restart {
						c = e.call("fails")
					}
				}
				i.ended(rule, "the failure asked for a restart")
				i = e.opens(rule)
				// The barrier: what was started before must have arrived before.
				c = e.call("succeeds")
				i.command(rule, "succeeds")
				i.reply(answer{action: replied(k.response("")), effects: []*cloudstate.SideEffect{target.effect("of a reply", true)}})
				ti := target.opens(rule)
				ti.command(rule, "of a reply")
				ti.replies("")
				c.replies(rule, k.response(""))
				ti.asks(rule, "last")
				target.unopened(rule, "its first stream is open")
			}),
		k.on("reply-before-end", "a reply that came before the stream failed reaches its client, and its state is kept",
			k.both("ES-67", "VE-61"), func(s *scene) {
				rule := k.byKind("ES-67", "VE-61")
				ends := []func(*instance){
					func(i *instance) { i.Complete() },
					func(i *instance) { i.Fail(codes.Internal, "broken after the reply") },
					func(i *instance) {
						i.says(k.failure(&cloudstate.Failure{Description: "broken after the reply"}))
						i.Complete()
					},
					func(i *instance) {
						i.says(k.nothing)
						i.Complete()
					},
				}
				for _, end := range ends {
					e := s.entity(k, k.model)
					c := e.call("writes")
					i := e.opens(rule)
					i.command(rule, "writes")
					i.replies("done", "kept")
					end(i)
					c.replies(rule, k.response("done"))
					// A call that comes before the proxy has seen the end is in flight on the stream that ends.
					e.comesBack(rule, codes.Unknown, "", "kept")
				}
			}),
	}
}

// restartCases are about failures that make the proxy start an instance anew.
func restartCases(k *kind) []suite.Case {
	return []suite.Case{
		k.on("restart", "a failure with restart reaches the client, and a new stream is opened at once, without waiting for a command",
			k.both("ES-34", "VE-43", "ES-15", "VE-09", "ES-06", "VE-06"), func(s *scene) {
				rule := k.byKind("ES-34", "VE-43")
				e := s.entity(k, k.model)
				i := e.put(rule, "A")
				i.asksStoring(rule, "more", "B", "C")
				c := e.call("fails")
				i.command(rule, "fails")
				i.fails("expected restart", true)
				c.fails(rule, codes.Unknown, "expected restart")
				i.ended(rule, "the failure asked for a restart")
				i = e.opens(rule, "A", "B", "C")
				i.asks(k.byKind("ES-15", "VE-09"), "next")
				i.restart(rule, "A", "B", "C").asks(rule, "after the second")
				e.unopened(rule, "the last stream is open")
			}),
		k.on("restart-unasked", "a failure in a reply that also changes state is not stored, and the instance starts anew at once",
			k.both("ES-36", "VE-20", "ES-59", "VE-43"), func(s *scene) {
				rule := k.byKind("ES-59", "VE-43")
				e := s.entity(k, k.model)
				i := e.put(rule, "kept")
				for _, restart := range []bool{false, true} {
					c := e.call("fails")
					i.command(rule, "fails")
					i.fails("expected failure", restart, "not kept")
					c.fails(rule, codes.Unknown, "expected failure")
					i.ended(rule, "the failed command had changed the user function's state")
					i = e.opens(k.byKind("ES-36", "VE-20"), "kept")
				}
				i.asks(rule, "next")
			}),
		k.on("restart-queue", "commands that were queued at a restart come on the new stream, in their order and before later ones",
			k.both("ES-35", "VE-50", "ES-15", "VE-09"), func(s *scene) {
				rule := k.byKind("ES-35", "VE-50")
				e := s.entity(k, k.model)
				i := e.put(rule, "kept")
				c := e.call("fails")
				i.command(rule, "fails")
				e.queue("first", "second", "third")
				i.fails("expected restart", true)
				c.fails(rule, codes.Unknown, "expected restart")
				later := e.call("later")
				i.ended(rule, "the failure asked for a restart")
				i = e.opens(rule, "kept")
				for _, text := range []string{"first", "second", "third"} {
					i.command(rule, text)
					i.replies("")
				}
				i.command(rule, "later")
				i.replies("later")
				later.replies(rule, k.response("later"))
			}),
		k.on("late-output", "what arrives on a stream that the proxy has ended never counts for the next one",
			k.both("ES-62", "VE-51"), func(s *scene) {
				rule := k.byKind("ES-62", "VE-51")
				e := s.entity(k, k.model)
				old := e.put(rule, "kept")
				c := e.call("fails")
				old.command(rule, "fails")
				old.fails("expected restart", true)
				c.fails(rule, codes.Unknown, "expected restart")
				_, err := old.ExpectEnd(s.ctx)
				s.t.Check(err, suite.Failure{Requirement: rule, Expected: "the stream to be ended after a failure with restart"})
				i := e.opens(rule, "kept")
				c = e.call("next")
				i.command(rule, "next")
				// A proxy that cancelled the old stream does not even get these.
				_ = old.send(k.reply(1, answer{action: replied(k.response("late")), writes: []string{"late"}}))
				_ = old.send(k.failure(&cloudstate.Failure{CommandId: 1, Description: "late"}))
				_ = old.send(k.nothing)
				s.roundTrips(10)
				c.waits(rule, "the new stream has the reply")
				old.Complete()
				i.replies("in time", "in time")
				c.replies(rule, k.response("in time"))
				i.asks(rule, "last")
				i.restart(rule, "kept", "in time")
			}),
	}
}

// asksStoring is asks with a reply that stores values.
func (i *instance) asksStoring(requirement, text string, values ...string) {
	c := i.e.call(text)
	i.command(requirement, text)
	i.replies(text, values...)
	c.replies(requirement, i.e.k.response(text))
}
