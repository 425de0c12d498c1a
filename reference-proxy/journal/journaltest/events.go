package journaltest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

var cart = journal.EntityID{Namespace: "shopping-cart", Key: "cart-1"}

func (su *suite) testAppend(t *testing.T) {
	b := su.bench(t)
	f := b.claim(7)
	b.equal("events of an entity that has none", b.all(cart, 0, journal.Chunk{}), nil)
	b.append(f, cart, 0, "one")
	b.append(f, cart, 1, "two", "three", "")
	b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two", "three", ""})

	for _, expected := range []uint64{0, 1, 3, 5, math.MaxUint64, math.MaxUint64 - 1, math.MaxInt64} {
		b.refused(b.Append(b.ctx, f, cart, expected, entries("no")), journal.ErrConflict)
	}
	b.refused(b.Append(b.ctx, f, cart, 4, nil), journal.ErrInvalid)
	var conflict *journal.ConflictError
	if err := b.Append(b.ctx, f, cart, 3, entries("no")); !errors.As(err, &conflict) ||
		*conflict != (journal.ConflictError{ID: cart, Expected: 3, Actual: 4}) {
		t.Fatalf("conflict tells %v", err)
	}
	b.equal("events after refused appends", b.all(cart, 0, journal.Chunk{}), []string{"one", "two", "three", ""})
	b.append(f, cart, 4, "five")
	b.equal("events", b.all(cart, 3, journal.Chunk{}), []string{"", "five"})
}

// testNotes: a note comes back with the event or the value that it was written with.
func (su *suite) testNotes(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	events := []journal.Entry{
		entry("plain"),
		{Payload: []byte("noted"), Note: []byte("a note")},
		{Note: []byte("only a note")},
		{},
		{Payload: []byte("\x00"), Note: []byte("\x00\x01\xff")},
		{Payload: []byte("long"), Note: []byte(strings.Repeat("n", 300))},
		entry("plain again"),
	}
	var want []string
	for _, e := range events {
		want = append(want, told(e))
	}
	if err := b.Append(b.ctx, f, cart, 0, events); err != nil {
		t.Fatal(err)
	}
	b.equal("events", b.all(cart, 0, journal.Chunk{}), want)
	for after := range uint64(len(want)) {
		b.equal("events one by one", b.all(cart, after, journal.Chunk{Records: 1}), want[after:])
	}
	// A note counts like a payload.
	if recs, more, err := b.Read(b.ctx, cart, 1, journal.Chunk{Bytes: 10}); len(recs) != 1 || !more || err != nil {
		t.Fatalf("%d records of 11 bytes each where 10 are admitted, more %v, error %v", len(recs), more, err)
	}
	for version, e := range events {
		if _, err := b.PutValue(b.ctx, f, cart, uint64(version), e); err != nil {
			t.Fatal(err)
		}
		b.value(cart, uint64(version)+1, told(e))
	}
	if err := b.DeleteValue(b.ctx, f, cart, uint64(len(events))); err != nil {
		t.Fatal(err)
	}
	b.value(cart, 0, "")
	if _, err := b.PutValue(b.ctx, f, cart, 0, entry("no note left")); err != nil {
		t.Fatal(err)
	}
	b.value(cart, 1, "no note left")
}

// testAdopt: adoption changes nothing that can be read, and is refused where a write is.
func (su *suite) testAdopt(t *testing.T) {
	b := su.bench(t)
	first := b.claim(1)
	b.adopt(first, cart, 0)
	b.append(first, cart, 0, "one", "two")
	if err := b.AdoptValue(b.ctx, first, cart, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutValue(b.ctx, first, cart, 0, journal.Entry{Payload: []byte("v"), Note: []byte("n")}); err != nil {
		t.Fatal(err)
	}
	b.save(first, cart, 1, "s")
	for token := range journal.Token(3) {
		f := b.claim(1)
		if f.Token != token+2 {
			t.Fatalf("token %d", f.Token)
		}
		for range 2 {
			b.adopt(f, cart, 2)
			if err := b.AdoptValue(b.ctx, f, cart, 1); err != nil {
				t.Fatal(err)
			}
		}
		for _, expected := range []uint64{0, 1, 3, math.MaxInt64, math.MaxUint64} {
			b.refused(b.Adopt(b.ctx, f, cart, expected), journal.ErrConflict)
		}
		for _, expected := range []uint64{0, 2, math.MaxUint64} {
			b.refused(b.AdoptValue(b.ctx, f, cart, expected), journal.ErrConflict)
		}
		b.refused(b.Adopt(b.ctx, first, cart, 2), journal.ErrFenced)
		b.refused(b.AdoptValue(b.ctx, first, cart, 1), journal.ErrFenced)
		b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two"})
		b.value(cart, 1, "v, noted: n")
		b.snapshot(cart, 1, "s")
	}
	f := b.claim(1)
	b.adopt(f, cart, 2)
	b.append(f, cart, 2, "three")
	b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two", "three"})
	if err := b.AdoptValue(b.ctx, f, cart, 1); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteValue(b.ctx, f, cart, 1); err != nil {
		t.Fatal(err)
	}
	f = b.claim(1)
	if err := b.AdoptValue(b.ctx, f, cart, 0); err != nil {
		t.Fatalf("adoption of a deleted value: %v", err)
	}
	b.value(cart, 0, "")
}

func (su *suite) testChunks(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("event %02d", i+1))
	}
	b.append(f, cart, 0, want...)
	// Neighbours on either side must not show up.
	b.append(f, journal.EntityID{Namespace: cart.Namespace, Key: "cart-0"}, 0, "before")
	b.append(f, journal.EntityID{Namespace: cart.Namespace, Key: "cart-10"}, 0, "behind")
	for _, max := range []journal.Chunk{{}, {Records: 1}, {Records: 7}, {Records: 24}, {Records: 25}, {Records: 26}, {Bytes: 1}, {Bytes: 16}, {Bytes: 17}, {Records: 3, Bytes: 8 * 2}} {
		for _, after := range []uint64{0, 1, 24, 25, 26, math.MaxInt64, math.MaxUint64 - 1, math.MaxUint64} {
			b.equal(fmt.Sprintf("events after %d in chunks of %+v", after, max), b.all(cart, after, max), want[min(after, 25):])
		}
	}
	for _, c := range []struct {
		max  journal.Chunk
		n    int
		more bool
	}{
		{journal.Chunk{Records: 7}, 7, true},
		{journal.Chunk{Records: 25}, 25, false},
		{journal.Chunk{Bytes: 16}, 2, true}, // 8 bytes each
		{journal.Chunk{Bytes: 15}, 1, true},
		{journal.Chunk{Bytes: 1}, 1, true},
		{journal.Chunk{Records: 7, Bytes: 24}, 3, true},
		{journal.Chunk{Records: -1, Bytes: -1}, 25, false},
	} {
		recs, more, err := b.Read(b.ctx, cart, 0, c.max)
		if err != nil || len(recs) != c.n || more != c.more {
			t.Errorf("chunk of %+v: %d records, more %v, error %v; want %d, %v", c.max, len(recs), more, err, c.n, c.more)
		}
	}
}

// testManyEvents: a long journal, written in appends of several sizes, is read whole in
// chunks of every kind, from the start and from anywhere, also when its beginning is gone.
func (su *suite) testManyEvents(t *testing.T) {
	const events = 10_000
	b := su.bench(t)
	f := b.claim(1)
	want := make([]string, events)
	for i := range want {
		want[i] = fmt.Sprintf("event %d %s", i+1, strings.Repeat("x", i%97))
	}
	sizes := []int{1, 999, 2, 1500, 300}
	for at := 0; at < events; {
		next := min(at+sizes[0], events)
		sizes = append(sizes[1:], sizes[0])
		b.append(f, cart, uint64(at), want[at:next]...)
		at = next
	}
	whole := []journal.Chunk{{}, {Records: 100}, {Records: 333}, {Records: events}, {Records: 1 << 20, Bytes: 1 << 30}, {Bytes: 20_000}, {Records: 250, Bytes: 15_000}}
	for _, max := range whole {
		b.equal(fmt.Sprintf("events in chunks of %+v", max), b.all(cart, 0, max), want)
	}
	for _, after := range []uint64{1, 998, 1000, 1024, 4999, events - 30} {
		for _, max := range []journal.Chunk{{}, {Records: 1000}, {Bytes: 50_000}} {
			b.equal(fmt.Sprintf("events after %d in chunks of %+v", after, max), b.all(cart, after, max), want[after:])
		}
	}
	for _, max := range []journal.Chunk{{Records: 1}, {Records: 3}, {Bytes: 1}} {
		b.equal(fmt.Sprintf("the last events in chunks of %+v", max), b.all(cart, events-20, max), want[events-20:])
	}
	b.save(f, cart, events-1000, "state")
	if err := b.Prune(b.ctx, f, cart, events-1000); err != nil {
		t.Fatal(err)
	}
	for _, max := range whole {
		b.equal(fmt.Sprintf("events that were kept, in chunks of %+v", max), b.all(cart, events-1000, max), want[events-1000:])
	}
}
