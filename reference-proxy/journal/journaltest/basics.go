package journaltest

import (
	"context"
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
	b.append(f, cart, 4)
	b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two", "three", ""})

	for _, expected := range []uint64{0, 1, 3, 5, math.MaxUint64, math.MaxUint64 - 1, math.MaxInt64} {
		b.refused(b.Append(b.ctx, f, cart, expected, raw([]string{"no"})), journal.ErrConflict)
	}
	b.refused(b.Append(b.ctx, f, cart, 3, nil), journal.ErrConflict)
	var conflict *journal.ConflictError
	if err := b.Append(b.ctx, f, cart, 3, raw([]string{"no"})); !errors.As(err, &conflict) ||
		*conflict != (journal.ConflictError{ID: cart, Expected: 3, Actual: 4}) {
		t.Fatalf("conflict tells %v", err)
	}
	b.equal("events after refused appends", b.all(cart, 0, journal.Chunk{}), []string{"one", "two", "three", ""})
	b.append(f, cart, 4, "five")
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
		for _, after := range []uint64{0, 1, 24, 25, 26, math.MaxUint64 - 1, math.MaxUint64} {
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

func (su *suite) testSnapshots(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	want := func(seq uint64, payload string) {
		t.Helper()
		s, found, err := b.LatestSnapshot(b.ctx, cart)
		if err != nil || found != (seq > 0) || s.Seq != seq || string(s.Payload) != payload {
			t.Fatalf("snapshot %d %q, found %v, error %v; want %d %q", s.Seq, s.Payload, found, err, seq, payload)
		}
	}
	save := func(seq uint64, payload string) error {
		return b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: seq, Payload: []byte(payload)})
	}
	want(0, "")
	b.refused(save(1, "ahead of the first event"), journal.ErrConflict)
	b.refused(save(0, "of nothing"), journal.ErrInvalid)
	b.append(f, cart, 0, "1", "2", "3")
	for _, step := range []struct {
		seq     uint64
		payload string
	}{{1, "a"}, {3, "c"}} {
		if err := save(step.seq, step.payload); err != nil {
			t.Fatal(err)
		}
		want(step.seq, step.payload)
	}
	for _, older := range []uint64{1, 2, 3} {
		if err := save(older, "late"); err != nil {
			t.Fatalf("snapshot of event %d after one of 3: %v", older, err)
		}
		want(3, "c")
	}
	b.refused(save(4, "ahead"), journal.ErrConflict)
	want(3, "c")
	b.equal("events beside a snapshot", b.all(cart, 0, journal.Chunk{}), []string{"1", "2", "3"})
}

func (su *suite) testValues(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	want := func(version uint64, payload string) {
		t.Helper()
		v, err := b.GetValue(b.ctx, cart)
		if err != nil || v.Version != version || v.Found != (version > 0) || string(v.Payload) != payload {
			t.Fatalf("value %+v, error %v; want version %d %q", v, err, version, payload)
		}
	}
	put := func(expected uint64, payload string) error {
		version, err := b.PutValue(b.ctx, f, cart, expected, []byte(payload))
		if err == nil && version != expected+1 {
			t.Fatalf("put over version %d gave %d", expected, version)
		}
		return err
	}
	want(0, "")
	if err := b.DeleteValue(b.ctx, f, cart, 0); err != nil {
		t.Fatalf("delete of an absent value: %v", err)
	}
	b.refused(put(1, "no"), journal.ErrConflict)
	for round := range 2 { // after a delete everything starts anew
		if err := put(0, "a"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		want(1, "a")
		if err := put(1, ""); err != nil {
			t.Fatal(err)
		}
		want(2, "")
		for _, expected := range []uint64{0, 1, 3, math.MaxUint64} {
			b.refused(put(expected, "no"), journal.ErrConflict)
			b.refused(b.DeleteValue(b.ctx, f, cart, expected), journal.ErrConflict)
		}
		want(2, "")
		if err := b.DeleteValue(b.ctx, f, cart, 2); err != nil {
			t.Fatal(err)
		}
		want(0, "")
	}
	b.equal("events of a value's id", b.all(cart, 0, journal.Chunk{}), nil)
}

// oddIDs are pairs that some way of joining namespace and key would confuse, and bytes
// that some encoding would trip over.
func oddIDs() []journal.EntityID {
	parts := []string{
		"", "a", "b", "ab", "a|b", "|", "a-b", "-", "\x00", "\x00\x00", "a\x00", "\x00a", "a\x00b",
		"\x00\x01", "\x00\xff", "\x01", "\xff", "\xff\xff", "a\xff", "ä€𝄞", "a\xf0\x28", "\n", "\\", "%00", "/",
		strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("\x00", 300),
	}
	var ids []journal.EntityID
	for _, ns := range parts {
		for _, key := range parts {
			ids = append(ids, journal.EntityID{Namespace: ns, Key: key})
		}
	}
	return ids
}

func (su *suite) testOddIDs(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	ids := oddIDs()
	say := func(id journal.EntityID) string { return fmt.Sprintf("%q/%q", id.Namespace, id.Key) }
	for _, id := range ids {
		b.append(f, id, 0, say(id), "second of "+say(id))
		if err := b.SaveSnapshot(b.ctx, f, id, journal.Snapshot{Seq: 1, Payload: []byte(say(id))}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.PutValue(b.ctx, f, id, 0, []byte(say(id))); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		b.equal("events of "+say(id), b.all(id, 0, journal.Chunk{}), []string{say(id), "second of " + say(id)})
		s, _, err := b.LatestSnapshot(b.ctx, id)
		if err != nil || string(s.Payload) != say(id) {
			t.Fatalf("snapshot of %s is %q, %v", say(id), s.Payload, err)
		}
		v, err := b.GetValue(b.ctx, id)
		if err != nil || string(v.Payload) != say(id) {
			t.Fatalf("value of %s is %q, %v", say(id), v.Payload, err)
		}
	}
}

func (su *suite) testBigPayloads(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	big := []string{strings.Repeat("a", 5<<20), "small", strings.Repeat("b", 9<<20), strings.Repeat("c", journal.DefaultChunkBytes)}
	b.append(f, cart, 0, big...)
	b.equal("big events", b.all(cart, 0, journal.Chunk{}), big)
	if _, err := b.PutValue(b.ctx, f, cart, 0, []byte(big[0])); err != nil {
		t.Fatal(err)
	}
	if v, err := b.GetValue(b.ctx, cart); err != nil || string(v.Payload) != big[0] {
		t.Fatalf("big value: %d bytes, %v", len(v.Payload), err)
	}
	if err := b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 4, Payload: []byte(big[2])}); err != nil {
		t.Fatal(err)
	}
	if s, _, err := b.LatestSnapshot(b.ctx, cart); err != nil || string(s.Payload) != big[2] {
		t.Fatalf("big snapshot: %d bytes, %v", len(s.Payload), err)
	}
}

func (su *suite) testLimits(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	longest := journal.EntityID{Namespace: strings.Repeat("\x00", 100), Key: strings.Repeat("\x00", journal.MaxIDBytes-100)}
	b.append(f, longest, 0, "fits")
	b.equal("events of the longest id", b.all(longest, 0, journal.Chunk{}), []string{"fits"})
	longer := journal.EntityID{Namespace: longest.Namespace, Key: longest.Key + "x"}
	b.refused(b.Append(b.ctx, f, longer, 0, raw([]string{"no"})), journal.ErrTooLarge)
	b.refused(b.SaveSnapshot(b.ctx, f, longer, journal.Snapshot{Seq: 1}), journal.ErrTooLarge)
	b.refused(b.DeleteValue(b.ctx, f, longer, 0), journal.ErrTooLarge)

	huge := make([]byte, journal.MaxWriteBytes+1)
	b.refused(b.Append(b.ctx, f, cart, 0, [][]byte{huge}), journal.ErrTooLarge)
	b.refused(b.Append(b.ctx, f, cart, 0, [][]byte{huge[1:], {1}}), journal.ErrTooLarge)
	b.refused(b.Append(b.ctx, f, cart, 0, make([][]byte, journal.MaxAppendEvents+1)), journal.ErrTooLarge)
	_, err := b.PutValue(b.ctx, f, cart, 0, huge)
	b.refused(err, journal.ErrTooLarge)
	b.refused(b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 1, Payload: huge}), journal.ErrTooLarge)
	b.equal("events after refused appends", b.all(cart, 0, journal.Chunk{}), nil)
}

func (su *suite) testOwnMemory(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	buf := []byte("given")
	scribble := func(p []byte) {
		for i := range p {
			p[i] = '!'
		}
		_ = append(p, "!!!!"...) // into the capacity, if there is any
	}
	if err := b.Append(b.ctx, f, cart, 0, [][]byte{buf, buf}); err != nil {
		t.Fatal(err)
	}
	if err := b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 2, Payload: buf}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutValue(b.ctx, f, cart, 0, buf); err != nil {
		t.Fatal(err)
	}
	scribble(buf)
	for range 2 { // the second time round after scribbling over what was returned
		recs, _, err := b.Read(b.ctx, cart, 0, journal.Chunk{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if string(r.Payload) != "given" {
				t.Fatalf("event %d is %q", r.Seq, r.Payload)
			}
			scribble(r.Payload)
		}
		s, _, err := b.LatestSnapshot(b.ctx, cart)
		if err != nil || string(s.Payload) != "given" {
			t.Fatalf("snapshot is %q, %v", s.Payload, err)
		}
		scribble(s.Payload)
		v, err := b.GetValue(b.ctx, cart)
		if err != nil || string(v.Payload) != "given" {
			t.Fatalf("value is %q, %v", v.Payload, err)
		}
		scribble(v.Payload)
	}
}

func (su *suite) testCancelled(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	b.append(f, cart, 0, "one")
	gone, cancel := context.WithCancel(b.ctx)
	cancel()
	b.refused(b.Append(gone, f, cart, 1, raw([]string{"no"})), context.Canceled)
	b.refused(b.SaveSnapshot(gone, f, cart, journal.Snapshot{Seq: 1}), context.Canceled)
	_, err := b.PutValue(gone, f, cart, 0, nil)
	b.refused(err, context.Canceled)
	b.refused(b.DeleteValue(gone, f, cart, 0), context.Canceled)
	_, err = b.Claim(gone, 1)
	b.refused(err, context.Canceled)
	_, _, err = b.Read(gone, cart, 0, journal.Chunk{})
	b.refused(err, context.Canceled)
	_, _, err = b.LatestSnapshot(gone, cart)
	b.refused(err, context.Canceled)
	_, err = b.GetValue(gone, cart)
	b.refused(err, context.Canceled)

	b.append(f, cart, 1, "two") // the fence still holds, and nothing was written
	b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two"})
}
