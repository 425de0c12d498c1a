package proxy

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// durableCases kill the proxy at moments at which state must have been stored.
func durableCases(k *kind) []suite.Case {
	earlier := k.byKind("ES-53", "VE-40")
	stored := k.byKind("ES-20", "VE-13")
	killed := func(name, title string, requirements []string, run func(s *scene)) suite.Case {
		c := k.on(name, title, requirements, run)
		c.Needs = append(c.Needs, suite.NeedDurableStore, suite.NeedProxyProcess)
		c.Timeout = restartTimeout
		return c
	}
	return []suite.Case{
		killed("durable-reply", "what a client has a reply for is there after the proxy was killed and started again",
			append(k.both("ES-20", "VE-13", "ES-54", "VE-38"), "SER-08"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put(stored, "A")
				i.asksStoring(stored, "more", "B", "C")
				s.killAndStart()
				i = e.resumes(k.byKind("ES-54", "VE-38"), "A", "B", "C")
				i.asksStoring(stored, "again", "D")
				s.killAndStart()
				e.resumes(k.byKind("ES-54", "VE-38"), "A", "B", "C", "D")
			}),
		killed("durable-earlier", "the outcome of a command leaves only when the changes of the commands before it are durable",
			k.both("ES-53", "VE-40"), func(s *scene) {
				e := s.entity(k, k.model)
				first := e.call("writes")
				i := e.opens(earlier)
				i.command(earlier, "writes")
				second := e.call("reads")
				s.roundTrips(10)
				i.replies("", "A", "B")
				i.command(earlier, "reads")
				i.replies("read")
				second.replies(earlier, k.response("read"))
				s.killAndStart()
				<-first.done
				e.resumes(earlier, "A", "B")
			}),
		killed("durable-forward", "a forward starts only when the changes of the reply that asked for it are durable",
			append(k.both("ES-25", "VE-25", "ES-20", "VE-13"), "FWD-04"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				c := e.call("forwards")
				i := e.opens("FWD-04")
				i.command("FWD-04", "forwards")
				i.reply(answer{action: target.forward("forwarded"), writes: []string{"A", "B"}})
				target.opens("FWD-04").command("FWD-04", "forwarded")
				s.killAndStart()
				<-c.done
				e.resumes(k.byKind("ES-25", "VE-25"), "A", "B")
			}),
		killed("durable-effect", "side effects start only when the changes of the reply that asked for them are durable",
			append(k.both("ES-25", "VE-25", "ES-20", "VE-13"), "FWD-11"), func(s *scene) {
				for _, synchronous := range []bool{true, false} {
					e, target := s.entity(k, k.model), s.entity(k, k.two)
					c := e.call("effects")
					i := e.opens("FWD-11")
					i.command("FWD-11", "effects")
					i.reply(answer{action: replied(k.response("")), writes: []string{"A", "B"}}.with(target.effect("effect", synchronous)))
					target.opens("FWD-11").command("FWD-11", "effect")
					s.killAndStart()
					<-c.done
					e.resumes(k.byKind("ES-25", "VE-25"), "A", "B")
				}
			}),
	}
}

// killAndStart kills the proxy at once, starts it again and waits until it serves.
func (s *scene) killAndStart() {
	if err := s.t.Proxy().Kill(s.ctx); err != nil {
		s.t.KitFault(err)
	}
	s.start()
}

func lostCases(k *kind) []suite.Case {
	return []suite.Case{{
		ID: k.area + "/proxy/connection-lost", Title: "clients in flight and queued get UNAVAILABLE when the user function is lost",
		Requirements: append(k.both("ES-58", "VE-49"), "LIM-22"), Kind: suite.Proxy, Needs: []string{k.entityType}, OwnTarget: true,
		Run: func(ctx context.Context, t *suite.T) {
			rule := k.byKind("ES-58", "VE-49")
			s := own(ctx, t, suite.ModelFunction(), hasty...)
			e := s.entity(k, k.model)
			i := e.put(rule, "kept")
			calls := []*call{e.call("lost")}
			i.command(rule, "lost")
			calls = append(calls, e.call("lost"), e.call("lost"))
			s.roundTrips(10)
			s.function.Kill()
			for _, c := range calls {
				c.fails(rule, codes.Unavailable, "")
			}
			if err := s.function.Start(""); err != nil {
				t.KitFault(err)
			}
			// Whether the proxy has already seen the loss, and the return, cannot be told from outside.
			e.comesBack(rule, codes.Unavailable, "", "kept")
		},
	}}
}
