package journaltest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// ownerMutants are stores that break what is promised of leases, claims and fences.
var ownerMutants = map[string]mutant{
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
	"adopts for anybody": {caught: "Adopt", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, adopt: func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
			return s.Adopt(ctx, newestFence(ctx, s, f), id, expected)
		}}
	}},
	"begins for anybody": {caught: "Begin", spoil: func(s journal.Store) journal.Store {
		return &hooks{Store: s, begin: func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
			return s.Begin(ctx, newestFence(ctx, s, f), id, through)
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
}

// newestFence is the fence that holds, whoever asks.
func newestFence(ctx context.Context, s journal.Store, f journal.Fence) journal.Fence {
	o, err := s.ReadOwner(ctx, f.Shard)
	if err != nil {
		return f
	}
	return journal.Fence{Shard: f.Shard, Token: o.Token, Holder: o.Holder}
}
