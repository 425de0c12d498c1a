package pebble

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// rowOverhead is roughly what a row takes beside its id and payload.
const rowOverhead = 64

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	if err := journal.CheckAppend(id, expected, events); err != nil {
		return err
	}
	size := rowOverhead
	for _, e := range events {
		size += rowOverhead + len(id.Namespace) + len(id.Key) + e.Size()
	}
	return s.write(ctx, write{
		fence: f, id: id, size: size, wait: s.durable,
		build: func(st *stripe, b *pebble.Batch) error {
			if err := s.expectSeq(st, id, expected); err != nil {
				return err
			}
			key := eventKey(id, expected)
			for i, e := range events {
				binary.BigEndian.PutUint64(key[len(key)-seqBytes:], expected+uint64(i)+1)
				if err := setEvent(b, key, e); err != nil {
					return err
				}
			}
			return nil
		},
		done: func(st *stripe) { st.remember(id, expected+uint64(len(events))) },
	})
}

// setEvent puts an event into b. key is that of the event without a note.
func setEvent(b *pebble.Batch, key []byte, e journal.Entry) error {
	if len(e.Note) == 0 {
		return setRow(b, key, e.Payload)
	}
	body := notedBody(e)
	return setRow(b, append(key[:len(key):len(key)], noted), body[:]...)
}

// Adopt implements journal.Journal. A claim waits for the writes of earlier tokens, so
// there is nothing to keep out.
func (s *Store) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.write(ctx, write{
		fence: f, id: id,
		build: func(st *stripe, _ *pebble.Batch) error { return s.expectSeq(st, id, expected) },
	})
}

// expectSeq fails unless the last event of id is expected. The stripe's lock must be held
// for writing.
func (s *Store) expectSeq(st *stripe, id journal.EntityID, expected uint64) error {
	last, err := s.lastSeq(st, id)
	if err == nil && last != expected {
		err = &journal.ConflictError{ID: id, Expected: expected, Actual: last}
	}
	return err
}

// lastSeq returns the sequence number of id's last event, 0 if it never had one. The
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
		seq, _, err = s.event(it, id, prefix)
	} else if err = it.Error(); err != nil {
		err = s.trouble(id, err)
	} else {
		seq, err = s.prunedThrough(id)
	}
	if err != nil {
		return 0, err
	}
	st.remember(id, seq)
	return seq, nil
}

// event opens the row that it stands on. The entry shares its memory.
func (s *Store) event(it *pebble.Iterator, id journal.EntityID, prefix []byte) (seq uint64, e journal.Entry, err error) {
	seq, note, err := eventSeq(it.Key(), prefix)
	if err != nil {
		return 0, e, s.damage(id, err, "among its events")
	}
	row, err := it.ValueAndErr()
	if err != nil {
		return 0, e, s.trouble(id, err)
	}
	if e, err = openEvent(it.Key(), row, note); err != nil {
		return 0, e, s.damage(id, err, "event %d", seq)
	}
	return seq, e, nil
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
		seq, e, err := s.event(it, id, prefix)
		if err != nil {
			return nil, false, err
		}
		if seq != last+1 {
			return nil, false, s.gap(ctx, id, after, last+1, seq)
		}
		size += e.Size()
		if len(recs) > 0 && (len(recs) >= max.Records || size > max.Bytes) {
			return recs, true, nil
		}
		recs = append(recs, journal.Record{Seq: seq, Entry: cloned(e)})
		last = seq
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
	}
	if err := it.Error(); err != nil {
		return nil, false, s.trouble(id, err)
	}
	if len(recs) == 0 {
		return nil, false, s.pruned(ctx, id, after)
	}
	return recs, false, nil
}

// gap is the error for event next being found where missing is due.
func (s *Store) gap(ctx context.Context, id journal.EntityID, after, missing, next uint64) error {
	if err := s.pruned(ctx, id, after); err != nil {
		return err
	}
	return s.damage(id, nil, "event %d is missing, the next is %d", missing, next)
}
