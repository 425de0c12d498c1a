package archive

import (
	"context"
	"errors"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Source is the reading side of a store.
type Source interface {
	Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error)
	LatestSnapshot(ctx context.Context, id journal.EntityID) (journal.Snapshot, bool, error)
	GetValue(ctx context.Context, id journal.EntityID) (journal.Value, error)
	List(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error)
}

// Selection says which entities are meant. The zero Selection is all of them.
type Selection struct {
	// Namespace, if not nil, is the persistence id that they have.
	Namespace *string
	// Key, if not nil, is the entity id of the only one; then Namespace must be set.
	Key *string
}

// pageSize is how many entities are listed at once.
const pageSize = 500

// pages calls do with the entities of each page of the selection, and damaged with what is damaged of the
// listing itself.
func (s Selection) pages(ctx context.Context, from Source, damaged func(error), do func([]journal.Listed) error) error {
	if s.Namespace != nil && s.Key != nil {
		id := journal.EntityID{Namespace: *s.Namespace, Key: *s.Key}
		return do([]journal.Listed{{ID: id, Journal: true, Value: true}})
	}
	for after := journal.Cursor(""); ; {
		list, next, err := from.List(ctx, after, pageSize)
		if err != nil && !errors.Is(err, journal.ErrCorrupt) {
			return err
		}
		if err != nil {
			damaged(err)
		}
		chosen := list[:0]
		for _, l := range list {
			if s.Namespace == nil || l.ID.Namespace == *s.Namespace {
				chosen = append(chosen, l)
			}
		}
		if len(chosen) > 0 {
			if err := do(chosen); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}
