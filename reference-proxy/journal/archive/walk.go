package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// sink takes what is read of one entity. clear is called when all of it is read anew.
type sink interface {
	add(it Item) error
	clear()
}

// readChunk bounds what one read brings into memory.
var readChunk = journal.Chunk{Records: 1000, Bytes: 1 << 20}

// walks is how often an entity is read anew whose events are pruned meanwhile.
const walks = 10

// walk gives to what from holds of an entity, as it is in a stream, and nothing if that is nothing. It is what the
// entity was at one moment: events are only added, and a snapshot is read before them. ErrCorrupt
// says that it is damaged.
func walk(ctx context.Context, from Source, l journal.Listed, to sink) error {
	begun := false
	begin := func(pruned uint64) error {
		if begun {
			return nil
		}
		begun = true
		return to.add(Item{Entity: &Entity{ID: l.ID, Pruned: pruned}})
	}
	if l.Journal {
		var err error
		for range walks {
			to.clear()
			begun = false
			if err = walkJournal(ctx, from, l.ID, begin, to); err == nil || !errors.Is(err, journal.ErrPruned) {
				break
			}
		}
		switch {
		case errors.Is(err, journal.ErrPruned):
			return &journal.CorruptError{ID: l.ID, What: "events were removed, and no snapshot stands for them", Cause: err}
		case err != nil:
			return err
		}
	}
	if !l.Value {
		return nil
	}
	v, err := from.GetValue(ctx, l.ID)
	if err != nil || !v.Found {
		return err
	}
	if err := begin(0); err != nil {
		return err
	}
	return to.add(Item{Value: &v.Entry})
}

// walkJournal is walk for events and snapshot. ErrPruned: events were removed meanwhile.
func walkJournal(ctx context.Context, from Source, id journal.EntityID, begin func(uint64) error, to sink) error {
	snapshot, found, err := from.LatestSnapshot(ctx, id)
	if err != nil {
		return err
	}
	var last uint64
	recs, more, err := from.Read(ctx, id, 0, readChunk)
	if pruned := (*journal.PrunedError)(nil); errors.As(err, &pruned) {
		if snapshot.Seq < pruned.Through {
			return err
		}
		last = pruned.Through
		recs, more, err = from.Read(ctx, id, last, readChunk)
	}
	if err != nil {
		return err
	}
	if len(recs) == 0 && last == 0 && !found {
		return nil
	}
	if err := begin(last); err != nil {
		return err
	}
	for {
		for i := range recs {
			if err := to.add(Item{Event: &recs[i]}); err != nil {
				return err
			}
			last = recs[i].Seq
		}
		if !more {
			break
		}
		if recs, more, err = from.Read(ctx, id, last, readChunk); err != nil {
			return err
		}
	}
	if !found {
		return nil
	}
	if snapshot.Seq > last {
		return &journal.CorruptError{ID: id, What: fmt.Sprintf("there is a snapshot of event %d, but the last event is %d", snapshot.Seq, last)}
	}
	return to.add(Item{Snapshot: &snapshot})
}
