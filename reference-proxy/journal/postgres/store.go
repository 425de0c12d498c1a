package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/group"
)

// Store implements journal.Store. Make one with Open. All methods may be called
// concurrently. It comes back by itself when the server does.
type Store struct {
	options Options
	place   place
	sql     statements
	pool    *pgxpool.Pool
	dials   *dials
	queue   *group.Queue[slot, *change]
	// others bounds the connections in use by all but groups and leases, so that these get theirs.
	others chan struct{}

	gate   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool
}

var _ journal.Store = (*Store)(nil)

// enter keeps Close out until leave is called.
func (s *Store) enter() (leave func(), err error) {
	s.gate.RLock()
	if s.closed {
		s.gate.RUnlock()
		return nil, journal.ErrClosed
	}
	return s.gate.RUnlock, nil
}

// acquire takes a connection from the pool. It waits as long as bound lasts, which ends no later than the caller's ctx.
func (s *Store) acquire(ctx, bound context.Context) (*pgxpool.Conn, error) {
	conn, err := s.pool.Acquire(bound)
	if err != nil {
		s.dials.failed(ctx, err)
		return nil, s.place.unreached(ctx, err)
	}
	return conn, nil
}

// wait takes the right to a connection.
func (s *Store) wait(ctx context.Context) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("journal: not started: %w", err)
	}
	select {
	case s.others <- struct{}{}:
		return func() { <-s.others }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("journal: not started: %w", ctx.Err())
	}
}

// Ping returns nil when the server answers, and otherwise why it does not.
func (s *Store) Ping(ctx context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return s.query(ctx, "SELECT 1", nil, func() {}, func(pgx.Rows) error { return nil })
}

// Close implements journal.Store.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.queue.Close()
	s.pool.Close()
	return nil
}
