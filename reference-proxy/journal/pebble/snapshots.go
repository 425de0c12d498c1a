package pebble

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

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

// LatestSnapshot implements journal.Snapshots. A snapshot whose event is not there, and
// was not pruned, is damage: events were lost that it was made from.
func (s *Store) LatestSnapshot(ctx context.Context, id journal.EntityID) (snap journal.Snapshot, found bool, err error) {
	err = s.read(ctx, id, func() error {
		seq, err := s.numbered(id, entityKey(kindSnapshot, id), &snap.Payload)
		if err != nil || seq == 0 {
			return err
		}
		there, err := s.hadEvent(id, seq)
		if err != nil {
			return err
		}
		if !there {
			return s.damage(id, nil, "there is a snapshot of event %d, but not the event", seq)
		}
		snap.Seq, found = seq, true
		return nil
	})
	if !found {
		return journal.Snapshot{}, false, err
	}
	return snap, true, nil
}

// hadEvent says whether event seq of id is there, or was pruned.
func (s *Store) hadEvent(id journal.EntityID, seq uint64) (bool, error) {
	for _, key := range [][]byte{eventKey(id, seq), notedKey(id, seq)} {
		_, closer, err := s.db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err == nil {
			err = closer.Close()
		}
		if err != nil {
			return false, s.trouble(id, err)
		}
		return true, nil
	}
	through, err := s.prunedThrough(id)
	return seq <= through, err
}
