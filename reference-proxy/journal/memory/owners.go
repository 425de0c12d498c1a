package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// owners knows every shard's owner and every lease. Its lock is held for reading by
// writes under way and for writing by whatever changes ownership, so a claim, and the
// end of a lease, return only when no write that they shut out is left.
type owners struct {
	mu     sync.RWMutex
	closed bool
	shards map[journal.Shard]journal.Owner
	leases map[journal.Holder]journal.Lease
}

func (o *owners) init() {
	o.shards = map[journal.Shard]journal.Owner{}
	o.leases = map[journal.Holder]journal.Lease{}
}

// hold checks f and keeps it as it is until release is called.
func (o *owners) hold(f journal.Fence) (release func(), err error) {
	o.mu.RLock()
	if o.closed {
		o.mu.RUnlock()
		return nil, journal.ErrClosed
	}
	owner := o.shards[f.Shard]
	_, alive := o.leases[f.Holder]
	if !alive || owner != (journal.Owner{Token: f.Token, Holder: f.Holder}) {
		o.mu.RUnlock()
		return nil, &journal.FencedError{Fence: f, Newest: owner.Token}
	}
	return o.mu.RUnlock, nil
}

func (o *owners) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// change runs do while nothing else touches ownership and no write is under way.
func (o *owners) change(ctx context.Context, do func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.look(ctx, do)
}

// look runs do, for a caller that has the lock, unless the store is closed.
func (o *owners) look(ctx context.Context, do func() error) error {
	if o.closed {
		return journal.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: ownership not looked at: %w", err)
	}
	return do()
}

// BeginLease implements journal.Ownership.
func (s *Store) BeginLease(ctx context.Context, h journal.Holder, length time.Duration) error {
	if err := journal.CheckLease(h, length); err != nil {
		return err
	}
	o := &s.owners
	return o.change(ctx, func() error {
		if _, alive := o.leases[h]; alive {
			return fmt.Errorf("%w: %s has a lease", journal.ErrConflict, h)
		}
		o.leases[h] = journal.Lease{Beat: 1, Length: length}
		return nil
	})
}

// RenewLease implements journal.Ownership.
func (s *Store) RenewLease(ctx context.Context, h journal.Holder, beat uint64) error {
	o := &s.owners
	return o.change(ctx, func() error {
		l, alive := o.leases[h]
		if !alive {
			return fmt.Errorf("%w: the lease of %s has ended", journal.ErrFenced, h)
		}
		if l.Beat != beat {
			return fmt.Errorf("%w: the lease of %s is at beat %d, the writer expected %d", journal.ErrConflict, h, l.Beat, beat)
		}
		l.Beat++
		o.leases[h] = l
		return nil
	})
}

// ReadLease implements journal.Ownership.
func (s *Store) ReadLease(ctx context.Context, h journal.Holder) (l journal.Lease, alive bool, err error) {
	o := &s.owners
	o.mu.RLock()
	defer o.mu.RUnlock()
	err = o.look(ctx, func() error {
		l, alive = o.leases[h]
		return nil
	})
	return l, alive, err
}

// EndLease implements journal.Ownership.
func (s *Store) EndLease(ctx context.Context, h journal.Holder, beat uint64) error {
	o := &s.owners
	return o.change(ctx, func() error {
		if l, alive := o.leases[h]; alive && l.Beat != beat {
			return fmt.Errorf("%w: the lease of %s is at beat %d, it was to end at %d", journal.ErrConflict, h, l.Beat, beat)
		}
		delete(o.leases, h)
		return nil
	})
}

// ReadOwner implements journal.Ownership.
func (s *Store) ReadOwner(ctx context.Context, shard journal.Shard) (owner journal.Owner, err error) {
	o := &s.owners
	o.mu.RLock()
	defer o.mu.RUnlock()
	err = o.look(ctx, func() error {
		owner = o.shards[shard]
		return nil
	})
	return owner, err
}

// Claim implements journal.Ownership.
func (s *Store) Claim(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (f journal.Fence, err error) {
	o := &s.owners
	err = o.change(ctx, func() error {
		owner := o.shards[shard]
		if owner.Token != was {
			return fmt.Errorf("%w: shard %d is at token %d, the claim expected %d", journal.ErrConflict, shard, owner.Token, was)
		}
		if _, alive := o.leases[owner.Holder]; alive && owner.Holder != h {
			return &journal.HeldError{Shard: shard, Owner: owner}
		}
		f = journal.Fence{Shard: shard, Token: was + 1, Holder: h}
		if _, alive := o.leases[h]; !alive {
			err := &journal.FencedError{Fence: f, Newest: owner.Token}
			f = journal.Fence{}
			return err
		}
		o.shards[shard] = journal.Owner{Token: f.Token, Holder: h}
		return nil
	})
	return f, err
}

// Release implements journal.Ownership.
func (s *Store) Release(ctx context.Context, f journal.Fence) error {
	o := &s.owners
	return o.change(ctx, func() error {
		if o.shards[f.Shard] == (journal.Owner{Token: f.Token, Holder: f.Holder}) {
			o.shards[f.Shard] = journal.Owner{Token: f.Token}
		}
		return nil
	})
}
