package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// Hop names a place where something can befall the targets: who is killed there, or the link in front of whom is disturbed.
type Hop string

// The hops, in the order of a command's way.
const (
	Proxy    Hop = "proxy"
	Function Hop = "function"
	Store    Hop = "store"
)

// hops are all of them.
var hops = []Hop{Proxy, Function, Store}

// Scene is what can be disturbed.
type Scene struct {
	// Proxy and Function are the targets.
	Proxy, Function suite.Process
	// Store is nil when the kit cannot take the store away.
	Store suite.StoreTarget
	// Links are those in front of each hop; a hop without one has no entry.
	Links map[Hop]*Link
	// Serving is nil when the proxy serves. It is asked past the link.
	Serving target.Probe
	// Rediscovered returns a probe that is nil when the proxy has called discover since and serves.
	Rediscovered func() target.Probe
	// Reconnect has the kit look for the user function at once, which was started again.
	Reconnect func()
	// StartTimeout bounds each start of a target.
	StartTimeout time.Duration
}

// launchProxy starts the proxy and waits until it serves.
func (s *Scene) launchProxy(ctx context.Context, after string) error {
	ctx, cancel := context.WithTimeout(ctx, s.StartTimeout)
	defer cancel()
	if err := s.Proxy.Launch(ctx); err != nil {
		return err
	}
	if err := target.Await(ctx, s.Serving, s.Proxy.Exited()); err != nil {
		return &suite.Failure{
			Expected: fmt.Sprintf("the proxy to start on the same store and to serve within %s, after %s", s.StartTimeout, after),
			Got:      fmt.Sprintf("%v; it wrote:\n%s", err, strings.Join(s.Proxy.Logs(10), "\n")),
			Remedy:   "whatever a process leaves behind when it ends, the next one must find its way with it and without help",
		}
	}
	return nil
}

// killFunction kills the user function and starts it again after d. The proxy loses its connection in the same moment: what the interceptor between them would
// make of the loss is not what is looked for.
func (s *Scene) killFunction(ctx context.Context, d time.Duration) error {
	s.Links[Function].Cut()
	if err := s.Function.Kill(ctx); err != nil {
		return errors.Join(err, s.mend(ctx, Function))
	}
	idle(ctx, d)
	return s.functionBack(ctx)
}

// restartFunction asks the user function for its orderly end, cuts the proxy off after d, and starts it again.
func (s *Scene) restartFunction(ctx context.Context, d time.Duration) error {
	err := s.Function.Signal()
	idle(ctx, d)
	s.Links[Function].Cut()
	if err != nil {
		return errors.Join(err, s.mend(ctx, Function))
	}
	waiting, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	if _, err := s.Function.Wait(waiting); err != nil {
		return errors.Join(unstopped("user function", err), s.mend(ctx, Function))
	}
	return s.functionBack(ctx)
}

// functionBack starts the user function and lets the proxy find it.
func (s *Scene) functionBack(ctx context.Context) error {
	startCtx, cancel := context.WithTimeout(ctx, s.StartTimeout)
	defer cancel()
	err := s.Function.Start(startCtx)
	s.Reconnect()
	if mendErr := s.mend(ctx, Function); mendErr != nil {
		return mendErr
	}
	if err != nil {
		return &suite.Failure{Expected: "the user function to start again", Got: err.Error()}
	}
	return nil
}

// mend restores a link that was cut, also when ctx has ended.
func (s *Scene) mend(ctx context.Context, hop Hop) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendPatience)
	defer cancel()
	if err := s.Links[hop].Mend(ctx); err != nil {
		return &suite.KitError{Err: err}
	}
	return nil
}

// mendPatience bounds how long a port may be taken.
const mendPatience = 10 * time.Second

// stopPatience bounds the orderly end of a target.
const stopPatience = 30 * time.Second

// restartProxy asks the proxy for its orderly end and starts it again.
func (s *Scene) restartProxy(ctx context.Context) error {
	stopping, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	exit, err := s.Proxy.Stop(stopping)
	if err != nil {
		return unstopped("proxy", err)
	}
	if exit != 0 {
		return &suite.Failure{Expected: "the proxy to end with exit status 0 on SIGTERM (OPS-06)", Got: fmt.Sprintf("exit status %d", exit)}
	}
	return s.launchProxy(ctx, "an orderly stop")
}

func unstopped(who string, err error) error {
	return &suite.Failure{Expected: fmt.Sprintf("the %s to end within %s of SIGTERM", who, stopPatience), Got: err.Error()}
}

// settled waits until the proxy serves, having asked the user function anew what it is.
func (s *Scene) settled(ctx context.Context, rediscovered target.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, s.StartTimeout)
	defer cancel()
	if err := target.Await(ctx, rediscovered, nil); err != nil {
		return &suite.Failure{Expected: fmt.Sprintf("the proxy to discover the user function again and to serve within %s (OPS-09)", s.StartTimeout), Got: err.Error()}
	}
	return nil
}

// idle lets d go by, or less when ctx ends.
func idle(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
