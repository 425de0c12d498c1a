package proxy

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	// tryBound is how long the next try may take (DISC-50), and somewhat more for a busy machine.
	tryBound = 15*time.Second + 2*time.Second
	// strangers is how many connections something else answers where the user function should be.
	strangers = 4
)

// unreachableCase is about a user function that is not there yet, or cannot answer yet, in all the ways there are: first at the start, then after it was lost.
func unreachableCase() suite.Case {
	c := discoveryCase("unreachable", "a proxy whose user function is not there, is something else, or fails discover, goes on trying and serves once it has an answer",
		[]string{suite.EventSourced}, requires("DISC-22", "DISC-23", "DISC-50", "OPS-02", "SERV-36", "OPS-15"), func(ctx context.Context, t *suite.T) {
			s := newScene(ctx, t, nil)
			s.launched(hasty...)
			s.within(tryBound, func() { s.unready("SERV-36") })
			s.meetsStrangers()
			var refusing atomic.Bool
			refusing.Store(true)
			tries := make(chan chan error)
			config := suite.ModelFunction()
			config.Discover = func(ctx context.Context, _ *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
				if !refusing.Load() {
					return model.Spec(), nil
				}
				try := make(chan error, 1)
				select {
				case tries <- try:
				case <-ctx.Done():
				}
				select {
				case err := <-try:
					return nil, err
				case <-ctx.Done():
					return nil, status.FromContextError(ctx.Err()).Err()
				}
			}
			s.function = t.Serve(config)
			s.refuses(tries, &refusing, codes.Unavailable, codes.Internal, codes.Unimplemented, codes.InvalidArgument, codes.Unknown, codes.PermissionDenied, codes.Unauthenticated, codes.NotFound)
			s.ready("DISC-22", "discover succeeds now")
			for _, m := range t.Trace().Messages() {
				if m.From == trace.Frontend && m.Method == discoverMethod && m.Kind == trace.Data {
					break // the answer that is accepted
				}
				t.Require(m.To != trace.Frontend || strings.HasPrefix(m.Method, "/cloudstate.EntityDiscovery/"), suite.Failure{
					Requirement: "DISC-23", Expected: "no command before an answer was accepted", Got: m.String(),
				})
			}
			refusing.Store(true)
			s.function.Kill()
			s.within(tryBound, func() { s.becomes("OPS-02", false) })
			s.comesBack()
			s.refuses(tries, &refusing, codes.Unimplemented, codes.Unavailable, codes.Internal)
			s.ready("DISC-22", "discover succeeds again")
		})
	c.Timeout = 4 * longTimeout
	return c
}

// meetsStrangers lets the proxy meet something else where its user function should be: what closes the connection at once, and what speaks another protocol.
func (s *scene) meetsStrangers() {
	listener, err := net.Listen("tcp", s.t.FunctionAddress())
	if err != nil {
		s.t.KitFault(err)
	}
	defer func() { _ = listener.Close() }()
	for n := range strangers {
		if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(tryBound)); err != nil { //nolint:errcheck // net.Listen of "tcp" gives one
			s.t.KitFault(err)
		}
		connection, err := listener.Accept()
		s.t.Check(err, suite.Failure{Requirement: "DISC-22", Expected: fmt.Sprintf("connection %d, after those before it led nowhere", n+1)})
		if n%2 == 1 {
			_, _ = connection.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) // the proxy may be gone already
		}
		_ = connection.Close()
		s.alive("DISC-22")
	}
}

// refuses answers one call of discover with each of these statuses. The one after that succeeds.
func (s *scene) refuses(tries <-chan chan error, refusing *atomic.Bool, refusals ...codes.Code) {
	for n, code := range refusals {
		select {
		case answer := <-tries:
			s.alive("DISC-22")
			if n == 0 {
				// Now the proxy is certainly up, and whoever is let in hears from it that nothing is served.
				s.client = s.connect()
				s.within(tryBound, func() { s.unready("SERV-36") })
			}
			refusing.Store(n+1 < len(refusals))
			answer <- status.Error(code, "not yet")
		case <-time.After(tryBound):
			s.alive("DISC-22")
			s.t.Fail(suite.Failure{Requirement: "DISC-22", Expected: fmt.Sprintf("discover to be called again after it failed %d times", n), Got: "no further call within " + tryBound.String()})
		}
	}
}
