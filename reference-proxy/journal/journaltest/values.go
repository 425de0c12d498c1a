package journaltest

import (
	"math"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

func (su *suite) testValues(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	put := func(expected uint64, payload string) error {
		version, err := b.PutValue(b.ctx, f, cart, expected, entry(payload))
		if err == nil && version != expected+1 {
			t.Fatalf("put over version %d gave %d", expected, version)
		}
		return err
	}
	b.value(cart, 0, "")
	if err := b.DeleteValue(b.ctx, f, cart, 0); err != nil {
		t.Fatalf("delete of an absent value: %v", err)
	}
	b.refused(put(1, "no"), journal.ErrConflict)
	for round := range 2 { // after a delete everything starts anew
		if err := put(0, "a"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		b.value(cart, 1, "a")
		if err := put(1, ""); err != nil {
			t.Fatal(err)
		}
		b.value(cart, 2, "")
		for _, expected := range []uint64{0, 1, 3, math.MaxUint64} {
			b.refused(put(expected, "no"), journal.ErrConflict)
			b.refused(b.DeleteValue(b.ctx, f, cart, expected), journal.ErrConflict)
		}
		b.value(cart, 2, "")
		if err := b.DeleteValue(b.ctx, f, cart, 2); err != nil {
			t.Fatal(err)
		}
		b.value(cart, 0, "")
	}
	for version := range uint64(50) { // a value that lives long
		if err := put(version, string(rune('a'+version%26))); err != nil {
			t.Fatal(err)
		}
	}
	b.value(cart, 50, "x")
	b.equal("events of a value's id", b.all(cart, 0, journal.Chunk{}), nil)
	b.append(f, cart, 0, "an event")
	b.value(cart, 50, "x")
}
