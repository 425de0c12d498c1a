package driver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

var theEntity = journal.EntityID{Namespace: "svc", Key: "e"}

// elsewhere appends an event as another node does that has taken the shard over.
func (r *rig) elsewhere(after uint64) {
	r.t.Helper()
	other := r.takeOver()
	f, err := other.Fence(r.t.Context(), theEntity)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.store.Append(r.t.Context(), f, theEntity, after, []journal.Entry{{}}); err != nil {
		r.t.Fatal(err)
	}
	// It stops in order, so that this node can have the shard again.
	if err := r.store.EndLease(r.t.Context(), other.holder, 1); err != nil {
		r.t.Fatal(err)
	}
}

// An answer without a write is not given when another node may have changed the entity; nor does its side effect or
// forward leave. The next command, and one that waited, see what the other node wrote.
func TestAnswersOutOfDateDoNotLeave(t *testing.T) {
	effects := []*cloudstate.SideEffect{{ServiceName: "S", CommandName: "C"}}
	for name, action := range map[string]*cloudstate.ClientAction{
		"reply":   {Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: text("stale")}}},
		"forward": {Action: &cloudstate.ClientAction_Forward{Forward: &cloudstate.Forward{ServiceName: "S", CommandName: "C"}}},
		"failure": {Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Description: "stale"}}},
		"nothing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				a := r.call(t.Context(), "e", "1", nil)
				s := r.stream()
				s.init(t)
				s.command(t)
				b := r.call(t.Context(), "e", "2", nil)
				synctest.Wait()
				r.elsewhere(0)
				s.send(t, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{
					Reply: &eventsourced.EventSourcedReply{CommandId: 1, ClientAction: action, SideEffects: effects},
				}})
				got := <-a
				wantFault(t, got, entity.FaultStoreUnavailable, textUnconfirmed)
				if len(got.outcome.Effects) > 0 || got.outcome.Forward != nil || got.outcome.Failure != nil {
					t.Errorf("something left: %+v", got.outcome)
				}
				<-s.closed
				s.complete(errEOF)
				s = r.stream()
				s.init(t)
				if seq := s.next(t).GetEvent().GetSequence(); seq != 1 {
					t.Errorf("replayed %d, want the other node's event", seq)
				}
				s.command(t)
				s.reply(t, 1)
				wantReply(t, <-b)
			})
		})
	}
}

// A command that comes to an instance of an earlier fence is not sent there, and does not fail.
func TestIdleInstanceOfAnEarlierFence(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		s.reply(t, 1)
		wantReply(t, <-a)
		r.elsewhere(0)
		b := r.call(t.Context(), "e", "2", nil)
		<-s.closed
		s.complete(errEOF)
		s = r.stream()
		s.init(t)
		if seq := s.next(t).GetEvent().GetSequence(); seq != 1 {
			t.Errorf("replayed %d, want the other node's event", seq)
		}
		if id := s.command(t).GetId(); id != 1 {
			t.Errorf("command id %d", id)
		}
		s.reply(t, 1)
		wantReply(t, <-b)
	})
}

// The store refuses what an owner of an earlier fence writes; the owner learns it from that and claims the shard anew.
func TestFencedWriteGivesTheFenceUp(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		old := r.owner.fence
		r.elsewhere(0)
		r.owner.mu.Lock()
		r.owner.fence = old // nobody told it
		r.owner.mu.Unlock()
		s.reply(t, 1, text("late"))
		wantFault(t, <-a, entity.FaultStoreUnavailable, textTakenOver)
		b := r.call(t.Context(), "e", "2", nil)
		s = r.stream()
		s.init(t)
		if seq := s.next(t).GetEvent().GetSequence(); seq != 1 {
			t.Errorf("replayed %d, want the other node's event", seq)
		}
		s.command(t)
		s.reply(t, 1, text("kept"))
		wantReply(t, <-b)
	})
}

// When the lease lapsed and nobody used that, an answer waits for it and leaves.
func TestLapseThatNobodyUsed(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		heal := r.owner.lapse()
		s.reply(t, 1)
		synctest.Wait()
		select {
		case got := <-a:
			t.Fatalf("answered %+v while the lease had lapsed", got.outcome)
		default:
		}
		heal()
		wantReply(t, <-a)
		b := r.call(t.Context(), "e", "2", nil)
		s.command(t) // the same stream
		s.reply(t, 2)
		wantReply(t, <-b)
	})
}

// Whoever asks for an entity of another node is told at once, and that trying again may help.
func TestEntityOfAnotherNode(t *testing.T) {
	for name, c := range map[string]struct {
		refuse error
		class  entity.FaultClass
		text   string
	}{
		"held":        {&journal.HeldError{}, entity.FaultStoreUnavailable, textHeld},
		"unreachable": {errors.New("connection refused"), entity.FaultStoreUnavailable, textUnreachable},
		"closed":      {journal.ErrClosed, entity.FaultStoreUnavailable, textUnreachable},
		"damaged":     {&journal.CorruptError{}, entity.FaultDamaged, `what is stored of entity "svc" "e" is damaged; it is not served until that is mended`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				r.owner.refuse = c.refuse
				wantFault(t, <-r.call(t.Context(), "e", "1", nil), c.class, c.text)
				if len(r.streams.opened) > 0 {
					t.Error("a stream was opened")
				}
			})
		})
	}
}

// What was loaded is adopted before it serves: what a writer of an earlier fence slipped in meanwhile is noticed.
func TestLoadIsAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		loads int
	}{"fenced": {journal.ErrFenced, 1}, "refused again and again": {journal.ErrConflict, 2}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				r.store.adopt = c.err
				a := r.call(t.Context(), "e", "1", nil)
				s := r.stream()
				s.init(t)
				for range c.loads - 1 {
					<-s.cancelled
					s = r.stream()
					s.init(t)
				}
				wantFault(t, <-a, entity.FaultStoreUnavailable, textTakenOver)
				<-s.cancelled
				r.store.mu.Lock()
				r.store.adopt = nil
				r.store.mu.Unlock()
				b := r.call(t.Context(), "e", "2", nil)
				s = r.stream()
				s.init(t)
				s.command(t)
				s.reply(t, 1, text("kept"))
				wantReply(t, <-b)
			})
		})
	}
}

// What took effect between the read and the adoption is seen by a second load, and the caller notices nothing.
func TestStaleLoadIsRepeated(t *testing.T) {
	var replays []uint64
	inBubble(t, func(c *Config) { c.Replayed = func(n uint64) { replays = append(replays, n) } }, func(t *testing.T, r *rig) {
		r.store.beforeAdopt = func() {
			if err := r.store.Append(t.Context(), *r.owner.fence, theEntity, 0, []journal.Entry{{}}); err != nil {
				t.Error(err)
			}
		}
		a := r.call(t.Context(), "e", "1", nil)
		first := r.stream()
		first.init(t)
		<-first.cancelled
		s := r.stream()
		s.init(t)
		if seq := s.next(t).GetEvent().GetSequence(); seq != 1 {
			t.Errorf("replayed %d, want the event that came late", seq)
		}
		s.command(t)
		s.reply(t, 1, text("kept"))
		wantReply(t, <-a)
	})
	if len(replays) != 1 || replays[0] != 1 {
		t.Errorf("told of the replays %d, want one of one event", replays)
	}
}

// A type that takes another's place has no instance of an entity while the other one has: what that is about to write
// is read.
func TestSuccessorWaits(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		hold := make(chan struct{})
		r.store.hold = hold
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		s.reply(t, 1, text("one"))
		synctest.Wait()
		r.typ = r.typ.Successor("Renamed", time.Minute)
		b, c := r.call(t.Context(), "e", "2", nil), r.call(t.Context(), "e", "3", nil)
		synctest.Wait()
		if n := len(r.streams.opened); n > 0 {
			t.Fatalf("%d streams were opened while the other instance wrote", n)
		}
		close(hold)
		wantReply(t, <-a)
		<-s.closed
		s.complete(errEOF)
		s = r.stream()
		if name := s.init(t).GetServiceName(); name != "Renamed" {
			t.Errorf("the service is %q", name)
		}
		if seq := s.next(t).GetEvent().GetSequence(); seq != 1 {
			t.Errorf("replayed %d, want the event that was being written", seq)
		}
		s.command(t)
		s.reply(t, 1)
		s.command(t)
		s.reply(t, 2)
		wantReply(t, <-b)
		wantReply(t, <-c)
	})
}

// A stop does not wait for an instance whose successor waits.
func TestSuccessorIsCutOff(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		r.typ = r.typ.Successor("Renamed", time.Minute)
		b := r.call(t.Context(), "e", "2", nil)
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.host.Drain(ctx); err == nil {
			t.Error("it was drained although a command was unanswered")
		}
		if after := time.Since(began); after > 2*time.Second {
			t.Errorf("it took %v", after)
		}
		if (<-a).outcome.Fault == nil || (<-b).outcome.Fault == nil {
			t.Error("a command was answered by nobody")
		}
	})
}

// Events that a snapshot covers are removed when that is asked for, and commands do not wait for it.
func TestPrune(t *testing.T) {
	for _, prune := range []bool{false, true} {
		inBubble(t, func(c *Config) { c.PruneEvents = prune }, func(t *testing.T, r *rig) {
			a := r.call(t.Context(), "e", "1", nil)
			s := r.stream()
			s.init(t)
			s.command(t)
			s.reply(t, 1, text("one"))
			wantReply(t, <-a)
			b := r.call(t.Context(), "e", "2", nil)
			s.command(t)
			hold := make(chan struct{})
			r.store.mu.Lock()
			r.store.holdPrune = hold
			r.store.mu.Unlock()
			s.send(t, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: &eventsourced.EventSourcedReply{
				CommandId: 2, ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: text("ok")}}},
				Events: []*anypb.Any{text("two")}, Snapshot: text("state"),
			}}})
			wantReply(t, <-b)
			c := r.call(t.Context(), "e", "3", nil)
			s.command(t)
			s.reply(t, 3)
			wantReply(t, <-c)
			close(hold)
			synctest.Wait()
			recs, _, err := r.store.Read(t.Context(), theEntity, 0, journal.Chunk{})
			if pruned := errors.Is(err, journal.ErrPruned); pruned != prune || (!prune && len(recs) != 2) {
				t.Errorf("prune %v: read %d events, %v", prune, len(recs), err)
			}
		})
	}
}
