package journaltest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// bench is a store under test with what its cases need at hand.
type bench struct {
	*testing.T
	journal.Store
	su  *suite
	ctx context.Context
	// me is the holder that claims, unless a case says otherwise. It has a lease.
	me journal.Holder
}

func (su *suite) bench(t *testing.T) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b := &bench{T: t, Store: su.open(t), su: su, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	b.me = b.begin()
	return b
}

// newHolder returns a name that nobody had.
func newHolder() journal.Holder { return journal.Holder("proxy-" + rand.Text()) }

// leaseLength is the length of leases whose length does not matter: no store knows a clock.
const leaseLength = 3 * time.Second

// begin returns a new holder that has a lease.
func (b *bench) begin() journal.Holder {
	b.Helper()
	h := newHolder()
	if err := b.BeginLease(b.ctx, h, leaseLength); err != nil {
		b.Fatalf("begin of a lease: %v", err)
	}
	return h
}

// end ends the lease of h, whatever its beat.
func (b *bench) end(h journal.Holder) {
	b.Helper()
	l, alive, err := b.ReadLease(b.ctx, h)
	if err != nil {
		b.Fatalf("lease of %s: %v", h, err)
	}
	if !alive {
		return
	}
	if err := b.EndLease(b.ctx, h, l.Beat); err != nil {
		b.Fatalf("end of the lease of %s at beat %d: %v", h, l.Beat, err)
	}
}

// claim claims shard for b.me.
func (b *bench) claim(shard journal.Shard) journal.Fence {
	b.Helper()
	f, err := claim(b.ctx, b.Store, shard, b.me)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// claim takes shard over for h, after ending the lease of whoever has it.
func claim(ctx context.Context, s journal.Store, shard journal.Shard, h journal.Holder) (journal.Fence, error) {
	was, err := s.ReadOwner(ctx, shard)
	if err != nil {
		return journal.Fence{}, fmt.Errorf("owner of shard %d: %w", shard, err)
	}
	if was.Holder != "" && was.Holder != h {
		l, alive, err := s.ReadLease(ctx, was.Holder)
		if err == nil && alive {
			err = s.EndLease(ctx, was.Holder, l.Beat)
		}
		if err != nil {
			return journal.Fence{}, fmt.Errorf("the end of %s: %w", was.Holder, err)
		}
	}
	f, err := s.Claim(ctx, shard, was.Token, h)
	if err != nil {
		return journal.Fence{}, fmt.Errorf("claim of shard %d after token %d: %w", shard, was.Token, err)
	}
	if want := (journal.Fence{Shard: shard, Token: was.Token + 1, Holder: h}); f != want {
		return journal.Fence{}, fmt.Errorf("claim of shard %d gave %+v, want %+v", shard, f, want)
	}
	return f, nil
}

func (b *bench) append(f journal.Fence, id journal.EntityID, expected uint64, events ...string) {
	b.Helper()
	if err := b.Append(b.ctx, f, id, expected, entries(events...)); err != nil {
		b.Fatalf("append to %s after %d: %v", id, expected, err)
	}
}

func (b *bench) adopt(f journal.Fence, id journal.EntityID, expected uint64) {
	b.Helper()
	if err := b.Adopt(b.ctx, f, id, expected); err != nil {
		b.Fatalf("adoption of %s at %d: %v", id, expected, err)
	}
}

func (b *bench) save(f journal.Fence, id journal.EntityID, seq uint64, payload string) {
	b.Helper()
	if err := b.SaveSnapshot(b.ctx, f, id, journal.Snapshot{Seq: seq, Payload: []byte(payload)}); err != nil {
		b.Fatalf("snapshot %d of %s: %v", seq, id, err)
	}
}

// all reads every event of id and checks that they are numbered from after+1.
func (b *bench) all(id journal.EntityID, after uint64, max journal.Chunk) []string {
	b.Helper()
	got, err := readAll(b.ctx, b.Store, id, after, max)
	if err != nil {
		b.Fatal(err)
	}
	return got
}

// readAll returns the events of id behind after, as told says them.
func readAll(ctx context.Context, s journal.Store, id journal.EntityID, after uint64, max journal.Chunk) (got []string, err error) {
	for {
		recs, more, err := s.Read(ctx, id, after, max)
		if err != nil {
			return nil, fmt.Errorf("read of %s after %d: %w", id, after, err)
		}
		for _, r := range recs {
			after++
			if r.Seq != after {
				return nil, fmt.Errorf("read of %s: event %d where %d is due", id, r.Seq, after)
			}
			got = append(got, told(r.Entry))
		}
		if !more {
			return got, nil
		}
		if len(recs) == 0 {
			return nil, fmt.Errorf("read of %s after %d: no record, but more are said to follow", id, after)
		}
	}
}

// refused checks that a call failed with want and surely wrote nothing.
func (b *bench) refused(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("got error %v, want %v", err, want)
	}
	if !journal.NotWritten(err) {
		b.Fatalf("error %v leaves open whether anything was written", err)
	}
}

// entries makes events, without notes, of payloads.
func entries(payloads ...string) []journal.Entry {
	out := make([]journal.Entry, len(payloads))
	for i, p := range payloads {
		out[i] = entry(p)
	}
	return out
}

func entry(payload string) journal.Entry { return journal.Entry{Payload: []byte(payload)} }

// told puts an entry into words: its payload, and its note if it has one.
func told(e journal.Entry) string {
	if len(e.Note) == 0 {
		return string(e.Payload)
	}
	return fmt.Sprintf("%s, noted: %s", e.Payload, e.Note)
}

func (b *bench) equal(what string, got, want []string) {
	b.Helper()
	if len(got) != len(want) {
		b.Fatalf("%s: got %d, want %d\n got %.200q\nwant %.200q", what, len(got), len(want), got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			b.Fatalf("%s: at %d got %.80q, want %.80q", what, i, got[i], want[i])
		}
	}
}

// value checks what is stored of a value; version 0 stands for an absent one.
func (b *bench) value(id journal.EntityID, version uint64, want string) {
	b.Helper()
	v, err := b.GetValue(b.ctx, id)
	if err != nil || v.Version != version || v.Found != (version > 0) || told(v.Entry) != want {
		b.Fatalf("value of %s: version %d, found %v, %.80q, error %v; want version %d, %.80q", id, v.Version, v.Found, told(v.Entry), err, version, want)
	}
}

// snapshot checks what is stored as the newest snapshot; seq 0 stands for none.
func (b *bench) snapshot(id journal.EntityID, seq uint64, want string) {
	b.Helper()
	s, found, err := b.LatestSnapshot(b.ctx, id)
	if err != nil || found != (seq > 0) || s.Seq != seq || string(s.Payload) != want {
		b.Fatalf("snapshot of %s: %d, found %v, %.80q, error %v; want %d, %.80q", id, s.Seq, found, s.Payload, err, seq, want)
	}
}
