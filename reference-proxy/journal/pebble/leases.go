package pebble

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// leases knows the holders of this process that have a lease. They are kept nowhere else:
// the directory belongs to one process, so the leases of another have ended with it.
type leases struct {
	mu    sync.Mutex
	alive map[journal.Holder]*lease
}

// lease is one holder's. Its beat is guarded by leases.mu.
type lease struct {
	journal.Lease
	// writes is held for reading by writes of the holder that are under way, and for
	// writing by the end of the lease, which so outlasts them. It guards ended.
	writes sync.RWMutex
	ended  bool
}

// of returns the lease of h, or nil.
func (ls *leases) of(h journal.Holder) *lease {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.alive[h]
}

// hold returns the lease of h with its writes held for reading, or nil.
func (ls *leases) hold(h journal.Holder) *lease {
	l := ls.of(h)
	if l == nil {
		return nil
	}
	l.writes.RLock()
	if l.ended { // since it was looked up
		l.writes.RUnlock()
		return nil
	}
	return l
}

// BeginLease implements journal.Ownership.
func (s *Store) BeginLease(ctx context.Context, h journal.Holder, length time.Duration) error {
	if err := journal.CheckLease(h, length); err != nil {
		return err
	}
	return s.withLease(ctx, h, func(l *lease) error {
		if l != nil {
			return fmt.Errorf("%w: %s has a lease", journal.ErrConflict, h)
		}
		s.leases.alive[h] = &lease{Lease: journal.Lease{Beat: 1, Length: length}}
		return nil
	})
}

// RenewLease implements journal.Ownership.
func (s *Store) RenewLease(ctx context.Context, h journal.Holder, beat uint64) error {
	return s.withLease(ctx, h, func(l *lease) error {
		if l == nil {
			return fmt.Errorf("%w: the lease of %s has ended", journal.ErrFenced, h)
		}
		if l.Beat != beat {
			return fmt.Errorf("%w: the lease of %s is at beat %d, the renewal expected %d", journal.ErrConflict, h, l.Beat, beat)
		}
		l.Beat++
		return nil
	})
}

// ReadLease implements journal.Ownership.
func (s *Store) ReadLease(ctx context.Context, h journal.Holder) (found journal.Lease, alive bool, err error) {
	err = s.withLease(ctx, h, func(l *lease) error {
		if l != nil {
			found, alive = l.Lease, true
		}
		return nil
	})
	return found, alive, err
}

// EndLease implements journal.Ownership. It waits for the writes that found the lease in
// time, and lets none pass until it is decided.
func (s *Store) EndLease(ctx context.Context, h journal.Holder, beat uint64) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if l := s.leases.of(h); l != nil {
		l.writes.Lock()
		defer l.writes.Unlock()
	}
	return s.leases.with(ctx, h, func(l *lease) error {
		if l == nil {
			return nil
		}
		if l.Beat != beat {
			return fmt.Errorf("%w: the lease of %s is at beat %d, it was to end at %d", journal.ErrConflict, h, l.Beat, beat)
		}
		l.ended = true
		delete(s.leases.alive, h)
		return nil
	})
}

// withLease is leases.with for a caller that has not entered.
func (s *Store) withLease(ctx context.Context, h journal.Holder, do func(*lease) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return s.leases.with(ctx, h, do)
}

// with runs do with the lease of h, nil if it has none, while no other changes.
func (ls *leases) with(ctx context.Context, h journal.Holder, do func(*lease) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: lease of %s not looked at: %w", h, err)
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return do(ls.alive[h])
}
