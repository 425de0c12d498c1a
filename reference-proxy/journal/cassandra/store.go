package cassandra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Store is a journal.Store in a keyspace of a Cassandra cluster.
type Store struct {
	options Options
	session *gocql.Session
	// handle tells this Store from every other one: a lease is bound to the handle
	// that began it, so that what the handle knows of its own fences is all there is to know.
	handle []byte

	fences    fences
	confirmer *confirmer
	writer    *writer
	locks     locks
	journals  *memory[journalState]
	values    *memory[valueState]

	// attempt is the second half of the generations that this handle writes.
	attempt atomic.Uint64
	// version numbers snapshots and puts of values; each has its own.
	version atomic.Uint64
	// doubted is the newest version that may be the number of a put of unknown outcome.
	doubted atomic.Uint64

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// Open connects to the cluster. The schema must be there (Migrate); one of a newer version
// or for another domain is refused.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	session, err := connect(ctx, o, o.Keyspace)
	if err != nil {
		return nil, err
	}
	found, err := readMeta(ctx, session, o)
	if err == nil {
		err = checkMeta(found, o)
	}
	if err != nil {
		closeSession(session)
		return nil, err
	}
	s := &Store{options: o, session: session, handle: make([]byte, 16)}
	if _, err := rand.Read(s.handle); err != nil {
		closeSession(session)
		return nil, err
	}
	s.attempt.Store(1)
	s.journals = newMemory[journalState](o.Entities)
	s.values = newMemory[valueState](o.Entities)
	s.confirmer = s.newConfirmer()
	s.writer = s.newWriter()
	return s, nil
}

// Close implements journal.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	if first {
		s.confirmer.Close()
		s.writer.Close()
		closeSession(s.session)
	}
	return nil
}

// enter begins a call; leave must be called at its end, cancel with it. The context of the call ends by
// itself after the store's time-out.
func (s *Store) enter(ctx context.Context) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, journal.ErrClosed
	}
	s.calls.Add(1)
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	return ctx, func() { cancel(); s.calls.Done() }, nil
}

// detached is ctx without its cancellation, for writes that have begun.
func (s *Store) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.options.Timeout)
}

// slowest is how many bytes a second a cluster that works writes at the least.
const slowest = 1 << 20

// lasting is detached for a write of size bytes: beyond one part it has a second more for each MiB.
func (s *Store) lasting(ctx context.Context, size int) (context.Context, context.CancelFunc) {
	more := time.Duration(max(0, size-partBytes)) * time.Second / slowest
	return context.WithTimeout(context.WithoutCancel(ctx), s.options.Timeout+more)
}

// doubt is called after a write of unknown outcome: nothing that is written later has its
// generation.
func (s *Store) doubt() {
	s.attempt.Add(1)
	s.doubted.Store(s.version.Load())
}

// unknown marks err as one after which the outcome is unknown.
func unknown(err error) error {
	if err == nil || errors.Is(err, journal.ErrUnknownOutcome) {
		return err
	}
	return fmt.Errorf("%w: %w", journal.ErrUnknownOutcome, err)
}
