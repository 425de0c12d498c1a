package driver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// keyed sends a command with an idempotency key in the background.
func (r *rig) keyed(key string) <-chan answer {
	done := make(chan answer, 1)
	cmd := &entity.Command{Name: "Do", Payload: []byte(key), Keyed: &entity.Keyed{Key: key}}
	go func() {
		o, err := r.host.Submit(context.Background(), r.typ, theEntity.Key, cmd).Wait(context.Background(), nil)
		done <- answer{o, err}
	}()
	return done
}

// emits answers command id with events and a snapshot of them all.
func (s *fakeStream) snapshots(t *testing.T, id int64, events ...*anypb.Any) {
	t.Helper()
	s.send(t, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: &eventsourced.EventSourcedReply{
		CommandId: id, Events: events, Snapshot: text("state"),
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: text("ok")}}},
	}}})
}

// IDEM-06: with --prune-events an event that remembers a command stays until it has left the window, and those before it
// go; without keys all go that the snapshot covers.
func TestPruneKeepsTheWindow(t *testing.T) {
	const window = 10
	for _, key := range []bool{false, true} {
		t.Run(fmt.Sprint("keyed ", key), func(t *testing.T) {
			inBubble(t, func(c *Config) { c.PruneEvents, c.IdempotencyWindow = true, window }, func(t *testing.T, r *rig) {
				pruned := func() uint64 {
					synctest.Wait()
					var p *journal.PrunedError
					_, _, err := r.store.Read(t.Context(), theEntity, 0, journal.Chunk{})
					errors.As(err, &p)
					if p == nil {
						return 0
					}
					return p.Through
				}
				a := r.call(t.Context(), "e", "1", nil)
				s := r.stream()
				s.init(t)
				s.command(t)
				s.reply(t, 1, text("1"), text("2"))
				wantReply(t, <-a)
				if key {
					a = r.keyed("key")
				} else {
					a = r.call(t.Context(), "e", "key", nil)
				}
				s.command(t)
				s.snapshots(t, 2, text("3"), text("4"))
				wantReply(t, <-a)
				want := map[bool]uint64{false: 4, true: 3}
				if got := pruned(); got != want[key] {
					t.Fatalf("removed up to event %d, want %d", got, want[key])
				}
				// Up to event 13 the window still holds event 4; at 14 it does not.
				for id, seq := int64(3), uint64(5); seq <= 14; id, seq = id+1, seq+1 {
					b := r.call(t.Context(), "e", "more", nil)
					s.command(t)
					s.snapshots(t, id, text("more"))
					wantReply(t, <-b)
					want := seq
					if key && seq < 4+window {
						want = 3
					}
					if got := pruned(); got != want {
						t.Fatalf("at event %d removed up to %d, want %d", seq, got, want)
					}
					if key && seq == 3+window {
						wantReply(t, <-r.keyed("key"))
					}
				}
				if key {
					b := r.keyed("key") // it has left the window
					s.command(t)
					s.reply(t, 13)
					wantReply(t, <-b)
				}
			})
		})
	}
}

// A note that this program cannot read makes nobody repeat a command; commands without a key go on.
func TestNoteOfANewerProgram(t *testing.T) {
	for name, value := range map[string]bool{"event": false, "value": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c *Config) { c.IdempotencyWindow = 10 }, func(t *testing.T, r *rig) {
				f, err := r.owner.Fence(t.Context(), theEntity)
				if err != nil {
					t.Fatal(err)
				}
				newer := journal.Entry{Note: []byte{9}}
				if value {
					r.typ = Value("Svc", "svc", 0)
					_, err = r.store.PutValue(t.Context(), f, theEntity, 0, newer)
				} else {
					err = r.store.Append(t.Context(), f, theEntity, 0, []journal.Entry{newer})
				}
				if err != nil {
					t.Fatal(err)
				}
				a := r.keyed("key")
				s := r.stream()
				<-s.in // init
				if !value {
					<-s.in // the event
				}
				got := <-a
				if got.outcome.Fault == nil || got.outcome.Fault.Class != entity.FaultStore {
					t.Fatalf("want a fault of the store, got %+v", got.outcome)
				}
				b := r.call(t.Context(), "e", "without", nil)
				<-s.in
				if value {
					s.out <- []byte{0x0a, 0x04, 8, 1, 18, 0} // reply to command 1, without a client action
				} else {
					s.reply(t, 1)
				}
				if got := <-b; got.outcome.Fault != nil {
					t.Fatalf("a command without a key got %v", got.outcome.Fault)
				}
			})
		})
	}
}

// counting counts the reads of a journal.
type counting struct {
	journal.Store
	reads int
}

func (c *counting) Read(ctx context.Context, id journal.EntityID, after uint64, most journal.Chunk) ([]journal.Record, bool, error) {
	c.reads++
	return c.Store.Read(ctx, id, after, most)
}

// The window is read when the first keyed command of an activation comes, once, and never for other entities; a later
// try reads the one event that it is remembered with.
func TestWindowIsReadOnce(t *testing.T) {
	inBubble(t, func(c *Config) { c.IdempotencyWindow, c.Replay.Records = 100, 1000 }, func(t *testing.T, r *rig) {
		count := &counting{Store: r.store.Store}
		r.store.Store = count
		var s *fakeStream
		id := int64(0)
		does := func(what <-chan answer, sent bool, reads int, why string) {
			t.Helper()
			if sent {
				id++
				if s == nil {
					s = r.stream()
					s.init(t)
				}
				s.command(t)
				s.reply(t, id, text("event"))
			}
			wantReply(t, <-what)
			if count.reads != reads {
				t.Errorf("%s: %d reads of the journal, want %d", why, count.reads, reads)
			}
			count.reads = 0
		}
		does(r.call(t.Context(), "e", "1", nil), true, 1, "the replay")
		does(r.call(t.Context(), "e", "2", nil), true, 0, "without a key")
		does(r.keyed("a"), true, 1, "the first key")
		does(r.keyed("b"), true, 0, "another key")
		does(r.call(t.Context(), "e", "3", nil), true, 0, "without a key")
		does(r.keyed("c"), true, 0, "another key behind it")
		does(r.keyed("b"), false, 1, "a later try")
	})
}

// holed is a store in which the events up to through of every journal are damaged.
type holed struct {
	journal.Store
	through uint64
}

func (h *holed) Read(ctx context.Context, id journal.EntityID, after uint64, most journal.Chunk) ([]journal.Record, bool, error) {
	if after < h.through {
		return nil, false, &journal.CorruptError{ID: id, What: "event 1 is missing"}
	}
	return h.Store.Read(ctx, id, after, most)
}

// Damage among what a snapshot covers, which only the look for an earlier try meets, is told to the command with a key. The
// entity's state is whole, so it is not refused: not now, and not when it is loaded next.
func TestWindowIsDamaged(t *testing.T) {
	inBubble(t, func(c *Config) { c.IdempotencyWindow = 10 }, func(t *testing.T, r *rig) {
		serves := func(s *fakeStream, id int64) *fakeStream {
			t.Helper()
			a := r.call(t.Context(), "e", "without", nil)
			if s == nil {
				s = r.stream()
				if seq := s.init(t).GetSnapshot().GetSnapshotSequence(); seq != 1 {
					t.Fatalf("it begins with the snapshot of event %d, want 1", seq)
				}
			}
			s.command(t)
			s.reply(t, id)
			wantReply(t, <-a)
			return s
		}
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		s.snapshots(t, 1, text("event"))
		wantReply(t, <-a)
		synctest.Wait()
		r.store.Store = &holed{r.store.Store, 1}

		for id := int64(2); id < 5; id++ {
			wantFault(t, <-r.keyed("key"), entity.FaultDamaged,
				`what is stored of entity "svc" "e" is damaged, so it cannot be told whether the command was carried out before; it was not sent now`)
			serves(s, id)
		}
		if list := r.host.Quarantined(); len(list) != 0 {
			t.Errorf("in quarantine: %+v", list)
		}
		<-s.closed // passivated
		s.complete(errEOF)
		serves(nil, 1)
	})
}
