package pebble

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Prune implements journal.Journal. The events go together with the mark that says so, and
// the log keeps the order of writes: where the mark is durable the snapshot is too.
func (s *Store) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckWrite(id, through); err != nil {
		return err
	}
	return s.write(ctx, write{
		fence: f, id: id, wait: s.durable,
		build: func(_ *stripe, b *pebble.Batch) error {
			snapshot, err := s.numbered(id, entityKey(kindSnapshot, id), nil)
			if err != nil {
				return err
			}
			if snapshot < through {
				return &journal.ConflictError{ID: id, Expected: through, Actual: snapshot}
			}
			before, err := s.prunedThrough(id)
			if err != nil || through <= before {
				return err
			}
			if err := b.DeleteRange(eventKey(id, before+1), eventKey(id, through+1), nil); err != nil {
				return err
			}
			return setRow(b, entityKey(kindPruned, id), numberOf(through))
		},
	})
}

// prunedThrough returns the last event of id that was pruned, 0 if none was. A lock of
// id's stripe must be held.
func (s *Store) prunedThrough(id journal.EntityID) (uint64, error) {
	return s.numbered(id, entityKey(kindPruned, id), nil)
}

// pruned returns the error of a read after an event that was pruned, or nil. A mark never
// goes back, so it may be read after the events.
func (s *Store) pruned(ctx context.Context, id journal.EntityID, after uint64) error {
	return s.look(ctx, id, func() error {
		through, err := s.prunedThrough(id)
		if err == nil && after < through {
			err = &journal.PrunedError{ID: id, After: after, Through: through}
		}
		return err
	})
}
