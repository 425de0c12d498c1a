package journaltest

import (
	"errors"
	"math"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

func (su *suite) testSnapshots(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	save := func(seq uint64, payload string) error {
		return b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: seq, Payload: []byte(payload)})
	}
	b.snapshot(cart, 0, "")
	b.refused(save(1, "ahead of the first event"), journal.ErrConflict)
	b.refused(save(0, "of nothing"), journal.ErrInvalid)
	b.append(f, cart, 0, "1", "2", "3")
	b.save(f, cart, 1, "a")
	b.snapshot(cart, 1, "a")
	b.save(f, cart, 3, "c")
	b.snapshot(cart, 3, "c")
	for _, older := range []uint64{1, 2, 3} {
		if err := save(older, "late"); err != nil {
			t.Fatalf("snapshot of event %d after one of 3: %v", older, err)
		}
		b.snapshot(cart, 3, "c")
	}
	b.refused(save(4, "ahead"), journal.ErrConflict)
	b.refused(save(math.MaxUint64, "far ahead"), journal.ErrConflict)
	b.snapshot(cart, 3, "c")
	b.equal("events beside a snapshot", b.all(cart, 0, journal.Chunk{}), []string{"1", "2", "3"})
}

// testPrune: events are removed only where a snapshot stands for them, a read that needs
// them says so, and the sequence goes on.
func (su *suite) testPrune(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	neighbours := []journal.EntityID{
		{Namespace: cart.Namespace, Key: "cart-0"}, {Namespace: cart.Namespace, Key: "cart-10"},
		{Namespace: cart.Namespace + "s", Key: cart.Key}, {Namespace: "", Key: cart.Namespace + cart.Key},
	}
	for _, id := range neighbours {
		b.append(f, id, 0, "1", "2", "3", "4", "5")
		b.save(f, id, 4, "state")
	}
	prune := func(through uint64) error { return b.Prune(b.ctx, f, cart, through) }
	b.refused(prune(1), journal.ErrConflict)
	b.append(f, cart, 0, "1", "2", "3", "4", "5")
	for _, through := range []uint64{1, 5, 6, math.MaxInt64, math.MaxUint64} {
		b.refused(prune(through), journal.ErrConflict) // there is no snapshot
	}
	b.save(f, cart, 3, "state of 3")
	b.refused(prune(4), journal.ErrConflict) // the snapshot is older
	b.equal("events after refused prunes", b.all(cart, 0, journal.Chunk{}), []string{"1", "2", "3", "4", "5"})

	kept := func(through uint64, want ...string) {
		t.Helper()
		for after := range through {
			var pruned *journal.PrunedError
			recs, more, err := b.Read(b.ctx, cart, after, journal.Chunk{})
			b.refused(err, journal.ErrPruned)
			if !errors.As(err, &pruned) || *pruned != (journal.PrunedError{ID: cart, After: after, Through: through}) {
				t.Fatalf("read after %d tells %v; events are removed through %d", after, err, through)
			}
			if len(recs) != 0 || more {
				t.Fatalf("read after %d of events removed through %d: %d records, more %v", after, through, len(recs), more)
			}
		}
		for i := range want {
			b.equal("events that were kept", b.all(cart, through+uint64(i), journal.Chunk{Records: 2}), want[i:])
		}
		b.equal("events behind the last", b.all(cart, through+uint64(len(want)), journal.Chunk{}), nil)
		b.equal("events behind what was ever written", b.all(cart, through+uint64(len(want))+3, journal.Chunk{}), nil)
	}
	for _, through := range []uint64{2, 2, 1} { // again, and less: nothing more happens
		if err := prune(through); err != nil {
			t.Fatalf("prune through %d: %v", through, err)
		}
		kept(2, "3", "4", "5")
		b.snapshot(cart, 3, "state of 3")
	}
	b.append(f, cart, 5, "6")
	kept(2, "3", "4", "5", "6")
	b.save(f, cart, 6, "state of 6")
	if err := prune(6); err != nil { // all there is
		t.Fatal(err)
	}
	kept(6)
	b.snapshot(cart, 6, "state of 6")
	for _, expected := range []uint64{0, 5, 7} {
		b.refused(b.Append(b.ctx, f, cart, expected, entries("no")), journal.ErrConflict)
		b.refused(b.Adopt(b.ctx, f, cart, expected), journal.ErrConflict)
	}
	if err := b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 1, Payload: []byte("late")}); err != nil {
		t.Fatalf("late snapshot of an event that was removed: %v", err)
	}
	b.refused(b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 7}), journal.ErrConflict)
	b.snapshot(cart, 6, "state of 6")

	old := f
	f = b.claim(1)
	b.refused(b.Prune(b.ctx, old, cart, 6), journal.ErrFenced)
	b.adopt(f, cart, 6)
	b.append(f, cart, 6, "7", "8")
	kept(6, "7", "8")
	for _, id := range neighbours {
		b.equal("events of a neighbour", b.all(id, 0, journal.Chunk{}), []string{"1", "2", "3", "4", "5"})
	}

	if su.reopen == nil {
		return
	}
	b.restart()
	f = b.claim(1)
	kept(6, "7", "8")
	b.snapshot(cart, 6, "state of 6")
	b.adopt(f, cart, 8)
	b.refused(b.Append(b.ctx, f, cart, 2, entries("no")), journal.ErrConflict)
	b.append(f, cart, 8, "9")
	kept(6, "7", "8", "9")
}

// restart closes the store and opens it again, with a new holder.
func (b *bench) restart() {
	b.Helper()
	b.Store = b.su.reopen(b.T, b.Store)
	b.me = b.begin()
}
