package memory

import (
	"bytes"
	"context"
	"slices"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	if err := journal.CheckAppend(id, expected, events); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if err := expect(id, expected, e.last()); err != nil {
			return err
		}
		e.events = append(e.events, copies(events)...)
		return nil
	})
}

// Adopt implements journal.Journal. A claim waits for the writes of earlier tokens, so
// there is nothing to keep out.
func (s *Store) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error { return expect(id, expected, e.last()) })
}

// expect fails unless the writer's expectation is what is present.
func expect(id journal.EntityID, expected, actual uint64) error {
	if expected != actual {
		return &journal.ConflictError{ID: id, Expected: expected, Actual: actual}
	}
	return nil
}

// Read implements journal.Journal.
func (s *Store) Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) (recs []journal.Record, more bool, err error) {
	max = max.WithDefaults()
	err = s.read(ctx, id, func(e *entity) error {
		if after < e.pruned {
			return &journal.PrunedError{ID: id, After: after, Through: e.pruned}
		}
		if after >= e.last() {
			return nil
		}
		rest := e.events[after-e.pruned:]
		n := admitted(rest, max)
		more = n < len(rest)
		recs = make([]journal.Record, n)
		for i, entry := range copies(rest[:n]) {
			recs[i] = journal.Record{Seq: after + uint64(i) + 1, Entry: entry}
		}
		return nil
	})
	return recs, more, err
}

// admitted counts the events that fit into max: one at least.
func admitted(events []journal.Entry, max journal.Chunk) int {
	size := 0
	for i, e := range events {
		size += e.Size()
		if i > 0 && (i >= max.Records || size > max.Bytes) {
			return i
		}
	}
	return len(events)
}

// Prune implements journal.Journal.
func (s *Store) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckWrite(id, through); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if e.snapshot.Seq < through {
			return &journal.ConflictError{ID: id, Expected: through, Actual: e.snapshot.Seq}
		}
		if through > e.pruned {
			e.events = slices.Clone(e.events[through-e.pruned:]) // lets go of the others' memory
			e.pruned = through
		}
		return nil
	})
}

// Begin implements journal.Journal.
func (s *Store) Begin(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckBegin(id, through); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if err := expect(id, 0, e.last()); err != nil {
			return err
		}
		e.pruned = through
		return nil
	})
}

// SaveSnapshot implements journal.Snapshots.
func (s *Store) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
	if err := journal.CheckSnapshot(id, snap); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if last := e.last(); snap.Seq > last {
			return &journal.ConflictError{ID: id, Expected: snap.Seq, Actual: last}
		}
		if snap.Seq > e.snapshot.Seq {
			e.snapshot = journal.Snapshot{Seq: snap.Seq, Payload: bytes.Clone(snap.Payload)}
		}
		return nil
	})
}

// LatestSnapshot implements journal.Snapshots.
func (s *Store) LatestSnapshot(ctx context.Context, id journal.EntityID) (snap journal.Snapshot, found bool, err error) {
	err = s.read(ctx, id, func(e *entity) error {
		snap = journal.Snapshot{Seq: e.snapshot.Seq, Payload: bytes.Clone(e.snapshot.Payload)}
		found = snap.Seq > 0
		return nil
	})
	return snap, found, err
}

// copies clones entries into one allocation. Each part is cut to its own capacity, so
// that appending to one cannot reach the next.
func copies(entries []journal.Entry) []journal.Entry {
	total := 0
	for _, e := range entries {
		total += e.Size()
	}
	buf := make([]byte, 0, total)
	keep := func(p []byte) []byte {
		if len(p) == 0 {
			return nil
		}
		start := len(buf)
		buf = append(buf, p...)
		return buf[start:len(buf):len(buf)]
	}
	out := make([]journal.Entry, len(entries))
	for i, e := range entries {
		out[i] = journal.Entry{Payload: keep(e.Payload), Note: keep(e.Note)}
	}
	return out
}
