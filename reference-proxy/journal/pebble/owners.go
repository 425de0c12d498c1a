package pebble

import (
	"context"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// owners knows every shard that was ever claimed.
type owners struct {
	mu     sync.RWMutex
	shards map[journal.Shard]*owner
}

// owner is held for reading by writes under way and for writing by a claim, so a
// claim returns only when no write of an earlier token is left.
type owner struct {
	mu sync.RWMutex
	journal.Owner
}

// of returns the owner of shard, or nil if create is false and there is none.
func (o *owners) of(shard journal.Shard, create bool) *owner {
	o.mu.RLock()
	w := o.shards[shard]
	o.mu.RUnlock()
	if w != nil || !create {
		return w
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shards[shard] == nil {
		o.shards[shard] = &owner{}
	}
	return o.shards[shard]
}

// hold checks f and keeps claims of its shard, and the end of its holder's lease, out
// until release is called.
func (s *Store) hold(f journal.Fence) (release func(), err error) {
	w := s.owners.of(f.Shard, false)
	if w == nil {
		return nil, &journal.FencedError{Fence: f}
	}
	w.mu.RLock()
	if w.Owner == (journal.Owner{Token: f.Token, Holder: f.Holder}) {
		if l := s.leases.hold(f.Holder); l != nil {
			return func() {
				l.writes.RUnlock()
				w.mu.RUnlock()
			}, nil
		}
	}
	newest := w.Token
	w.mu.RUnlock()
	return nil, &journal.FencedError{Fence: f, Newest: newest}
}

// ReadOwner implements journal.Ownership.
func (s *Store) ReadOwner(ctx context.Context, shard journal.Shard) (journal.Owner, error) {
	leave, err := s.enter()
	if err != nil {
		return journal.Owner{}, err
	}
	defer leave()
	if err := ctx.Err(); err != nil {
		return journal.Owner{}, fmt.Errorf("journal: owner of shard %d not read: %w", shard, err)
	}
	w := s.owners.of(shard, false)
	if w == nil {
		return journal.Owner{}, nil
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	// What a failed commit tried may be on the disk all the same.
	if err := s.failed(); err != nil {
		return journal.Owner{}, err
	}
	return w.Owner, nil
}

// Claim implements journal.Ownership. It is synced in every mode.
func (s *Store) Claim(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
	f := journal.Fence{Shard: shard, Token: was + 1, Holder: h}
	err := s.changeOwner(ctx, shard, func(o *journal.Owner) error {
		if o.Token != was {
			return fmt.Errorf("%w: shard %d is at token %d, the claim expected %d", journal.ErrConflict, shard, o.Token, was)
		}
		if o.Holder != h && s.leases.of(o.Holder) != nil {
			return &journal.HeldError{Shard: shard, Owner: *o}
		}
		if s.leases.of(h) == nil {
			return &journal.FencedError{Fence: f, Newest: o.Token}
		}
		*o = journal.Owner{Token: f.Token, Holder: h}
		return nil
	})
	if err != nil {
		return journal.Fence{}, err
	}
	return f, nil
}

// Release implements journal.Ownership. It is synced in every mode.
func (s *Store) Release(ctx context.Context, f journal.Fence) error {
	return s.changeOwner(ctx, f.Shard, func(o *journal.Owner) error {
		if *o == (journal.Owner{Token: f.Token, Holder: f.Holder}) {
			o.Holder = ""
		}
		return nil
	})
}

// changeOwner makes the owner of shard what change makes of it, while no write is under
// way there.
func (s *Store) changeOwner(ctx context.Context, shard journal.Shard, change func(*journal.Owner) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	w := s.owners.of(shard, true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: owner of shard %d not changed: %w", shard, err)
	}
	if err := s.failed(); err != nil {
		return err
	}
	next := w.Owner
	if err := change(&next); err != nil || next == w.Owner {
		return err
	}
	if err := s.space.admitUrgent(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := setRow(b, fenceKey(shard), numberOf(uint64(next.Token)), []byte(next.Holder)); err != nil {
		return err
	}
	if err := s.commit(b, pebble.Sync); err != nil {
		return err
	}
	w.Owner = next
	return nil
}

// loadOwners reads who owned every shard. No holder of a former process has a lease.
func (s *Store) loadOwners() error {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{byte(kindFence)},
		UpperBound: []byte{byte(kindFence) + 1},
	})
	if err != nil {
		return s.trouble(journal.EntityID{}, err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		loc, err := parseKey(it.Key())
		if err != nil {
			return s.damage(journal.EntityID{}, err, "among the owners")
		}
		row, err := it.ValueAndErr()
		if err != nil {
			return s.trouble(journal.EntityID{}, err)
		}
		token, holder, err := openNumbered(it.Key(), row)
		if err != nil {
			return s.damage(journal.EntityID{}, err, "owner of shard %d", loc.shard)
		}
		s.owners.of(loc.shard, true).Owner = journal.Owner{Token: journal.Token(token), Holder: journal.Holder(holder)}
	}
	if err := it.Error(); err != nil {
		return s.trouble(journal.EntityID{}, err)
	}
	return nil
}
