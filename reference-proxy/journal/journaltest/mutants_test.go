package journaltest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// mutant is a store that breaks one promise, and the case that must find it out.
type mutant struct {
	caught string
	spoil  func(journal.Store) journal.Store
	run    func(t *testing.T) // in place of spoil
}

// hooks is a store some of whose methods are replaced.
type hooks struct {
	journal.Store
	append   func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error
	adopt    func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error
	read     func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error)
	prune    func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error
	save     func(ctx context.Context, f journal.Fence, id journal.EntityID, s journal.Snapshot) error
	latest   func(ctx context.Context, id journal.EntityID) (journal.Snapshot, bool, error)
	put      func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error)
	get      func(ctx context.Context, id journal.EntityID) (journal.Value, error)
	delete   func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error
	renew    func(ctx context.Context, h journal.Holder, beat uint64) error
	endLease func(ctx context.Context, h journal.Holder, beat uint64) error
	claim    func(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error)
	release  func(ctx context.Context, f journal.Fence) error
	begin    func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error
	list     func(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error)
}

func (h *hooks) Begin(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if h.begin != nil {
		return h.begin(ctx, f, id, through)
	}
	return h.Store.Begin(ctx, f, id, through)
}

func (h *hooks) List(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
	if h.list != nil {
		return h.list(ctx, after, most)
	}
	return h.Store.List(ctx, after, most)
}

func (h *hooks) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	if h.append != nil {
		return h.append(ctx, f, id, expected, events)
	}
	return h.Store.Append(ctx, f, id, expected, events)
}

func (h *hooks) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if h.adopt != nil {
		return h.adopt(ctx, f, id, expected)
	}
	return h.Store.Adopt(ctx, f, id, expected)
}

func (h *hooks) Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
	if h.read != nil {
		return h.read(ctx, id, after, max)
	}
	return h.Store.Read(ctx, id, after, max)
}

func (h *hooks) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if h.prune != nil {
		return h.prune(ctx, f, id, through)
	}
	return h.Store.Prune(ctx, f, id, through)
}

func (h *hooks) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, s journal.Snapshot) error {
	if h.save != nil {
		return h.save(ctx, f, id, s)
	}
	return h.Store.SaveSnapshot(ctx, f, id, s)
}

func (h *hooks) LatestSnapshot(ctx context.Context, id journal.EntityID) (journal.Snapshot, bool, error) {
	if h.latest != nil {
		return h.latest(ctx, id)
	}
	return h.Store.LatestSnapshot(ctx, id)
}

func (h *hooks) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error) {
	if h.put != nil {
		return h.put(ctx, f, id, expected, e)
	}
	return h.Store.PutValue(ctx, f, id, expected, e)
}

func (h *hooks) GetValue(ctx context.Context, id journal.EntityID) (journal.Value, error) {
	if h.get != nil {
		return h.get(ctx, id)
	}
	return h.Store.GetValue(ctx, id)
}

func (h *hooks) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if h.delete != nil {
		return h.delete(ctx, f, id, expected)
	}
	return h.Store.DeleteValue(ctx, f, id, expected)
}

func (h *hooks) RenewLease(ctx context.Context, holder journal.Holder, beat uint64) error {
	if h.renew != nil {
		return h.renew(ctx, holder, beat)
	}
	return h.Store.RenewLease(ctx, holder, beat)
}

func (h *hooks) EndLease(ctx context.Context, holder journal.Holder, beat uint64) error {
	if h.endLease != nil {
		return h.endLease(ctx, holder, beat)
	}
	return h.Store.EndLease(ctx, holder, beat)
}

func (h *hooks) Claim(ctx context.Context, shard journal.Shard, was journal.Token, holder journal.Holder) (journal.Fence, error) {
	if h.claim != nil {
		return h.claim(ctx, shard, was, holder)
	}
	return h.Store.Claim(ctx, shard, was, holder)
}

func (h *hooks) Release(ctx context.Context, f journal.Fence) error {
	if h.release != nil {
		return h.release(ctx, f)
	}
	return h.Store.Release(ctx, f)
}

// newestFence is the fence that holds, whoever asks.
func newestFence(ctx context.Context, s journal.Store, f journal.Fence) journal.Fence {
	o, err := s.ReadOwner(ctx, f.Shard)
	if err != nil {
		return f
	}
	return journal.Fence{Shard: f.Shard, Token: o.Token, Holder: o.Holder}
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

var mutants = map[string]mutant{
	"loses notes of events": {caught: "Notes", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			events = slices.Clone(events)
			for i := range events {
				events[i].Note = nil
			}
			return s.Append(ctx, f, id, expected, events)
		}}
	}},
	"loses notes of values": {caught: "Notes", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, put: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error) {
			return s.PutValue(ctx, f, id, expected, journal.Entry{Payload: e.Payload})
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
	"ignores fences of appends": {caught: "Fencing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			return s.Append(ctx, newestFence(ctx, s, f), id, expected, events)
		}}
	}},
	"ignores fences of deletes": {caught: "Fencing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, delete: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
			return s.DeleteValue(ctx, newestFence(ctx, s, f), id, expected)
		}}
	}},
	"ignores fences of snapshots": {caught: "Fencing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, save: func(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
			return s.SaveSnapshot(ctx, newestFence(ctx, s, f), id, snap)
		}}
	}},
	"ignores fences of prunes": {caught: "Fencing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, prune: func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
			return s.Prune(ctx, newestFence(ctx, s, f), id, through)
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
		var mu sync.Mutex
		newest := map[journal.EntityID]journal.Snapshot{}
		return &hooks{
			Store: s,
			save: func(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
				err := s.SaveSnapshot(ctx, f, id, snap)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					newest[id] = journal.Snapshot{Seq: snap.Seq, Payload: slices.Clone(snap.Payload)}
				}
				return err
			},
			latest: func(_ context.Context, id journal.EntityID) (journal.Snapshot, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				snap, found := newest[id]
				return snap, found, nil
			},
		}
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
	"adopts for anybody": {caught: "Adopt", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, adopt: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
			return s.Adopt(ctx, newestFence(ctx, s, f), id, expected)
		}}
	}},
	"gives a token twice": {caught: "Racing claims", spoil: func(s journal.Store) journal.Store {
		var n atomic.Int64
		return &hooks{Store: s, claim: func(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
			f, err := s.Claim(ctx, shard, was, h)
			if errors.Is(err, journal.ErrConflict) && n.Add(1)%10 == 0 {
				return journal.Fence{Shard: shard, Token: was + 1, Holder: h}, nil
			}
			return f, err
		}}
	}},
	"claims from the living": {caught: "Claims", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, claim: func(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
			f, err := s.Claim(ctx, shard, was, h)
			var held *journal.HeldError
			if errors.As(err, &held) {
				_ = s.Release(ctx, journal.Fence{Shard: shard, Token: held.Owner.Token, Holder: held.Owner.Holder})
				return s.Claim(ctx, shard, was, h)
			}
			return f, err
		}}
	}},
	"releases for anybody": {caught: "Claims", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, release: func(ctx context.Context, f journal.Fence) error {
			return s.Release(ctx, newestFence(ctx, s, f))
		}}
	}},
	"lets an ended lease renew": {caught: "Leases", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, renew: func(ctx context.Context, h journal.Holder, beat uint64) error {
			err := s.RenewLease(ctx, h, beat)
			if errors.Is(err, journal.ErrFenced) && beat > 4 {
				return s.BeginLease(ctx, h, time.Second)
			}
			return err
		}}
	}},
	"renews whatever the beat": {caught: "Leases", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, renew: func(ctx context.Context, h journal.Holder, beat uint64) error {
			l, alive, err := s.ReadLease(ctx, h)
			if err == nil && alive {
				beat = l.Beat
			}
			return s.RenewLease(ctx, h, beat)
		}}
	}},
	"ends a lease that was renewed": {caught: "Renewal against end", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, endLease: func(ctx context.Context, h journal.Holder, _ uint64) error {
			l, _, err := s.ReadLease(ctx, h)
			if err != nil {
				return err
			}
			return s.EndLease(ctx, h, l.Beat)
		}}
	}},
	"acknowledges writes after the lease ended": {caught: "Fencing", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, append: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
			_ = s.BeginLease(ctx, f.Holder, time.Second)
			return s.Append(ctx, f, id, expected, events)
		}}
	}},
	"keeps payloads by reference": {caught: "Payloads are not shared", spoil: func(s journal.Store) journal.Store {
		var mu sync.Mutex
		given := map[journal.EntityID]journal.Snapshot{}
		return &hooks{
			Store: s,
			save: func(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
				err := s.SaveSnapshot(ctx, f, id, snap)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					given[id] = snap
				}
				return err
			},
			latest: func(_ context.Context, id journal.EntityID) (journal.Snapshot, bool, error) {
				mu.Lock()
				defer mu.Unlock()
				snap, found := given[id]
				return snap, found, nil
			},
		}
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
	"begins over events": {caught: "Begin", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, begin: func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
			err := s.Begin(ctx, f, id, through)
			if errors.Is(err, journal.ErrConflict) {
				return nil
			}
			return err
		}}
	}},
	"begins for anybody": {caught: "Begin", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, begin: func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
			return s.Begin(ctx, newestFence(ctx, s, f), id, through)
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
	"starts what was cancelled": {caught: "Cancelled", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, delete: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
			return s.DeleteValue(context.WithoutCancel(ctx), f, id, expected)
		}}
	}},
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
