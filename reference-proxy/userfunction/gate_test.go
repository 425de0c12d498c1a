package userfunction

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

func briefly(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// The user function is replaced, and a fresh connection made, before the end of any old connection was noticed: the
// proxy has seen nothing yet that looks like a loss.
func TestNothingReachesANewUserFunctionWhileTheLossIsUnnoticed(t *testing.T) {
	r := restartable(t)
	p := newPool(t, r.addr(), nil)
	way := newLate(t, p)
	ask(t, p)
	streams := openAll(t, p, 3)
	way.held.Store(true)
	r.restart()
	// No call was made yet, so that the call lane has no connection.
	if _, err := p.ActionUnary(briefly(t), "/some.Action/call", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a call while nothing was noticed: %v, want ErrUnavailable", err)
	}
	if len(p.Disconnected()) > 0 {
		t.Error("the loss was noticed: nothing was tested")
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := p.unaryWithin(t, time.Hour)
		waiting <- err
	}()
	way.held.Store(false)
	close(way.release)
	lossAnnounced(t, p)
	if _, err := p.EntityStream(briefly(t), method); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a stream before discovery: %v, want ErrUnavailable", err)
	}
	r.wantNothingEarly(t)
	ask(t, p)
	check(t, <-waiting)
	for _, s := range streams {
		s.Cancel()
	}
	endAll(t, openAll(t, p, 3))
	if len(p.Disconnected()) > 0 {
		t.Error("one loss was announced twice")
	}
}

// unaryWithin makes a call that waits so long for the user function.
func (p *Pool) unaryWithin(t testing.TB, patience time.Duration) ([]byte, error) {
	out, _, err := p.unary(within(t), p.calls, "/some.Action/call", patience, []byte{1})
	return out, err
}

// Where the kernel cannot be asked, the first end that was noticed is what warns.
func TestNothingReachesANewUserFunctionOnceAnEndWasNoticed(t *testing.T) {
	r := restartable(t)
	p := newPool(t, r.addr(), nil)
	way := newLate(t, p)
	way.opaque = true
	p.settle = time.Hour // whatever the machine does meanwhile, the other ends are not noticed before they are released
	ask(t, p)
	streams := openAll(t, p, 1)
	way.held.Store(true)
	r.restart()
	p.lost(newestLink(p, p.streams), errGivenUp)
	if _, err := p.ActionUnary(briefly(t), "/some.Action/call", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a call: %v, want ErrUnavailable", err)
	}
	close(way.release)
	lossAnnounced(t, p)
	r.wantNothingEarly(t)
	ask(t, p)
	shortCalls(t, p)
	streams[0].Cancel()
}

// A connection that breaks while others live is no loss, and costs nobody a wait, where the kernel tells, and only a
// short one where it does not.
func TestPartOfTheConnectionsBreaks(t *testing.T) {
	for name, opaque := range map[string]bool{"the kernel tells": false, "the kernel cannot be asked": true} {
		t.Run(name, func(t *testing.T) {
			s := newStrict(t, unlimited, false)
			p := newPool(t, s.listener.Addr(), nil)
			newLate(t, p).opaque = opaque
			shortCalls(t, p)
			openAll(t, p, 2)
			p.lost(newestLink(p, p.streams), errGivenUp)
			endAll(t, openAll(t, p, 2))
			if len(p.Disconnected()) > 0 {
				t.Error("taken for a loss")
			}
		})
	}
}

// Whatever Admit is called for, it opens the gate for nobody but the user function that answered last.
func TestAdmitIsForTheOneThatAnswered(t *testing.T) {
	r := restartable(t)
	p := newPool(t, r.addr(), nil)
	ask(t, p)
	r.restart()
	lossAnnounced(t, p)
	p.Admit()           // the first one's answer
	lossAnnounced(t, p) // so the owner asks again
	if _, err := p.EntityStream(briefly(t), method); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a stream to the second one: %v, want ErrUnavailable", err)
	}
	_, err := p.Discover(within(t), &cloudstate.ProxyInfo{})
	check(t, err)
	r.restart()
	lossAnnounced(t, p)
	p.Admit() // the second one's
	if _, err := p.EntityStream(briefly(t), method); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a stream to the third one: %v, want ErrUnavailable", err)
	}
	r.wantNothingEarly(t)
	ask(t, p)
	endAll(t, openAll(t, p, 1))
}

// Idle and busy connections that die together are one loss, whichever is noticed last.
func TestIdleConnectionsThatDieWithOthersAreLost(t *testing.T) {
	r := restartable(t)
	p := newPool(t, r.addr(), nil)
	newLate(t, p)
	ask(t, p)
	openAll(t, p, 1)
	p.mu.Lock()
	control := p.control.links[0]
	control.idleSince = time.Now().Add(-time.Hour)
	p.mu.Unlock()
	p.lost(newestLink(p, p.streams), errGivenUp)
	p.lost(control, errGivenUp)
	if len(p.Disconnected()) == 0 {
		t.Error("not announced")
	}
}

// Callers never stop while the user function is replaced again and again without a pause.
func TestRestartsUnderLoad(t *testing.T) {
	r := restartable(t)
	p := newPool(t, r.addr(), nil)
	ask(t, p)
	ctx, stop := context.WithCancel(within(t))
	var owner, callers errgroup.Group
	owner.Go(func() error {
		for {
			select {
			case <-p.Disconnected():
				if _, err := p.Discover(ctx, &cloudstate.ProxyInfo{}); err == nil {
					p.Admit()
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	const enough = 20
	served := make(chan struct{}, enough)
	note := func() {
		select {
		case served <- struct{}{}:
		default:
		}
	}
	for i := range 8 {
		callers.Go(func() error {
			for ctx.Err() == nil {
				if i%2 == 0 {
					if _, err := p.ActionUnary(ctx, "/some.Action/call", []byte{1}); err == nil {
						note()
					}
					continue
				}
				s, err := p.EntityStream(ctx, method)
				if err != nil {
					continue
				}
				if converse(s, "hello") == nil {
					note()
				}
				s.Cancel()
			}
			return nil
		})
	}
	for range 100 {
		for range enough {
			select {
			case <-served:
			case <-ctx.Done():
			}
		}
		r.wantNothingEarly(t)
		r.restart()
	}
	if ctx.Err() != nil {
		t.Error("callers were not served again after a restart")
	}
	stop()
	check(t, callers.Wait())
	check(t, owner.Wait())
	r.wantNothingEarly(t)
}
