package memory

import (
	"bytes"
	"context"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, payloads [][]byte) error {
	if err := journal.CheckWrite(id, expected, payloads...); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if last := uint64(len(e.events)); last != expected {
			return &journal.ConflictError{ID: id, Expected: expected, Actual: last}
		}
		e.events = append(e.events, copies(payloads)...)
		return nil
	})
}

// Read implements journal.Journal.
func (s *Store) Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) (recs []journal.Record, more bool, err error) {
	max = max.WithDefaults()
	err = s.read(ctx, id, func(e *entity) {
		if after >= uint64(len(e.events)) {
			return
		}
		rest := e.events[after:]
		n := admitted(rest, max)
		more = n < len(rest)
		recs = make([]journal.Record, n)
		for i, p := range copies(rest[:n]) {
			recs[i] = journal.Record{Seq: after + uint64(i) + 1, Payload: p}
		}
	})
	return recs, more, err
}

// admitted counts the payloads that fit into max: one at least.
func admitted(payloads [][]byte, max journal.Chunk) int {
	size := 0
	for i, p := range payloads {
		size += len(p)
		if i > 0 && (i >= max.Records || size > max.Bytes) {
			return i
		}
	}
	return len(payloads)
}

// SaveSnapshot implements journal.Snapshots.
func (s *Store) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
	if err := journal.CheckSnapshot(id, snap); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if last := uint64(len(e.events)); snap.Seq > last {
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
	err = s.read(ctx, id, func(e *entity) {
		snap = journal.Snapshot{Seq: e.snapshot.Seq, Payload: bytes.Clone(e.snapshot.Payload)}
		found = snap.Seq > 0
	})
	return snap, found, err
}

// GetValue implements journal.Values.
func (s *Store) GetValue(ctx context.Context, id journal.EntityID) (v journal.Value, err error) {
	err = s.read(ctx, id, func(e *entity) {
		v = e.value
		v.Payload = bytes.Clone(v.Payload)
	})
	return v, err
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, payload []byte) (version uint64, err error) {
	if err := journal.CheckWrite(id, expected, payload); err != nil {
		return 0, err
	}
	err = s.write(ctx, f, id, func(e *entity) error {
		if e.value.Version != expected {
			return &journal.ConflictError{ID: id, Expected: expected, Actual: e.value.Version}
		}
		version = expected + 1
		e.value = journal.Value{Version: version, Payload: bytes.Clone(payload), Found: true}
		return nil
	})
	return version, err
}

// DeleteValue implements journal.Values.
func (s *Store) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if e.value.Version != expected {
			return &journal.ConflictError{ID: id, Expected: expected, Actual: e.value.Version}
		}
		e.value = journal.Value{}
		return nil
	})
}

// copies clones payloads into one allocation. Each is cut to its own capacity, so
// that appending to one cannot reach the next.
func copies(payloads [][]byte) [][]byte {
	total := 0
	for _, p := range payloads {
		total += len(p)
	}
	buf := make([]byte, 0, total)
	out := make([][]byte, len(payloads))
	for i, p := range payloads {
		start := len(buf)
		buf = append(buf, p...)
		out[i] = buf[start:len(buf):len(buf)]
	}
	return out
}
