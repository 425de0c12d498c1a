package journaltest_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// catalogMutants are stores that mistake one entity for another, or list entities wrongly.
var catalogMutants = map[string]mutant{
	"joins namespace and key": {caught: "Odd ids", spoil: func(s journal.Store) journal.Store {
		return withIDs(s, func(id journal.EntityID) journal.EntityID {
			return journal.EntityID{Key: id.Namespace + "|" + id.Key}
		})
	}},
	"cuts long keys": {caught: "Odd ids", spoil: func(s journal.Store) journal.Store {
		return withIDs(s, func(id journal.EntityID) journal.EntityID {
			return journal.EntityID{Namespace: id.Namespace, Key: id.Key[:min(len(id.Key), 255)]}
		})
	}},
	"knows text only": {caught: "Odd ids", spoil: func(s journal.Store) journal.Store {
		return withIDs(s, func(id journal.EntityID) journal.EntityID {
			return journal.EntityID{Namespace: fmt.Sprint([]rune(id.Namespace)), Key: fmt.Sprint([]rune(id.Key))}
		})
	}},
	"lists a page's last entity again": {caught: "Listing", spoil: func(s journal.Store) journal.Store {
		var mu sync.Mutex
		var last []journal.Listed
		return &hooks{Store: s, list: func(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
			mu.Lock()
			defer mu.Unlock()
			list, next, err := s.List(ctx, after, most)
			if after != "" && len(list) < journal.PageSize(most) {
				list = append(slices.Clone(last), list...)
			}
			if last = nil; len(list) > 0 {
				last = list[len(list)-1:]
			}
			return list, next, err
		}}
	}},
	"drops what does not fit a page": {caught: "Listing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, list: func(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
			list, next, err := s.List(ctx, after, most+1)
			return list[:min(len(list), journal.PageSize(most))], next, err
		}}
	}},
	"lists what was looked at": {caught: "Listing", spoil: func(s journal.Store) journal.Store {
		var mu sync.Mutex
		seen := map[journal.EntityID]bool{}
		return &hooks{
			Store: s,
			adopt: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
				mu.Lock()
				defer mu.Unlock()
				seen[id] = expected == 0
				return s.Adopt(ctx, f, id, expected)
			},
			list: func(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
				mu.Lock()
				defer mu.Unlock()
				list, next, err := s.List(ctx, after, most)
				for id, empty := range seen {
					if empty && next == "" && len(list) < journal.PageSize(most) {
						list = append(list, journal.Listed{ID: id, Journal: true})
					}
				}
				return list, next, err
			},
		}
	}},
	"forgets journals without events": {caught: "Listing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, list: func(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
			list, next, err := s.List(ctx, after, most)
			return slices.DeleteFunc(list, func(l journal.Listed) bool {
				snap, found, err := s.LatestSnapshot(ctx, l.ID)
				recs, _, readErr := s.Read(ctx, l.ID, snap.Seq, journal.Chunk{})
				return found && err == nil && readErr == nil && len(recs) == 0
			}), next, err
		}}
	}},
	"lists by place": {caught: "Listing while writing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, list: func(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
			var all []journal.Listed
			for at, next := journal.Cursor(""), journal.Cursor(""); ; at = next {
				list, following, err := s.List(ctx, at, 0)
				if err != nil {
					return nil, "", err
				}
				all = append(all, list...)
				if next = following; next == "" {
					break
				}
			}
			// The order is that of the names, so that what is made moves the others.
			slices.SortFunc(all, func(a, b journal.Listed) int { return strings.Compare(a.ID.Key, b.ID.Key) })
			place, _ := strconv.Atoi(string(after))
			end := min(len(all), place+journal.PageSize(most))
			if end == len(all) {
				return all[min(place, end):], "", nil
			}
			return all[place:end], journal.Cursor(strconv.Itoa(end)), nil
		}}
	}},
}

// withIDs is a store that turns ids into others.
func withIDs(s journal.Store, turn func(journal.EntityID) journal.EntityID) journal.Store {
	return &hooks{
		Store: s,
		append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			return s.Append(ctx, f, turn(id), expected, events)
		},
		read: func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
			return s.Read(ctx, turn(id), after, max)
		},
	}
}
