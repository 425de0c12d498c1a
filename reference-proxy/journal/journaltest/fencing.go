package journaltest

import (
	"errors"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

func (su *suite) testFencing(t *testing.T) {
	b := su.bench(t)
	refuse := func(f journal.Fence) {
		t.Helper()
		b.refused(b.Append(b.ctx, f, cart, 1, raw([]string{"no"})), journal.ErrFenced)
		// A fence that does not hold is worse news than a wrong expectation.
		b.refused(b.Append(b.ctx, f, cart, 9, raw([]string{"no"})), journal.ErrFenced)
		b.refused(b.Append(b.ctx, f, cart, 1, nil), journal.ErrFenced)
		b.refused(b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 1, Payload: []byte("no")}), journal.ErrFenced)
		_, err := b.PutValue(b.ctx, f, cart, 1, []byte("no"))
		b.refused(err, journal.ErrFenced)
		b.refused(b.DeleteValue(b.ctx, f, cart, 1), journal.ErrFenced)
	}
	first := b.claim(1)
	b.append(first, cart, 0, "one")
	if _, err := b.PutValue(b.ctx, first, cart, 0, []byte("one")); err != nil {
		t.Fatal(err)
	}
	other := b.claim(2)
	refuse(journal.Fence{})
	refuse(journal.Fence{Shard: 3, Token: 0})
	refuse(journal.Fence{Shard: 3, Token: 1})
	refuse(journal.Fence{Shard: 1, Token: first.Token + 1})
	refuse(journal.Fence{Shard: 1, Token: 0})

	second := b.claim(1)
	if second.Token <= first.Token {
		t.Fatalf("claims gave %d, then %d", first.Token, second.Token)
	}
	refuse(first)
	var fenced *journal.FencedError
	if err := b.Append(b.ctx, first, cart, 1, raw([]string{"no"})); !errors.As(err, &fenced) ||
		*fenced != (journal.FencedError{Fence: first, Newest: second.Token}) {
		t.Fatalf("fenced tells %v", err)
	}
	b.append(second, cart, 1, "two")
	b.append(other, journal.EntityID{Key: "in another shard"}, 0, "one")
	b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two"})
	if _, found, err := b.LatestSnapshot(b.ctx, cart); found || err != nil {
		t.Fatalf("a fenced snapshot was kept, %v", err)
	}
	if v, err := b.GetValue(b.ctx, cart); err != nil || string(v.Payload) != "one" {
		t.Fatalf("value %+v, %v", v, err)
	}
}

func (su *suite) testClose(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	b.append(f, cart, 0, "one")
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	b.refused(b.Append(b.ctx, f, cart, 1, raw([]string{"no"})), journal.ErrClosed)
	_, err := b.Claim(b.ctx, 1)
	b.refused(err, journal.ErrClosed)
	_, err = b.Claim(b.ctx, 2)
	b.refused(err, journal.ErrClosed)
	_, _, err = b.Read(b.ctx, cart, 0, journal.Chunk{})
	b.refused(err, journal.ErrClosed)
	_, err = b.GetValue(b.ctx, cart)
	b.refused(err, journal.ErrClosed)
	_, err = b.PutValue(b.ctx, f, cart, 0, nil)
	b.refused(err, journal.ErrClosed)
	b.refused(b.DeleteValue(b.ctx, f, cart, 0), journal.ErrClosed)
	b.refused(b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 1}), journal.ErrClosed)
	_, _, err = b.LatestSnapshot(b.ctx, cart)
	b.refused(err, journal.ErrClosed)
}

func (su *suite) testReopen(t *testing.T) {
	if su.reopen == nil {
		t.Log("the store forgets on close: nothing to ask")
		return
	}
	b := su.bench(t)
	f := b.claim(1)
	b.append(f, cart, 0, "one", "two")
	if err := b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 2, Payload: []byte("s")}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutValue(b.ctx, f, cart, 0, []byte("v")); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		again := su.reopen(t, b.Store)
		b.Cleanup(func() { _ = again.Close() })
		b.Store = again
		b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two"})
		if s, _, err := b.LatestSnapshot(b.ctx, cart); err != nil || s.Seq != 2 || string(s.Payload) != "s" {
			t.Fatalf("snapshot %+v, %v", s, err)
		}
		if v, err := b.GetValue(b.ctx, cart); err != nil || v.Version != 1 || string(v.Payload) != "v" {
			t.Fatalf("value %+v, %v", v, err)
		}
		b.refused(b.Append(b.ctx, f, cart, 1, nil), journal.ErrConflict) // the fence outlives the process
		next := b.claim(1)
		if next.Token <= f.Token {
			t.Fatalf("round %d: token %d after %d", round, next.Token, f.Token)
		}
		b.refused(b.Append(b.ctx, f, cart, 2, nil), journal.ErrFenced)
		f = next
	}
}
