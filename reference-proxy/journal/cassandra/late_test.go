package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Late writes what an owner of the generation token.attempt would have sent to id at the
// place first, behind a record of its own: a write that was on its way when the owner was
// declared dead. It is for tests of the package outside.
func (s *Store) Late(t testing.TB, id journal.EntityID, first, token, attempt uint64, payloads ...string) {
	t.Helper()
	s.LateCopy(t, id, first, token, token, attempt, payloads...)
}

// LateCopy is Late for an adoption by token of what the first attempt of the token origin wrote.
func (s *Store) LateCopy(t testing.TB, id journal.EntityID, first, origin, token, attempt uint64, payloads ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	gen := generation{journal.Token(token), attempt}
	var list []journal.Entry
	for _, p := range payloads {
		list = append(list, journal.Entry{Payload: []byte(p)})
	}
	rec := record{place: place{0, first}, gen: gen, origin: generation{journal.Token(origin), attempt}, events: uint64(len(list)), usedRecords: 1}
	if err := s.writeRecord(ctx, id, &rec, encodeEntries(list)); err != nil {
		t.Fatal(err)
	}
}

// LateValue is Late for a put.
func (s *Store) LateValue(t testing.TB, id journal.EntityID, token, attempt, version uint64, payload string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	gen := generation{journal.Token(token), attempt}
	v := storedValue{gen: gen, origin: gen, version: version, body: encodeEntries([]journal.Entry{{Payload: []byte(payload)}})}
	if err := s.writeValue(ctx, id, v, generation{}); err != nil {
		t.Fatal(err)
	}
}

// Lay gives id, which nobody has written to, so many events, a record each, as the owner of f would by appending them one by
// one. It does not wait for one before it writes the next.
func (s *Store) Lay(ctx context.Context, f journal.Fence, id journal.EntityID, events int, payload []byte) error {
	gen := generation{f.Token, 1}
	body := encodeEntries([]journal.Entry{{Payload: payload}})
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(128)
	rec := record{gen: gen, origin: gen}
	write := func(rec record, body []byte) {
		g.Go(func() error { return s.writeRecord(ctx, id, &rec, body) })
	}
	write(rec, nil)
	for range events {
		rec = rec.follow(gen, 1, len(body), s.options.buckets())
		write(rec, body)
	}
	return g.Wait()
}

// ReplayBeside replays id from its root and calls beside when it has read the first event.
func (s *Store) ReplayBeside(ctx context.Context, id journal.EntityID, beside func()) error {
	_, _, err := s.replay(ctx, id, anchor{}, true, 0, func(c *chain) (bool, error) {
		if c.tail.first == 1 {
			beside()
		}
		return true, nil
	})
	return err
}

// TestMark: an adoption finds what the reads found, or is refused.
func TestMark(t *testing.T) {
	at := func(first uint64, token journal.Token) record {
		return record{place: place{0, first}, gen: generation{token, 1}, origin: generation{token, 1}, events: 1}
	}
	now := uint64(0)
	read := func(m mark, ended bool, recs ...record) mark {
		g := sighting{from: recs[0].place, ended: ended}
		for _, r := range recs {
			g.see(m, r)
			g.last, g.hasLast = markOf(r), true
		}
		now++
		return m.after(g, now)
	}
	x := read(mark{}, true, record{}, at(1, 1), at(2, 1))
	if !x.allows(at(2, 1), 0) || x.allows(at(2, 2), 0) || x.allows(at(1, 1), 0) || x.allows(record{}, 0) {
		t.Errorf("%+v", x)
	}
	if y := read(x, true, at(1, 1), at(2, 2)); y.allows(at(2, 1), 0) || y.allows(at(2, 2), 0) {
		t.Errorf("reads that differ: %+v", y)
	}
	if y := read(x, true, at(1, 1), at(2, 1), at(3, 1)); !y.allows(at(3, 1), 0) {
		t.Errorf("a journal that grew: %+v", y)
	}
	if y := read(x, true, record{}, at(1, 1)); y.allows(at(1, 1), 0) {
		t.Errorf("a journal that shrank: %+v", y)
	}
	if y := read(x, true, at(1, 1), at(2, 2)); !y.allows(at(2, 2), y.mixed) {
		t.Errorf("what others did before the claim: %+v", y)
	}
	if empty := read(read(mark{}, true, record{}), true, record{}); !empty.allows(record{}, 0) {
		t.Errorf("nothing, twice: %+v", empty)
	}
}

// TestMissingRows: whatever row is taken away but the last, the machine says so.
func TestMissingRows(t *testing.T) {
	id := journal.EntityID{Key: "k"}
	gen := generation{1, 1}
	var rows []stored
	rec := record{gen: gen, origin: gen}
	add := func(body []byte) {
		encoded := rec.seal(id, body)
		rows = append(rows, stored{row: row{first: rec.first, gen: rec.gen, head: encoded, data: body}, bucket: rec.bucket})
	}
	add(nil)
	for i := range 9 {
		body := encodeEntries([]journal.Entry{{Payload: fmt.Append(nil, i)}})
		rec = rec.follow(gen, 1, len(body), bucketLimits{records: 4, bytes: 1 << 20})
		add(body)
	}
	w := &world{id: id}
	if tail, _, err := w.machine(rows); err != nil || tail.last() != 9 || tail.bucket != 2 {
		t.Fatalf("%+v, %v", tail, err)
	}
	for i := range len(rows) - 1 {
		less := append(append([]stored(nil), rows[:i]...), rows[i+1:]...)
		var damage *tornError
		if _, _, err := w.machine(less); !errors.As(err, &damage) {
			t.Errorf("without row %d (event %d): %v", i, rows[i].first, err)
		}
	}
	whole := slices.DeleteFunc(slices.Clone(rows), func(s stored) bool { return s.bucket == 1 })
	var damage *tornError
	if _, _, err := w.machine(whole); !errors.As(err, &damage) {
		t.Errorf("without a bucket: %v", err)
	}
}
