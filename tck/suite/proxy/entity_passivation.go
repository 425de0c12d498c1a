package proxy

import (
	"context"
	"fmt"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	// longTimeout bounds cases that wait for a bound which a proxy may keep at its default of up to 60 s (LIM-23 lets the kit shorten it).
	longTimeout = 100 * time.Second
	// passivationBound is when an idle instance of a configured service has been half-closed at the latest: its time-out of 100 ms, 1 s
	// that the proxy may take, and 2 s for a busy machine.
	passivationBound = 100*time.Millisecond + time.Second + 2*time.Second
)

func passivationCases(k *kind) []suite.Case {
	idle := k.byKind("ES-45", "VE-24")
	return []suite.Case{
		k.on("passivation", "an idle instance's stream is half-closed after the time-out, and the next command finds its state",
			k.both("ES-45", "VE-24", "ES-55", "VE-06", "ES-15", "VE-09"), func(s *scene) {
				e := s.entity(k, k.configured)
				i := e.put(idle, "A")
				i.passivates(idle)
				i.Complete()
				stored := k.byKind("ES-55", "VE-06")
				// One command only: between two, a busy machine may take longer than the time-out.
				c := e.call("more")
				i = e.opens(stored, "A")
				i.command(stored, "more")
				i.replies("more", "B")
				c.replies(stored, k.response("more"))
				i.passivates(idle)
				i.Complete()
				e.startsAfresh(stored, "A", "B").passivates(idle)
			}),
		k.on("passivation-waits", "no stream is half-closed while a command is in flight, however long that takes",
			k.both("ES-46", "VE-57"), func(s *scene) {
				rule := k.byKind("ES-46", "VE-57")
				e := s.entity(k, k.configured)
				c := e.call("slow")
				i := e.opens(rule)
				i.command(rule, "slow")
				// Three whole lives of another instance are longer than the time-out.
				for range 3 {
					other := s.entity(k, k.configured).put(idle)
					other.passivates(idle)
					other.Complete()
				}
				i.quiet(rule, "a command is in flight")
				i.replies("slow")
				c.replies(rule, k.response("slow"))
				i.passivates(idle)
			}),
		k.on("passivation-race", "a command that arrives while the instance passivates is answered from a new stream",
			k.both("ES-47", "VE-58", "ES-55", "VE-06"), func(s *scene) {
				rule := k.byKind("ES-47", "VE-58")
				e := s.entity(k, k.configured)
				old := e.put(rule, "kept")
				for range 3 {
					old.passivates(idle)
					c := e.call("meanwhile")
					s.roundTrips(10)
					old.Complete()
					i := e.opens(rule, "kept")
					i.command(rule, "meanwhile")
					i.replies("meanwhile")
					c.replies(rule, k.response("meanwhile"))
					old = i
				}
			}),
		{
			ID: k.area + "/proxy/passivation-unanswered", Title: "a half-closed stream that the user function does not complete is cancelled",
			Requirements: k.both("ES-66", "VE-60"), Kind: suite.Proxy, Needs: []string{k.entityType}, OwnTarget: true, Timeout: longTimeout,
			Run: func(ctx context.Context, t *suite.T) {
				rule := k.byKind("ES-66", "VE-60")
				s := own(ctx, t, suite.ModelFunction(), "CLOUDSTATE_PASSIVATION_GRACE=200ms")
				i := s.entity(k, k.configured).put(idle)
				i.passivates(idle)
				t.Check(i.ExpectCancel(s.ctx), suite.Failure{
					Requirement: rule, Expected: "the half-closed stream to be cancelled within 60 s",
					Remedy: "do not wait for ever for a user function to complete its side of a passivated stream",
				})
			},
		},
	}
}

// passivates waits for the half-close of the instance's stream, which must be the next thing on it and come in time.
func (i *instance) passivates(requirement string) {
	idle := time.Now()
	i.e.t.Check(i.ExpectHalfClose(i.e.ctx), suite.Failure{
		Requirement: requirement, Remedy: "half-close the stream of an instance that was idle for its passivation time-out",
	})
	if took := time.Since(idle); took > passivationBound {
		i.e.t.Fail(suite.Failure{
			Requirement: requirement,
			Expected:    fmt.Sprintf("the stream to be half-closed within 1 s after the passivation time-out of 100 ms (%s are granted)", passivationBound),
			Got:         fmt.Sprintf("it was half-closed after %s", took.Round(time.Millisecond)),
		})
	}
}
