package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// limitCases covers area LIM.
func limitCases() []suite.Case {
	return slices.Concat(
		limitCasesOf(eventSourced), limitCasesOf(valueBased),
		sizeCasesOf(eventSourced), sizeCasesOf(valueBased), sizeCases(),
		streamLimitCases(),
		[]suite.Case{settingsCase()},
	)
}

func limitCasesOf(k *kind) []suite.Case {
	return []suite.Case{
		k.inCore("lim", "full-queue", "the commands queued for one instance are bounded: the next one is refused at once, and everything else goes on",
			requires("LIM-12", "SERV-37", "FWD-10", "LIM-22"), func(s *scene) { fillQueue(s, k) }),
		k.inCore("lim", "entity-ids", "entity ids of 1 to 1,024 bytes are served, whatever characters they contain",
			requires("LIM-16", "SERV-42"), func(s *scene) {
				for _, id := range []string{"a", "-", "/", " ", "%", "\x00", "\n", "\x7f", ".", ".."} {
					e := s.entityOf(k, k.two, id)
					c := e.call("reads")
					i := e.opens("LIM-16")
					i.command("LIM-16", "reads")
					i.replies("read")
					c.replies("LIM-16", k.response("read"))
					i.restart("LIM-16")
				}
				for _, filler := range []string{"x", "-", "\\", "/", "\x00", "\t\n\r\"'`$%&|<>", "äöüß", "\U0001f600", "\u202e\ufeff", "日本"} {
					id := s.t.ID(k.area)
					for len(id)+len(filler) <= 1024 {
						id += filler
					}
					id += strings.Repeat("y", 1024-len(id))
					s.entityOf(k, k.model, id).put("LIM-16", "A").restart("LIM-16", "A").asks("LIM-16", "reads")
				}
			}),
		{
			ID: "lim/proxy/" + k.area + "-command-timeout", Title: "a command that is never answered times out with its stream, and the next one starts afresh",
			Requirements: requires("LIM-06", "LIM-22", k.byKind("ES-41", "VE-47")), Kind: suite.Proxy, Needs: []string{k.entityType}, OwnTarget: true,
			Timeout: longTimeout,
			Run: func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction(), "CLOUDSTATE_COMMAND_TIMEOUT=700ms")
				e := s.entity(k, k.model)
				i := e.put("LIM-06", "kept")
				c := e.call("unanswered")
				i.command("LIM-06", "unanswered")
				behind := []*call{e.call("behind"), e.call("behind")}
				bystander := s.entity(k, k.model).put("LIM-06")
				c.fails("LIM-06", codes.DeadlineExceeded, "")
				i.ended("LIM-06", "its command was not answered in time")
				for _, b := range behind {
					b.fails("LIM-06", codes.Unknown, k.terminated)
				}
				e.startsAfresh("LIM-06", "kept")
				bystander.asks("LIM-06", "unharmed")
			},
		},
	}
}

// fillQueue calls an entity that does not answer until a call is refused.
func fillQueue(s *scene, k *kind) {
	const bound, batch, perConnection = 10_000, 50, 100
	e := s.entity(k, k.model)
	first := e.call("first")
	i := e.opens("LIM-12")
	i.command("LIM-12", "first")
	var behind []*call
	done := make(chan struct{}, bound+2*batch)
	client := s.connect()
	for refused := false; !refused; {
		for range batch {
			// No connection carries more calls than the least number of streams that HTTP/2 recommends to allow.
			if len(behind)%perConnection == 0 {
				client = s.connect()
			}
			c := s.callBy(s.ctx, client, e.method(), k.request(e.id, "behind"), k.response(""), nil)
			behind = append(behind, c)
			go func() { <-c.done; done <- struct{}{} }()
		}
		s.roundTrips(3)
		if len(behind) <= bound {
			refused = slices.ContainsFunc(behind, (*call).ended)
			continue
		}
		<-done
		refused = true
	}
	i.quiet("LIM-12", "a command is in flight")
	for _, c := range behind {
		if c.ended() {
			c.fails("LIM-12", codes.ResourceExhausted, "")
		}
	}
	// Others are served; and a side effect that finds the queue full changes nothing for its command.
	other := s.entity(k, k.two)
	c := other.call("effects")
	oi := other.opens("LIM-12")
	oi.command("LIM-12", "effects")
	oi.repliesWith("done", e.effect("too many", true), e.effect("too many", false))
	c.replies("FWD-10", k.response("done"))

	all, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go func() {
		for _, c := range behind {
			<-c.done
		}
		cancel()
	}()
	i.replies("first")
	first.replies("LIM-22", k.response("first"))
	for {
		if _, err := i.recv(all); err != nil {
			break
		}
		i.last++
		i.replies("behind")
	}
	answered := 0
	for _, c := range behind {
		<-c.done
		if c.err == nil {
			answered++
			c.replies("LIM-22", k.response("behind"))
		} else {
			c.fails("LIM-12", codes.ResourceExhausted, "")
		}
	}
	s.t.Require(answered == int(i.last)-1, suite.Failure{
		Requirement: "LIM-22", Expected: fmt.Sprintf("a reply for each of the %d commands that were queued", i.last-1), Got: fmt.Sprintf("%d replies", answered),
	})
	i.asks("LIM-12", "room again")
}

// settingsCase shortens the waits of a proxy by the environment.
func settingsCase() suite.Case {
	const within = 8 * time.Second // less than any default
	return suite.Case{
		ID: "lim/proxy/settings", Title: "command time-out, passivation grace and shutdown time-out are taken from the environment",
		Requirements: requires("LIM-23"), Kind: suite.Proxy, Needs: []string{suite.EventSourced, suite.Action}, OwnTarget: true, Timeout: longTimeout,
		Run: func(ctx context.Context, t *suite.T) {
			s := own(ctx, t, suite.ModelFunction(),
				"CLOUDSTATE_COMMAND_TIMEOUT=2s", "CLOUDSTATE_PASSIVATION_GRACE=300ms", "CLOUDSTATE_SHUTDOWN_TIMEOUT=300ms")
			soon := func(what string, wait func()) {
				start := time.Now()
				wait()
				took := time.Since(start)
				t.Require(took < within, suite.Failure{
					Requirement: "LIM-23", Expected: what + " after 2 s at the most, as the environment says", Got: fmt.Sprintf("it took %s", took.Round(time.Millisecond)),
				})
			}
			i := s.entity(eventSourced, eventSourced.configured).put("ES-45")
			i.passivates("ES-45")
			soon("the passivated stream to be cancelled", func() {
				t.Check(i.ExpectCancel(s.ctx), suite.Failure{Requirement: "ES-66"})
			})
			e := s.entity(eventSourced, eventSourced.model)
			c := e.call("unanswered")
			e.opens("LIM-06").command("LIM-06", "unanswered")
			soon("DEADLINE_EXCEEDED for a command without an answer", func() { c.fails("LIM-06", codes.DeadlineExceeded, "") })

			target := s.action(model.ActionTwo, "Call")
			c = s.call("/"+model.ActionTwo+"/Call", &actmodel.OtherRequest{}, &actmodel.Response{})
			target.next("LIM-23")
			soon("the proxy to stop, although a call is in flight,", func() {
				if _, err := t.Proxy().Stop(s.ctx); err != nil {
					t.Fail(suite.Failure{Requirement: "LIM-23", Expected: "the proxy to stop after 300 ms", Got: err.Error()})
				}
			})
			<-c.done
		},
	}
}
