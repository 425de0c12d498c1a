package pebble

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Begin implements journal.Journal: a prune mark without events before it.
func (s *Store) Begin(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckBegin(id, through); err != nil {
		return err
	}
	key := entityKey(kindPruned, id)
	return s.write(ctx, write{
		fence: f, id: id, size: rowOverhead + len(key), wait: s.durable,
		build: func(st *stripe, b *pebble.Batch) error {
			if err := s.expectSeq(st, id, 0); err != nil {
				return err
			}
			return setRow(b, key, numberOf(through))
		},
		done: func(st *stripe) { st.remember(id, through) },
	})
}
