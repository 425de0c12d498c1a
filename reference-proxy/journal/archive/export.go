package archive

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// readers is how many entities are read at a time.
const readers = 8

// Export writes the selected entities of a store, which may be in use, to w, which it leaves to the caller to
// close. Entities that are damaged are left out, counted, and told to damaged, with journal.ErrCorrupt; damaged is
// called by one goroutine at a time. Other errors end it.
func Export(ctx context.Context, from Source, which Selection, w *Writer, damaged func(error)) (Counts, error) {
	tell := func(err error) {
		w.counts.Damaged++
		damaged(err)
	}
	err := which.pages(ctx, from, tell, func(page []journal.Listed) error {
		spools := make([]spool, readers)
		defer func() {
			for i := range spools {
				spools[i].clear()
			}
		}()
		sinks := make([]sink, readers)
		for i := range spools {
			sinks[i] = &spools[i]
		}
		return inTurn(ctx, from, page, sinks, func(i int, err error) error {
			s := &spools[i]
			defer s.clear()
			switch {
			case errors.Is(err, journal.ErrCorrupt):
				tell(err)
				return nil
			case err != nil:
				return err
			case s.memory.Len() == 0 && s.file == nil: // gone since it was listed
				return nil
			}
			return w.add(s)
		})
	})
	return w.counts, err
}

// inTurn walks the entities of a page, as many at a time as there are sinks, and calls done in the order of the page with the
// number of the sink that has one, and with the error of the walk.
func inTurn(ctx context.Context, from Source, page []journal.Listed, sinks []sink, done func(i int, err error) error) error {
	for len(page) > 0 {
		n := min(len(page), len(sinks))
		errs := make([]error, n)
		var g errgroup.Group
		for i := range n {
			g.Go(func() error {
				errs[i] = walk(ctx, from, page[i], sinks[i])
				return nil
			})
		}
		_ = g.Wait() // each has its own
		for i := range n {
			if err := done(i, errs[i]); err != nil {
				return err
			}
		}
		page = page[n:]
	}
	return nil
}
