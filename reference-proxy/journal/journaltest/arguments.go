package journaltest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// oddIDs are pairs that some way of joining namespace and key would confuse, bytes that
// some encoding would trip over, and lengths that some column would not hold.
func oddIDs() []journal.EntityID {
	parts := []string{
		"", "a", "b", "ab", "a|b", "|", "a-b", "-", "\x00", "\x00\x00", "a\x00", "\x00a", "a\x00b",
		"\x00\x01", "\x00\xff", "\x01", "\xff", "\xff\xff", "a\xff", "ä€𝄞", "a\u0308", "ä", "A", " a", "a ", "a\xf0\x28",
		"\n", "\\", "%00", "/", "'", "\"", "null", strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("x", 3000),
		strings.Repeat("\x00", 300),
	}
	var ids []journal.EntityID
	for _, ns := range parts {
		for _, key := range parts {
			ids = append(ids, journal.EntityID{Namespace: ns, Key: key})
		}
	}
	return ids
}

// testOddIDs: no two ids meet, whatever their bytes. Each has events, a snapshot and a
// value of its own, and loses only its own.
func (su *suite) testOddIDs(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	ids := oddIDs()
	if n := su.effort.Entities; n < len(ids) {
		rng := rand.New(rand.NewPCG(1, 1))
		rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		ids = ids[:n]
	}
	say := func(id journal.EntityID) string { return fmt.Sprintf("%q/%q", id.Namespace, id.Key) }
	for _, id := range ids {
		b.append(f, id, 0, say(id), "second of "+say(id))
		b.save(f, id, 1, say(id))
		if _, err := b.PutValue(b.ctx, f, id, 0, entry(say(id))); err != nil {
			t.Fatal(err)
		}
	}
	lessOf := func(i int) bool { return i%3 == 0 }
	for i, id := range ids {
		b.equal("events of "+say(id), b.all(id, 0, journal.Chunk{}), []string{say(id), "second of " + say(id)})
		b.snapshot(id, 1, say(id))
		b.value(id, 1, say(id))
		if !lessOf(i) {
			continue
		}
		if err := b.Prune(b.ctx, f, id, 1); err != nil {
			t.Fatal(err)
		}
		if err := b.DeleteValue(b.ctx, f, id, 1); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range ids {
		if lessOf(i) {
			b.equal("events kept of "+say(id), b.all(id, 1, journal.Chunk{}), []string{"second of " + say(id)})
			b.value(id, 0, "")
		} else {
			b.equal("events of "+say(id), b.all(id, 0, journal.Chunk{}), []string{say(id), "second of " + say(id)})
			b.value(id, 1, say(id))
		}
		b.snapshot(id, 1, say(id))
	}
}

func (su *suite) testBigPayloads(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	big := []string{strings.Repeat("a", 5<<20), "small", strings.Repeat("b", 9<<20), strings.Repeat("c", journal.DefaultChunkBytes)}
	events := entries(big...)
	events[1].Note = []byte(strings.Repeat("n", 2<<20))
	var want []string
	for _, e := range events {
		want = append(want, told(e))
	}
	if err := b.Append(b.ctx, f, cart, 0, events); err != nil {
		t.Fatal(err)
	}
	b.equal("big events", b.all(cart, 0, journal.Chunk{}), want)
	for version, e := range events[:2] {
		if _, err := b.PutValue(b.ctx, f, cart, uint64(version), e); err != nil {
			t.Fatal(err)
		}
		b.value(cart, uint64(version)+1, want[version])
	}
	b.save(f, cart, 4, big[2])
	b.snapshot(cart, 4, big[2])
}

func (su *suite) testLimits(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	for _, longest := range []journal.EntityID{
		{Namespace: strings.Repeat("\x00", 100), Key: strings.Repeat("\x00", journal.MaxIDBytes-100)},
		{Namespace: strings.Repeat("n", journal.MaxIDBytes)},
		{Key: strings.Repeat("\xff", journal.MaxIDBytes)},
	} {
		b.append(f, longest, 0, "fits")
		b.equal("events of the longest id", b.all(longest, 0, journal.Chunk{}), []string{"fits"})
		b.save(f, longest, 1, "fits")
		b.snapshot(longest, 1, "fits")
		if _, err := b.PutValue(b.ctx, f, longest, 0, entry("fits")); err != nil {
			t.Fatal(err)
		}
		b.value(longest, 1, "fits")

		longer := journal.EntityID{Namespace: longest.Namespace, Key: longest.Key + "x"}
		b.refused(b.Append(b.ctx, f, longer, 0, entries("no")), journal.ErrTooLarge)
		b.refused(b.Adopt(b.ctx, f, longer, 0), journal.ErrTooLarge)
		b.refused(b.SaveSnapshot(b.ctx, f, longer, journal.Snapshot{Seq: 1}), journal.ErrTooLarge)
		b.refused(b.DeleteValue(b.ctx, f, longer, 0), journal.ErrTooLarge)
		b.refused(b.AdoptValue(b.ctx, f, longer, 0), journal.ErrTooLarge)
	}
	huge := make([]byte, journal.MaxWriteBytes+1)
	for _, events := range [][]journal.Entry{
		{{Payload: huge}}, {{Note: huge}},
		{{Payload: huge[1:]}, {Payload: []byte{1}}}, {{Payload: huge[1:], Note: []byte{1}}},
		make([]journal.Entry, journal.MaxAppendEvents+1),
	} {
		b.refused(b.Append(b.ctx, f, cart, 0, events), journal.ErrTooLarge)
	}
	_, err := b.PutValue(b.ctx, f, cart, 0, journal.Entry{Payload: huge})
	b.refused(err, journal.ErrTooLarge)
	_, err = b.PutValue(b.ctx, f, cart, 0, journal.Entry{Payload: []byte{1}, Note: huge[1:]})
	b.refused(err, journal.ErrTooLarge)
	b.refused(b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 1, Payload: huge}), journal.ErrTooLarge)
	b.equal("events after refused appends", b.all(cart, 0, journal.Chunk{}), nil)
	b.value(cart, 0, "")
}

// testOwnMemory: what a caller does to the bytes it gave or got changes nothing stored.
func (su *suite) testOwnMemory(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	buf := []byte("given")
	scribble := func(parts ...[]byte) {
		for _, p := range parts {
			for i := range p {
				p[i] = '!'
			}
			_ = append(p, "!!!!"...) // into the capacity, if there is any
		}
	}
	both := journal.Entry{Payload: buf, Note: buf}
	events := []journal.Entry{both, both}
	if err := b.Append(b.ctx, f, cart, 0, events); err != nil {
		t.Fatal(err)
	}
	b.save(f, cart, 2, "given")
	if err := b.SaveSnapshot(b.ctx, f, journal.EntityID{}, journal.Snapshot{Seq: 2, Payload: buf}); err == nil {
		t.Fatal("a snapshot without events was kept")
	}
	if _, err := b.PutValue(b.ctx, f, cart, 0, both); err != nil {
		t.Fatal(err)
	}
	other := journal.EntityID{Key: "other"}
	b.append(f, other, 0, "1")
	if err := b.SaveSnapshot(b.ctx, f, other, journal.Snapshot{Seq: 1, Payload: buf}); err != nil {
		t.Fatal(err)
	}
	scribble(buf)
	clear(events)
	b.snapshot(other, 1, "given")
	for range 2 { // the second time round after scribbling over what was returned
		recs, _, err := b.Read(b.ctx, cart, 0, journal.Chunk{})
		if err != nil || len(recs) != 2 {
			t.Fatalf("%d events, %v", len(recs), err)
		}
		for _, r := range recs {
			if string(r.Payload) != "given" || string(r.Note) != "given" {
				t.Fatalf("event %d is %q", r.Seq, told(r.Entry))
			}
			scribble(r.Payload, r.Note)
		}
		s, _, err := b.LatestSnapshot(b.ctx, cart)
		if err != nil || string(s.Payload) != "given" {
			t.Fatalf("snapshot is %q, %v", s.Payload, err)
		}
		scribble(s.Payload)
		v, err := b.GetValue(b.ctx, cart)
		if err != nil || string(v.Payload) != "given" || string(v.Note) != "given" {
			t.Fatalf("value is %q, %v", told(v.Entry), err)
		}
		scribble(v.Payload, v.Note)
	}
}

// call is one call of a store under a name.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// refuses checks that a call fails with want and surely wrote nothing.
func (b *bench) refuses(ctx context.Context, c call, want error) {
	b.Helper()
	if err := c.do(ctx); !errors.Is(err, want) || !journal.NotWritten(err) {
		b.Fatalf("%s: got error %v, want %v", c.name, err, want)
	}
}

// calls are one call of every method, each with arguments that would be served.
func (b *bench) calls(f journal.Fence, id journal.EntityID, expected uint64) []call {
	return append(b.writes(f, id, expected),
		call{"Read", func(ctx context.Context) error { _, _, err := b.Read(ctx, id, 0, journal.Chunk{}); return err }},
		call{"LatestSnapshot", func(ctx context.Context) error { _, _, err := b.LatestSnapshot(ctx, id); return err }},
		call{"GetValue", func(ctx context.Context) error { _, err := b.GetValue(ctx, id); return err }},
		call{"BeginLease", func(ctx context.Context) error { return b.BeginLease(ctx, newHolder(), time.Second) }},
		call{"RenewLease", func(ctx context.Context) error { return b.RenewLease(ctx, f.Holder, 1) }},
		call{"ReadLease", func(ctx context.Context) error { _, _, err := b.ReadLease(ctx, f.Holder); return err }},
		call{"EndLease", func(ctx context.Context) error { return b.EndLease(ctx, f.Holder, 1) }},
		call{"ReadOwner", func(ctx context.Context) error { _, err := b.ReadOwner(ctx, f.Shard); return err }},
		call{"Claim", func(ctx context.Context) error { _, err := b.Claim(ctx, f.Shard, f.Token, f.Holder); return err }},
		call{"Claim of a new shard", func(ctx context.Context) error { _, err := b.Claim(ctx, f.Shard+1000, 0, f.Holder); return err }},
		call{"Release", func(ctx context.Context) error { return b.Release(ctx, f) }},
	)
}

// writes are one call of every method that takes a fence, for an entity at expected, with
// a snapshot there, and a value of that version.
func (b *bench) writes(f journal.Fence, id journal.EntityID, expected uint64) []call {
	return []call{
		{"Append", func(ctx context.Context) error { return b.Append(ctx, f, id, expected, entries("no")) }},
		{"Adopt", func(ctx context.Context) error { return b.Adopt(ctx, f, id, expected) }},
		{"Prune", func(ctx context.Context) error { return b.Prune(ctx, f, id, expected) }},
		{"SaveSnapshot", func(ctx context.Context) error {
			return b.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: expected, Payload: []byte("no")})
		}},
		{"PutValue", func(ctx context.Context) error { _, err := b.PutValue(ctx, f, id, expected, entry("no")); return err }},
		{"DeleteValue", func(ctx context.Context) error { return b.DeleteValue(ctx, f, id, expected) }},
		{"AdoptValue", func(ctx context.Context) error { return b.AdoptValue(ctx, f, id, expected) }},
	}
}

// testCancelled: a context that has ended before a call keeps it from being started.
func (su *suite) testCancelled(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	b.append(f, cart, 0, "one")
	b.save(f, cart, 1, "state")
	if _, err := b.PutValue(b.ctx, f, cart, 0, entry("v")); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(b.ctx)
	cancel()
	for _, c := range b.calls(f, cart, 1) {
		b.refuses(gone, c, context.Canceled)
	}
	b.append(f, cart, 1, "two") // the fence still holds, and nothing was written
	b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two"})
	b.snapshot(cart, 1, "state")
	b.value(cart, 1, "v")
	if l, alive, err := b.ReadLease(b.ctx, b.me); err != nil || !alive || l.Beat != 1 {
		t.Fatalf("lease %+v, %v, %v", l, alive, err)
	}
}

// testClose: nothing is served after Close.
func (su *suite) testClose(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	b.append(f, cart, 0, "one")
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	for _, c := range b.calls(f, cart, 1) {
		b.refuses(b.ctx, c, journal.ErrClosed)
	}
}
