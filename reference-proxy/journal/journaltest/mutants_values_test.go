package journaltest_test

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// valueMutants are stores that break what is promised of values.
var valueMutants = map[string]mutant{
	"loses notes of values": {caught: "Notes", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, put: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error) {
			return s.PutValue(ctx, f, id, expected, journal.Entry{Payload: e.Payload})
		}}
	}},
	"ignores what a put expects": {caught: "Values", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, put: func(ctx context.Context, f journal.Fence, id journal.EntityID, _ uint64, e journal.Entry) (uint64, error) {
			v, err := s.GetValue(ctx, id)
			if err != nil {
				return 0, err
			}
			return s.PutValue(ctx, f, id, v.Version, e)
		}}
	}},
	"checks, then acts": {caught: "Racing puts", spoil: func(s journal.Store) journal.Store {
		var mu sync.Mutex
		values := map[journal.EntityID]journal.Value{}
		get := func(_ context.Context, id journal.EntityID) (journal.Value, error) {
			mu.Lock()
			defer mu.Unlock()
			return values[id], nil
		}
		return &hooks{Store: s, get: get, put: func(ctx context.Context, _ journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error) {
			v, _ := get(ctx, id)
			if v.Version != expected {
				return 0, &journal.ConflictError{ID: id, Expected: expected, Actual: v.Version}
			}
			for range 100 { // time enough for another to check
				runtime.Gosched()
			}
			mu.Lock()
			defer mu.Unlock()
			values[id] = journal.Value{Version: expected + 1, Entry: journal.Entry{Payload: slices.Clone(e.Payload)}, Found: true}
			return expected + 1, nil
		}}
	}},
	"gives out what it keeps": {caught: "Payloads are not shared", spoil: func(s journal.Store) journal.Store {
		var mu sync.Mutex
		cache := map[journal.EntityID]journal.Value{}
		return &hooks{Store: s, get: func(ctx context.Context, id journal.EntityID) (journal.Value, error) {
			mu.Lock()
			defer mu.Unlock()
			if v, known := cache[id]; known {
				return v, nil
			}
			v, err := s.GetValue(ctx, id)
			cache[id] = v
			return v, err
		}}
	}},
	"starts what was cancelled": {caught: "Cancelled", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, delete: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
			return s.DeleteValue(context.WithoutCancel(ctx), f, id, expected)
		}}
	}},
}
