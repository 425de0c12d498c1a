package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// incoming is an entity that is being imported. What the store has of it is read along with the lines of the
// stream and compared with them; where it ends, the rest is written.
type incoming struct {
	Entity
	to    Target
	fence journal.Fence
	wrote bool

	looked  bool             // the store's journal was looked at
	present []journal.Record // what was read of it and not compared yet
	more    bool             // it has more
	read    uint64           // the last event that was read of it
	last    uint64           // the last event that is there for sure
	pending []journal.Entry  // events to write behind last
	size    int              // of pending
	closed  bool             // the stream's events have ended
}

// begin looks at the journal that is there if the stream has one that begins late. Otherwise the first line of
// a journal does.
func (in *incoming) begin(ctx context.Context) error {
	if in.Pruned == 0 {
		return nil
	}
	return in.look(ctx)
}

// look finds out where the journal in the store begins. One that is empty is made to begin where the stream's does. One
// that begins earlier is compared from where the stream's does: the same journal was pruned when the stream was written, and may be
// in it a second time (journal.Catalog). It must have an event of the stream, else nothing would tell it from another one.
func (in *incoming) look(ctx context.Context) error {
	in.looked = true
	err := in.fetch(ctx)
	if pruned := (*journal.PrunedError)(nil); errors.As(err, &pruned) {
		if pruned.Through > in.Pruned {
			return in.differs("its events up to %d were removed, those of the export up to %d", pruned.Through, in.Pruned)
		}
		in.read, in.last = pruned.Through, pruned.Through
		err = in.fetch(ctx)
	} else if err == nil && in.Pruned > 0 && len(in.present) == 0 {
		in.wrote = true
		if err := in.to.Begin(ctx, in.fence, in.ID, in.Pruned); err != nil {
			return err
		}
		in.read, in.last = in.Pruned, in.Pruned
		return nil
	}
	if err != nil || in.last == in.Pruned {
		return err
	}
	began := in.last
	in.read, in.last = in.Pruned, in.Pruned
	if err := in.fetch(ctx); err != nil {
		return err
	}
	if len(in.present) == 0 {
		return in.differs("it begins with event %d, the export with event %d, and it has none of those", began+1, in.Pruned+1)
	}
	return nil
}

// fetch reads on in the store.
func (in *incoming) fetch(ctx context.Context) (err error) {
	in.present, in.more, err = in.to.Read(ctx, in.ID, in.read, readChunk)
	if n := len(in.present); n > 0 {
		in.read = in.present[n-1].Seq
	}
	return err
}

func (in *incoming) differs(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDiffers, fmt.Sprintf(format, args...))
}

// line takes the next line of the stream.
func (in *incoming) line(ctx context.Context, it Item) error {
	switch {
	case it.Event != nil:
		return in.event(ctx, it.Event)
	case it.Snapshot != nil:
		if err := in.closeJournal(ctx); err != nil {
			return err
		}
		return in.snapshot(ctx, *it.Snapshot)
	default:
		if err := in.end(ctx); err != nil {
			return err
		}
		return in.value(ctx, *it.Value)
	}
}

// end says that no more events come.
func (in *incoming) end(ctx context.Context) error {
	if !in.looked || in.closed {
		return nil // a value only, or ended before
	}
	return in.closeJournal(ctx)
}

func (in *incoming) event(ctx context.Context, r *journal.Record) error {
	if !in.looked {
		if err := in.look(ctx); err != nil {
			return err
		}
	}
	if len(in.present) == 0 && in.more {
		if err := in.fetch(ctx); err != nil {
			return err
		}
	}
	if len(in.present) > 0 {
		there := in.present[0]
		if !same(there.Entry, r.Entry) {
			return in.differs("its event %d is another one", r.Seq)
		}
		in.present, in.last = in.present[1:], r.Seq
		return nil
	}
	if !in.wrote {
		// From here on nothing of an earlier owner comes behind what was compared.
		if err := in.to.Adopt(ctx, in.fence, in.ID, in.last); err != nil {
			return err
		}
		in.wrote = true
	}
	if n := len(in.pending); n > 0 && (n >= batchItems || in.size+r.Size() > batchBytes) {
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	in.pending, in.size = append(in.pending, r.Entry), in.size+r.Size()
	return nil
}

// flush writes what is pending.
func (in *incoming) flush(ctx context.Context) error {
	if len(in.pending) == 0 {
		return nil
	}
	if err := in.to.Append(ctx, in.fence, in.ID, in.last, in.pending); err != nil {
		return err
	}
	in.last += uint64(len(in.pending))
	in.pending, in.size = in.pending[:0], 0
	return nil
}

// closeJournal is called behind the last event.
func (in *incoming) closeJournal(ctx context.Context) error {
	in.closed = true
	if len(in.present) == 0 && in.more {
		if err := in.fetch(ctx); err != nil {
			return err
		}
	}
	if len(in.present) > 0 {
		return in.differs("it has the events of the export, and more behind event %d", in.last)
	}
	return in.flush(ctx)
}

func (in *incoming) snapshot(ctx context.Context, s journal.Snapshot) error {
	there, found, err := in.to.LatestSnapshot(ctx, in.ID)
	switch {
	case err != nil:
		return err
	case found && there.Seq == s.Seq && !bytes.Equal(there.Payload, s.Payload):
		return in.differs("its snapshot of event %d is another one", s.Seq)
	case found && there.Seq >= s.Seq:
		return nil
	}
	in.wrote = true
	return in.to.SaveSnapshot(ctx, in.fence, in.ID, s)
}

func (in *incoming) value(ctx context.Context, e journal.Entry) error {
	there, err := in.to.GetValue(ctx, in.ID)
	switch {
	case err != nil:
		return err
	case there.Found && !same(there.Entry, e):
		return in.differs("its value is another one")
	case there.Found:
		return nil
	}
	if err := in.to.AdoptValue(ctx, in.fence, in.ID, 0); err != nil {
		return err
	}
	in.wrote = true
	_, err = in.to.PutValue(ctx, in.fence, in.ID, 0, e)
	return err
}

func same(a, b journal.Entry) bool {
	return bytes.Equal(a.Payload, b.Payload) && bytes.Equal(a.Note, b.Note)
}
