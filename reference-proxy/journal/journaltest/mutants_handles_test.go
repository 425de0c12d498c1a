package journaltest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// handleMutants are stores that break what is promised of further handles, links, restarts and crashes.
var handleMutants = map[string]mutant{
	"loses the last event on a restart": {caught: "Reopen", run: func(t *testing.T) {
		journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() },
			journaltest.Reopen(func(_ *testing.T, s journal.Store) journal.Store {
				return &hooks{Store: s, read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
					recs, more, err := s.Read(ctx, id, after, max)
					if len(recs) > 0 {
						recs = recs[:len(recs)-1]
					}
					return recs, more, err
				}}
			}))
	}},
	"lets old owners write until adopted past, and after": {caught: "Two owners", run: func(t *testing.T) { runEager(t, true) }},
	"trusts the memory of a handle": {caught: "Two owners", run: func(t *testing.T) {
		journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() },
			journaltest.Second(func(_ *testing.T, s journal.Store) journal.Store {
				var mu sync.Mutex
				cache := map[journal.EntityID]journal.Value{}
				return borrowed{&hooks{Store: s, get: func(ctx context.Context, id journal.EntityID) (journal.Value, error) {
					mu.Lock()
					defer mu.Unlock()
					v, known := cache[id]
					if known {
						return v, nil
					}
					v, err := s.GetValue(ctx, id)
					if v.Found {
						cache[id] = v
					}
					return v, err
				}}}
			}))
	}},
	"checks the fence when it sends": {caught: "Late writes", run: func(t *testing.T) {
		runRemote(t, func(r *remote) { r.late = r.withoutFence })
	}},
	"repeats a write whose answer was lost": {caught: "Lost answers", run: func(t *testing.T) {
		runRemote(t, func(r *remote) {
			r.lie = func(error) error { return fmt.Errorf("second attempt: %w", journal.ErrConflict) }
		})
	}},
	"calls a lost answer a write not made": {caught: "Lost answers", run: func(t *testing.T) {
		runRemote(t, func(r *remote) { r.lie = func(error) error { return context.DeadlineExceeded } })
	}},
	"acknowledges what was held up": {caught: "Late writes", run: func(t *testing.T) {
		runRemote(t, func(r *remote) { r.late = func(write func() error) error { _ = write(); return nil } })
	}},
	"denies a write that met a restart": {caught: "Server restart", run: func(t *testing.T) {
		runFlaky(t, journal.ErrUnavailable)
	}},
	"forgets what a killed process wrote": {caught: "Process crash", run: func(t *testing.T) {
		journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() },
			journaltest.Crash(func(*testing.T) string { return "nowhere" }, func(string) (journal.Store, error) { return memory.New(), nil }))
	}},
}

// runRemote runs the suite on a store whose second handle is spoilt.
func runRemote(t *testing.T, spoil func(*remote)) {
	journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() },
		journaltest.Faults(func(_ *testing.T, s journal.Store) (journal.Store, journaltest.Link) {
			r := &remote{Store: s}
			spoil(r)
			return r, r
		}))
}
