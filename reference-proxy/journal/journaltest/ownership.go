package journaltest

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

func (su *suite) testLeases(t *testing.T) {
	b := su.bench(t)
	lease := func(h journal.Holder, want journal.Lease) {
		t.Helper()
		l, alive, err := b.ReadLease(b.ctx, h)
		if err != nil || alive != (want.Beat > 0) || l != want {
			t.Fatalf("lease of %s: %+v, %v, %v; want %+v", h, l, alive, err, want)
		}
	}
	h, other := newHolder(), newHolder()
	lease(h, journal.Lease{})
	b.refused(b.RenewLease(b.ctx, h, 0), journal.ErrFenced)
	b.refused(b.RenewLease(b.ctx, h, 1), journal.ErrFenced)
	for _, length := range []time.Duration{0, -time.Second, time.Millisecond - 1} {
		b.refused(b.BeginLease(b.ctx, h, length), journal.ErrInvalid)
	}
	b.refused(b.BeginLease(b.ctx, "", time.Second), journal.ErrInvalid)
	b.refused(b.BeginLease(b.ctx, journal.Holder(strings.Repeat("h", journal.MaxHolderBytes+1)), time.Second), journal.ErrInvalid)
	longest := newHolder()
	longest += journal.Holder(strings.Repeat("h", journal.MaxHolderBytes-len(longest)))
	for who, length := range map[journal.Holder]time.Duration{h: 1500 * time.Millisecond, other: time.Millisecond, longest: 24 * time.Hour} {
		if err := b.BeginLease(b.ctx, who, length); err != nil {
			t.Fatal(err)
		}
		lease(who, journal.Lease{Beat: 1, Length: length})
		b.refused(b.BeginLease(b.ctx, who, length), journal.ErrConflict)
		b.refused(b.BeginLease(b.ctx, who, 2*length), journal.ErrConflict)
		lease(who, journal.Lease{Beat: 1, Length: length})
	}
	for beat := uint64(1); beat < 5; beat++ {
		for _, wrong := range []uint64{0, beat - 1, beat + 1, math.MaxInt64} {
			b.refused(b.RenewLease(b.ctx, h, wrong), journal.ErrConflict)
			b.refused(b.EndLease(b.ctx, h, wrong), journal.ErrConflict)
		}
		lease(h, journal.Lease{Beat: beat, Length: 1500 * time.Millisecond})
		if err := b.RenewLease(b.ctx, h, beat); err != nil {
			t.Fatal(err)
		}
		lease(h, journal.Lease{Beat: beat + 1, Length: 1500 * time.Millisecond})
	}
	lease(other, journal.Lease{Beat: 1, Length: time.Millisecond}) // long over, but a store knows no clock
	if err := b.EndLease(b.ctx, h, 5); err != nil {
		t.Fatal(err)
	}
	for beat := range uint64(7) { // ended is final
		lease(h, journal.Lease{})
		b.refused(b.RenewLease(b.ctx, h, beat), journal.ErrFenced)
		if err := b.EndLease(b.ctx, h, beat); err != nil {
			t.Fatalf("the end of an ended lease: %v", err)
		}
	}
	lease(h, journal.Lease{})
	lease(other, journal.Lease{Beat: 1, Length: time.Millisecond})
	if err := b.EndLease(b.ctx, newHolder(), 1); err != nil {
		t.Fatalf("the end of a lease that was never begun: %v", err)
	}
}

func (su *suite) testClaims(t *testing.T) {
	b := su.bench(t)
	const shard = 9
	owner := func(token journal.Token, h journal.Holder) {
		t.Helper()
		if o, err := b.ReadOwner(b.ctx, shard); err != nil || o != (journal.Owner{Token: token, Holder: h}) {
			t.Fatalf("owner %+v, %v; want token %d, holder %q", o, err, token, h)
		}
	}
	no := func(was journal.Token, h journal.Holder, want error) {
		t.Helper()
		f, err := b.Claim(b.ctx, shard, was, h)
		b.refused(err, want)
		if f != (journal.Fence{}) {
			t.Fatalf("a refused claim gave %+v", f)
		}
	}
	yes := func(was journal.Token, h journal.Holder) journal.Fence {
		t.Helper()
		f, err := b.Claim(b.ctx, shard, was, h)
		if err != nil || f != (journal.Fence{Shard: shard, Token: was + 1, Holder: h}) {
			t.Fatalf("claim by %s after token %d: %+v, %v", h, was, f, err)
		}
		owner(was+1, h)
		return f
	}
	release := func(f journal.Fence) {
		t.Helper()
		if err := b.Release(b.ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	x, y, never := b.begin(), b.begin(), newHolder()
	owner(0, "")
	no(1, x, journal.ErrConflict)
	no(0, never, journal.ErrFenced)
	no(0, "", journal.ErrFenced)
	owner(0, "")
	first := yes(0, x)
	for _, was := range []journal.Token{0, 2, math.MaxInt64} {
		no(was, x, journal.ErrConflict)
	}
	no(1, y, journal.ErrHeld)
	var held *journal.HeldError
	if _, err := b.Claim(b.ctx, shard, 1, y); !errors.As(err, &held) || *held != (journal.HeldError{Shard: shard, Owner: journal.Owner{Token: 1, Holder: x}}) {
		t.Fatalf("held tells %v", err)
	}
	owner(1, x)
	second := yes(1, x) // its own shard again: the fence it had is void
	release(first)      // somebody else's by now
	release(journal.Fence{Shard: shard, Token: 2, Holder: y})
	release(journal.Fence{Shard: shard, Token: 3, Holder: x})
	release(journal.Fence{Shard: shard + 1, Token: 1, Holder: x}) // never claimed
	owner(2, x)
	no(2, y, journal.ErrHeld)
	release(second)
	owner(2, "")
	release(second)
	third := yes(2, y) // released: no need to wait
	release(second)
	owner(3, y)
	no(3, x, journal.ErrHeld)
	b.end(y)
	owner(3, y)
	no(3, y, journal.ErrFenced) // a claimer needs a lease, its own shard or not
	no(3, never, journal.ErrFenced)
	yes(3, x)
	release(third)
	owner(4, x)
	b.end(x)
	z := b.begin()
	yes(4, z)
	if o, err := b.ReadOwner(b.ctx, math.MaxUint32); err != nil || o != (journal.Owner{}) {
		t.Fatalf("owner of a shard that was never claimed: %+v, %v", o, err)
	}
	if f, err := b.Claim(b.ctx, math.MaxUint32, 0, z); err != nil || f.Token != 1 {
		t.Fatalf("claim of the last shard: %+v, %v", f, err)
	}
}

// testFencing: who is not the owner writes nothing.
func (su *suite) testFencing(t *testing.T) {
	b := su.bench(t)
	first := b.claim(1)
	b.append(first, cart, 0, "one")
	b.save(first, cart, 1, "state")
	if _, err := b.PutValue(b.ctx, first, cart, 0, entry("v")); err != nil {
		t.Fatal(err)
	}
	unchanged := func() {
		t.Helper()
		b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one"})
		b.snapshot(cart, 1, "state")
		b.value(cart, 1, "v")
	}
	// refuse is for fences of which the store can tell that they do not hold.
	refuse := func(f journal.Fence) {
		t.Helper()
		for _, expected := range []uint64{1, 9} { // a void fence is worse news than a wrong expectation
			for _, c := range b.writes(f, cart, expected) {
				b.refuses(b.ctx, c, journal.ErrFenced)
			}
		}
		unchanged()
	}
	other := b.claim(2)
	stranger := b.begin()
	refuse(journal.Fence{})
	refuse(journal.Fence{Shard: 3, Token: 0, Holder: b.me})
	refuse(journal.Fence{Shard: 3, Token: 1, Holder: b.me})
	refuse(journal.Fence{Shard: 1, Token: 0, Holder: b.me})
	refuse(journal.Fence{Shard: 1, Token: first.Token, Holder: ""})
	refuse(journal.Fence{Shard: 1, Token: first.Token, Holder: stranger})
	refuse(journal.Fence{Shard: 1, Token: first.Token + 1, Holder: b.me})
	b.end(stranger)

	second := b.claim(1)
	refuse(first)
	var fenced *journal.FencedError
	if err := b.Append(b.ctx, first, cart, 1, entries("no")); !errors.As(err, &fenced) ||
		*fenced != (journal.FencedError{Fence: first, Newest: second.Token}) {
		t.Fatalf("fenced tells %v", err)
	}
	b.adopt(second, cart, 1)
	b.append(second, cart, 1, "two")
	b.append(other, journal.EntityID{Key: "in another shard"}, 0, "one")
	b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two"})
	su.testLostFences(t, b)
}

// testLostFences: no write is acknowledged under a fence that its holder gave up, or
// whose lease has ended; a store may find out too late to know that nothing was written.
func (su *suite) testLostFences(t *testing.T, b *bench) {
	for name, lose := range map[string]func(f journal.Fence){
		"released": func(f journal.Fence) {
			if err := b.Release(b.ctx, f); err != nil {
				t.Fatal(err)
			}
		},
		"lease ended": func(f journal.Fence) { b.end(f.Holder) },
	} {
		f, err := claim(b.ctx, b.Store, 5, b.begin())
		if err != nil {
			t.Fatal(err)
		}
		id := journal.EntityID{Namespace: name, Key: "k"}
		b.append(f, id, 0, "one")
		b.save(f, id, 1, "state")
		if _, err := b.PutValue(b.ctx, f, id, 0, entry("v")); err != nil {
			t.Fatal(err)
		}
		lose(f)
		for _, c := range b.writes(f, id, 1) {
			if err := c.do(b.ctx); err == nil {
				t.Fatalf("%s was acknowledged under a fence that was %s", c.name, name)
			} else if journal.NotWritten(err) && !errors.Is(err, journal.ErrFenced) {
				t.Fatalf("%s under a fence that was %s: %v", c.name, name, err)
			}
		}
		next, err := claim(b.ctx, b.Store, 5, b.begin())
		if err != nil {
			t.Fatal(err)
		}
		last := uint64(len(b.all(id, 0, journal.Chunk{})))
		b.adopt(next, id, last)
		b.append(next, id, last, "next")
	}
}

// testReopen: everything but leases outlives a process, and leases may.
func (su *suite) testReopen(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	noted := journal.Entry{Payload: []byte("two"), Note: []byte("n")}
	if err := b.Append(b.ctx, f, cart, 0, []journal.Entry{entry("one"), noted}); err != nil {
		t.Fatal(err)
	}
	b.save(f, cart, 2, "s")
	if _, err := b.PutValue(b.ctx, f, cart, 0, noted); err != nil {
		t.Fatal(err)
	}
	released, err := b.Claim(b.ctx, 2, 0, b.me)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Release(b.ctx, released); err != nil {
		t.Fatal(err)
	}
	ended := b.begin()
	b.end(ended)
	for round := range 3 {
		b.restart()
		b.equal("events", b.all(cart, 0, journal.Chunk{}), []string{"one", "two, noted: n"})
		b.snapshot(cart, 2, "s")
		b.value(cart, 1, "two, noted: n")
		if o, err := b.ReadOwner(b.ctx, 1); err != nil || o != (journal.Owner{Token: f.Token, Holder: f.Holder}) {
			t.Fatalf("owner %+v, %v; want %+v", o, err, f)
		}
		if o, err := b.ReadOwner(b.ctx, 2); err != nil || o != (journal.Owner{Token: released.Token}) {
			t.Fatalf("owner of a released shard %+v, %v", o, err)
		}
		if _, alive, err := b.ReadLease(b.ctx, ended); alive || err != nil {
			t.Fatalf("an ended lease came back: %v, %v", alive, err)
		}
		next := b.claim(1)
		if next.Token <= f.Token {
			t.Fatalf("round %d: token %d after %d", round, next.Token, f.Token)
		}
		b.refused(b.Append(b.ctx, f, cart, 2, entries("no")), journal.ErrFenced)
		b.adopt(next, cart, 2)
		b.refused(b.Append(b.ctx, next, cart, 1, entries("no")), journal.ErrConflict)
		f = next
	}
}
