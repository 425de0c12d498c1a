package proxy

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	// connectionAge is how long a connection lasts where the user function renews them.
	connectionAge = 100 * time.Millisecond
	// renewals is how many connections are made anew while it is watched that discover is not called.
	renewals = 8
)

// keptCases are about what is no reason to ask a user function again.
func keptCases() []suite.Case {
	return []suite.Case{
		discoveryCase("connections-renewed", "a user function that has its connections made anew, for their age or since they are idle, is not asked again",
			[]string{suite.EventSourced}, requires("DISC-25"), func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.MaxConnectionAge, config.MaxConnectionIdle = connectionAge, connectionAge
				s := own(ctx, t, config, hasty...)
				s.discovered()
				first := s.function.Connections()
				s.until("DISC-25", "commands to be sent on new connections when the old ones take no more", func() (bool, string) {
					s.other = "" // an entity of its own: a new stream
					s.roundTrips(1)
					n := s.function.Connections() - first
					return n >= renewals, fmt.Sprintf("%d new connections", n)
				})
				s.undiscovered("its connections were ended in order, and it can be reached")
			}),
		discoveryCase("calls-unavailable", "a user function that ends streams with UNAVAILABLE, on a connection that stays, is not asked again",
			[]string{suite.EventSourced}, requires("DISC-25"), func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction(), hasty...)
				s.discovered()
				for range 3 {
					e := s.entity(eventSourced, eventSourced.model)
					c := e.call("refused")
					i := e.opens("DISC-25")
					i.command("DISC-25", "refused")
					i.Fail(codes.Unavailable, "busy")
					<-c.done
					s.roundTrips(10)
				}
				s.undiscovered("only streams were ended")
			}),
	}
}

// discovered takes the call of discover with which the proxy has begun.
func (s *scene) discovered() {
	_, err := s.function.NextDiscovery(s.ctx)
	s.t.Check(err, suite.Failure{Requirement: "DISC-01"})
}

// undiscovered requires that discover has not been called again so far.
func (s *scene) undiscovered(why string) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.function.NextDiscovery(now); err == nil {
		s.t.Fail(suite.Failure{Requirement: "DISC-25", Expected: "no further discover call: " + why, Got: "a further one"})
	}
}
