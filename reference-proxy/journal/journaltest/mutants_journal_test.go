package journaltest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// journalMutants are stores that break what is promised of events and snapshots.
var journalMutants = map[string]mutant{
	"loses notes of events": {caught: "Notes", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			events = slices.Clone(events)
			for i := range events {
				events[i].Note = nil
			}
			return s.Append(ctx, f, id, expected, events)
		}}
	}},
	"ignores what an append expects": {caught: "Append", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			err := s.Append(ctx, f, id, expected, events)
			var conflict *journal.ConflictError
			if errors.As(err, &conflict) {
				return s.Append(ctx, f, id, conflict.Actual, events)
			}
			return err
		}}
	}},
	"acknowledges without writing": {caught: "Racing appends", spoil: func(s journal.Store) journal.Store {
		var n atomic.Int64
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			if n.Add(1)%50 == 0 {
				return s.Adopt(ctx, f, id, expected)
			}
			return s.Append(ctx, f, id, expected, events)
		}}
	}},
	"writes and says that it did not": {caught: "Append", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			err := s.Append(ctx, f, id, expected, events)
			if errors.Is(err, journal.ErrConflict) && expected == 5 {
				_ = s.Append(ctx, f, id, 4, events)
			}
			return err
		}}
	}},
	"keeps half of a big append": {caught: "Ten thousand events", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			if len(events) > 1000 {
				events = events[:1000]
			}
			return s.Append(ctx, f, id, expected, events)
		}}
	}},
	"reorders the events of a chunk": {caught: "Read in chunks", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			recs, more, err := s.Read(ctx, id, after, max)
			if n := len(recs); n > 9 {
				recs[8].Entry, recs[9].Entry = recs[9].Entry, recs[8].Entry
			}
			return recs, more, err
		}}
	}},
	"serves a gap": {caught: "Read in chunks", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			recs, more, err := s.Read(ctx, id, after, max)
			if n := len(recs); n > 9 {
				recs = slices.Delete(recs, 8, 9)
			}
			return recs, more, err
		}}
	}},
	"forgets that more follows": {caught: "Read in chunks", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			recs, more, err := s.Read(ctx, id, after, max)
			return recs, more && max.Records != 7, err
		}}
	}},
	"counts no notes in a chunk": {caught: "Notes", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			if max.Bytes > 0 {
				max.Bytes *= 3
			}
			return s.Read(ctx, id, after, max)
		}}
	}},
	"loses the end of a long journal": {caught: "Ten thousand events", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			recs, more, err := s.Read(ctx, id, after, max)
			return recs, more && after < 9_000, err
		}}
	}},
	"forgets what it pruned": {caught: "Prune", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			recs, more, err := s.Read(ctx, id, after, max)
			if errors.Is(err, journal.ErrPruned) {
				return nil, false, nil
			}
			return recs, more, err
		}}
	}},
	"serves from behind what it pruned": {caught: "Model", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			recs, more, err := s.Read(ctx, id, after, max)
			var pruned *journal.PrunedError
			if errors.As(err, &pruned) {
				return s.Read(ctx, id, pruned.Through, max)
			}
			return recs, more, err
		}}
	}},
	"prunes without a snapshot": {caught: "Prune", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, prune: func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
			err := s.Prune(ctx, f, id, through)
			if errors.Is(err, journal.ErrConflict) {
				return nil
			}
			return err
		}}
	}},
	"goes back to an older snapshot": {caught: "Snapshots", spoil: func(s journal.Store) journal.Store {
		return lastSaved(s, func(snap journal.Snapshot) journal.Snapshot {
			return journal.Snapshot{Seq: snap.Seq, Payload: slices.Clone(snap.Payload)}
		})
	}},
	"keeps payloads by reference": {caught: "Payloads are not shared", spoil: func(s journal.Store) journal.Store {
		return lastSaved(s, func(snap journal.Snapshot) journal.Snapshot { return snap })
	}},
	"adopts whatever is expected": {caught: "Adopt", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, adopt: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
			err := s.Adopt(ctx, f, id, expected)
			if errors.Is(err, journal.ErrConflict) {
				return nil
			}
			return err
		}}
	}},
	"begins over events": {caught: "Begin", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, begin: func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
			err := s.Begin(ctx, f, id, through)
			if errors.Is(err, journal.ErrConflict) {
				return nil
			}
			return err
		}}
	}},
	"begins one too late": {caught: "Begin", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, begin: func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
			if through == 0 {
				return s.Begin(ctx, f, id, through)
			}
			return s.Begin(ctx, f, id, through+1)
		}}
	}},
}

// lastSaved has s answer with the snapshot that was saved last, whichever is newest, as kept.
func lastSaved(s journal.Store, kept func(journal.Snapshot) journal.Snapshot) journal.Store {
	var mu sync.Mutex
	saved := map[journal.EntityID]journal.Snapshot{}
	return &hooks{
		Store: s,
		save: func(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
			err := s.SaveSnapshot(ctx, f, id, snap)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				saved[id] = kept(snap)
			}
			return err
		},
		latest: func(_ context.Context, id journal.EntityID) (journal.Snapshot, bool, error) {
			mu.Lock()
			defer mu.Unlock()
			snap, found := saved[id]
			return snap, found, nil
		},
	}
}
