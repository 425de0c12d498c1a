package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// rowOverhead is roughly what a row takes beside its id and payload.
const rowOverhead = 64

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, payloads [][]byte) error {
	if err := journal.CheckWrite(id, expected, payloads...); err != nil {
		return err
	}
	size := rowOverhead
	for _, p := range payloads {
		size += rowOverhead + len(id.Namespace) + len(id.Key) + len(p)
	}
	return s.write(ctx, write{
		fence: f, id: id, size: size, wait: s.durable,
		build: func(st *stripe, b *pebble.Batch) error {
			last, err := s.lastSeq(st, id)
			if err != nil {
				return err
			}
			if last != expected {
				return &journal.ConflictError{ID: id, Expected: expected, Actual: last}
			}
			key := eventKey(id, expected)
			for i, p := range payloads {
				binary.BigEndian.PutUint64(key[len(key)-seqBytes:], expected+uint64(i)+1)
				if err := setRow(b, key, p); err != nil {
					return err
				}
			}
			return nil
		},
		done: func(st *stripe) { st.remember(id, expected+uint64(len(payloads))) },
	})
}

// lastSeq returns the sequence number of id's last event, 0 if it has none. The
// stripe's lock must be held for writing.
func (s *Store) lastSeq(st *stripe, id journal.EntityID) (uint64, error) {
	if seq, known := st.last[id]; known {
		return seq, nil
	}
	prefix := entityKey(kindEvent, id)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: entityEnd(kindEvent, id)})
	if err != nil {
		return 0, s.trouble(id, err)
	}
	defer it.Close()
	var seq uint64
	if it.Last() {
		if seq, _, err = s.event(it, id, prefix); err != nil {
			return 0, err
		}
	}
	if err := it.Error(); err != nil {
		return 0, s.trouble(id, err)
	}
	st.remember(id, seq)
	return seq, nil
}

// event opens the row that it stands on. The payload shares its memory.
func (s *Store) event(it *pebble.Iterator, id journal.EntityID, prefix []byte) (seq uint64, payload []byte, err error) {
	seq, err = eventSeq(it.Key(), prefix)
	if err != nil {
		return 0, nil, s.damage(id, err, "among its events")
	}
	row, err := it.ValueAndErr()
	if err != nil {
		return 0, nil, s.trouble(id, err)
	}
	if payload, err = openRow(it.Key(), row); err != nil {
		return 0, nil, s.damage(id, err, "event %d", seq)
	}
	return seq, payload, nil
}

// Read implements journal.Journal.
func (s *Store) Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) (recs []journal.Record, more bool, err error) {
	if after == math.MaxUint64 {
		return nil, false, nil
	}
	leave, err := s.enter()
	if err != nil {
		return nil, false, err
	}
	defer leave()
	var it *pebble.Iterator
	err = s.look(ctx, id, func() error {
		// An iterator sees the state of this moment, so the lock is not held for long.
		it, err = s.db.NewIter(&pebble.IterOptions{LowerBound: eventKey(id, after+1), UpperBound: entityEnd(kindEvent, id)})
		if err != nil {
			return s.trouble(id, err)
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	recs, more, err = s.readChunk(ctx, it, id, after, max.WithDefaults())
	if closeErr := it.Close(); err == nil && closeErr != nil {
		err = s.trouble(id, closeErr)
	}
	if err != nil {
		return nil, false, err
	}
	return recs, more, nil
}

// readChunk collects what it, which begins behind after, has.
func (s *Store) readChunk(ctx context.Context, it *pebble.Iterator, id journal.EntityID, after uint64, max journal.Chunk) (recs []journal.Record, more bool, err error) {
	prefix := entityKey(kindEvent, id)
	size, last := 0, after
	for it.First(); it.Valid(); it.Next() {
		seq, payload, err := s.event(it, id, prefix)
		if err != nil {
			return nil, false, err
		}
		if seq != last+1 {
			return nil, false, s.damage(id, nil, "event %d is missing, the next is %d", last+1, seq)
		}
		size += len(payload)
		if len(recs) > 0 && (len(recs) >= max.Records || size > max.Bytes) {
			return recs, true, nil
		}
		recs = append(recs, journal.Record{Seq: seq, Payload: bytes.Clone(payload)})
		last = seq
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	if err := it.Error(); err != nil {
		return nil, false, s.trouble(id, err)
	}
	return recs, false, nil
}

// SaveSnapshot implements journal.Snapshots. It does not wait for the disk: what is
// written after it, synced, brings it along, and what was written before it is there.
func (s *Store) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
	if err := journal.CheckSnapshot(id, snap); err != nil {
		return err
	}
	key := entityKey(kindSnapshot, id)
	return s.write(ctx, write{
		fence: f, id: id, size: rowOverhead + len(key) + len(snap.Payload), wait: pebble.NoSync,
		build: func(st *stripe, b *pebble.Batch) error {
			last, err := s.lastSeq(st, id)
			if err != nil {
				return err
			}
			if snap.Seq > last {
				return &journal.ConflictError{ID: id, Expected: snap.Seq, Actual: last}
			}
			present, err := s.numbered(id, key, nil)
			if err != nil || snap.Seq <= present {
				return err
			}
			return setRow(b, key, numberOf(snap.Seq), snap.Payload)
		},
	})
}

// LatestSnapshot implements journal.Snapshots. A snapshot whose event is not there is
// damage: events were lost that it was made from.
func (s *Store) LatestSnapshot(ctx context.Context, id journal.EntityID) (snap journal.Snapshot, found bool, err error) {
	err = s.read(ctx, id, func() error {
		seq, err := s.numbered(id, entityKey(kindSnapshot, id), &snap.Payload)
		if err != nil || seq == 0 {
			return err
		}
		_, closer, err := s.db.Get(eventKey(id, seq))
		if errors.Is(err, pebble.ErrNotFound) {
			return s.damage(id, nil, "there is a snapshot of event %d, but not the event", seq)
		}
		if err != nil {
			return s.trouble(id, err)
		}
		if err := closer.Close(); err != nil {
			return s.trouble(id, err)
		}
		snap.Seq, found = seq, true
		return nil
	})
	if !found {
		return journal.Snapshot{}, false, err
	}
	return snap, true, nil
}
