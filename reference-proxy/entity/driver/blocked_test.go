package driver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// blocked begins command 2 on a stream that the user function reads no more: its caller hangs in Send.
func (r *rig) blocked(ctx context.Context) (*fakeStream, <-chan answer) {
	s := r.served()
	s.in <- nil // the fake's one slot
	a := r.call(ctx, "e", "2", nil)
	synctest.Wait()
	return s, a
}

// blockedFirst begins a command on a stream that the user function never reads: the receiver hangs in Send.
func (r *rig) blockedFirst(ctx context.Context) (*fakeStream, <-chan answer) {
	a := r.call(ctx, "e", "1", nil)
	s := r.stream() // where init fills the slot
	synctest.Wait()
	return s, a
}

// served says that the entity has no instance of before, and is served.
func (r *rig) served() *fakeStream {
	r.t.Helper()
	synctest.Wait()
	if n := r.host.Active(); n != 0 {
		r.t.Fatalf("%d instances are left", n)
	}
	a := r.call(r.t.Context(), "e", "next", nil)
	s := r.stream()
	s.init(r.t)
	s.command(r.t)
	s.reply(r.t, 1)
	wantReply(r.t, <-a)
	synctest.Wait() // the receiver, which settled that, is back
	return s
}

// LIM-06, LIM-22: a user function that stops reading its stream keeps neither a command without an answer nor an entity
// from being served, whatever happens meanwhile.
func TestUserFunctionStopsReading(t *testing.T) {
	const timedOut = "the user function did not answer within 1m0s"
	for name, test := range map[string]func(t *testing.T, r *rig){
		"time-out": func(t *testing.T, r *rig) {
			began := time.Now()
			s, a := r.blocked(t.Context())
			b := r.call(t.Context(), "e", "2", nil)
			wantFault(t, <-a, entity.FaultTimeout, timedOut)
			if after := time.Since(began); after != time.Minute {
				t.Errorf("answered after %v, want 1m", after)
			}
			wantFault(t, <-b, entity.FaultProtocol, "Entity terminated")
			<-s.cancelled
			r.served()
		},
		"time-out of the first": func(t *testing.T, r *rig) {
			_, a := r.blockedFirst(t.Context())
			b := r.call(t.Context(), "e", "2", nil)
			wantFault(t, <-a, entity.FaultTimeout, timedOut)
			wantFault(t, <-b, entity.FaultProtocol, "Entity terminated")
			r.served()
		},
		"answered before it is read": func(t *testing.T, r *rig) {
			s, a := r.blocked(t.Context())
			s.reply(t, 2, text("kept"))
			wantReply(t, <-a)
			<-s.cancelled
			synctest.Wait()
			if recs, _, _ := r.store.Read(t.Context(), theEntity, 0, journal.Chunk{}); len(recs) != 1 {
				t.Errorf("%d events are stored, want 1", len(recs))
			}
		},
		"violation": func(t *testing.T, r *rig) {
			began := time.Now()
			s, a := r.blocked(t.Context())
			s.reply(t, 7)
			wantFault(t, <-a, entity.FaultProtocol, "Unexpected entity reply")
			if after := time.Since(began); after != 0 {
				t.Errorf("answered after %v, want at once", after)
			}
			r.served()
		},
		"the stream ends": func(t *testing.T, r *rig) {
			s, a := r.blocked(t.Context())
			s.complete(errEOF)
			s.Cancel() // as gRPC does, whose Send returns when the stream has ended
			wantFault(t, <-a, entity.FaultProtocol, "Unexpected entity termination")
			r.served()
		},
		"the first's caller goes": func(t *testing.T, r *rig) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			s, a := r.blockedFirst(ctx)
			if got := <-a; !errors.Is(got.err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("got %+v after %v", got, time.Since(began))
			}
			<-s.cancelled
			r.served()
		},
		"the caller goes": func(t *testing.T, r *rig) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s, a := r.blocked(ctx)
			if got := <-a; got.err == nil && got.outcome.Fault == nil {
				t.Errorf("got %+v", got)
			}
			<-s.cancelled
			r.served()
		},
		"calls are cut off": func(t *testing.T, r *rig) {
			_, a := r.blocked(t.Context())
			began := time.Now()
			r.host.CutOff()
			wantFault(t, <-a, entity.FaultProtocol, "Unexpected entity termination")
			if after := time.Since(began); after != 0 {
				t.Errorf("it took %v, want nothing", after)
			}
			s := r.served()
			b := r.call(t.Context(), "e", "2", nil)
			s.command(t)
			r.host.CutOff() // nothing is being sent
			s.reply(t, 2)
			wantReply(t, <-b)
		},
		"drain": func(t *testing.T, r *rig) {
			_, a := r.blocked(t.Context())
			if err := r.host.Drain(t.Context()); err != nil {
				t.Errorf("drained with %v", err)
			}
			wantFault(t, <-a, entity.FaultTimeout, timedOut)
		},
		"drain cut off": func(t *testing.T, r *rig) {
			_, a := r.blocked(t.Context())
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := r.host.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("drained with %v", err)
			}
			wantFault(t, <-a, entity.FaultProtocol, "Unexpected entity termination")
			if after := time.Since(began); after != time.Second {
				t.Errorf("it took %v, want 1s", after)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { inBubble(t, nil, test) })
	}
}
