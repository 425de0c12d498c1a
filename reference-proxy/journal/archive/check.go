package archive

import (
	"context"
	"errors"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Check reads the selected entities of a store, which may be in use, and tells damaged of each that is damaged, with
// journal.ErrCorrupt. Other errors end it. It writes nothing.
func Check(ctx context.Context, from Source, which Selection, damaged func(error)) (Counts, error) {
	var all Counts
	tell := func(err error) {
		all.Damaged++
		damaged(err)
	}
	err := which.pages(ctx, from, tell, func(page []journal.Listed) error {
		counters := make([]counter, readers)
		sinks := make([]sink, readers)
		for i := range counters {
			sinks[i] = &counters[i]
		}
		return inTurn(ctx, from, page, sinks, func(i int, err error) error {
			found := counters[i].counts
			counters[i].clear()
			switch {
			case errors.Is(err, journal.ErrCorrupt):
				tell(err)
				return nil
			case err != nil:
				return err
			}
			all.Entities += found.Entities
			all.Events += found.Events
			all.Snapshots += found.Snapshots
			all.Values += found.Values
			return nil
		})
	})
	return all, err
}

// counter is a sink that counts.
type counter struct{ counts Counts }

func (c *counter) clear() { c.counts = Counts{} }

func (c *counter) add(it Item) error {
	switch {
	case it.Entity != nil:
		c.counts.Entities++
	case it.Event != nil:
		c.counts.Events++
	case it.Snapshot != nil:
		c.counts.Snapshots++
	case it.Value != nil:
		c.counts.Values++
	}
	return nil
}
