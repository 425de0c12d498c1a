package pebble

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// stripeCount is the number of locks that entities are spread over. A write keeps its
// lock while the disk works, so there are many more than writers: of 256 writers at
// once, one in sixteen meets another's lock.
const stripeCount = 4096

// flushLimit bounds the flush on Close.
const flushLimit = 5 * time.Second

// Store implements journal.Store. Make one with Open. All methods may be called
// concurrently; writes of one entity take their turns.
type Store struct {
	failure

	dir     *directory
	db      *pebble.DB
	space   *space
	durable *pebble.WriteOptions // what data is written with; claims are always synced

	gate   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool

	owners  owners
	leases  leases
	seed    maphash.Seed
	stripes [stripeCount]stripe
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

func (s *Store) stripe(id journal.EntityID) *stripe {
	return &s.stripes[maphash.Comparable(s.seed, id)%stripeCount]
}

// write is a change of one entity's rows.
type write struct {
	fence journal.Fence
	id    journal.EntityID
	// size in bytes, roughly, for the watch on free space; 0 for what makes room.
	size int
	// wait is whether to be durable on return.
	wait *pebble.WriteOptions
	// build checks what the writer expects and fills the batch. An empty batch is not
	// committed.
	build func(*stripe, *pebble.Batch) error
	// done is called, if set, when the batch is committed.
	done func(*stripe)
}

// write carries w out: fence, entity, expectation, commit, in this order of locks.
func (s *Store) write(ctx context.Context, w write) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	release, err := s.hold(w.fence)
	if err != nil {
		return err
	}
	defer release()
	st := s.stripe(w.id)
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: write of %s not started: %w", w.id, err)
	}
	if err := s.failed(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := w.build(st, b); err != nil {
		return err
	}
	if b.Empty() {
		return nil
	}
	if w.size > 0 {
		err = s.space.admit(w.size)
	} else {
		err = s.space.admitUrgent()
	}
	if err != nil {
		return err
	}
	if err := s.commit(b, w.wait); err != nil {
		delete(st.last, w.id)
		return err
	}
	if w.done != nil {
		w.done(st)
	}
	return nil
}

// commit writes b. After an error nobody knows what the disk has.
func (s *Store) commit(b *pebble.Batch, wait *pebble.WriteOptions) (err error) {
	// Pebble panics where its log fails before the fsync, with its locks held: whoever
	// recovered further up would keep a store that hangs.
	defer func() {
		if p := recover(); p != nil {
			s.Fatalf("commit: %v", p)
			err = s.failed()
		}
	}()
	if err := s.db.Apply(b, wait); err != nil {
		return fmt.Errorf("%w: embedded store at %s: %w", journal.ErrUnknownOutcome, s.dir.path, err)
	}
	return s.failed()
}

// read runs look while no write of the entity is between its commit and the disk.
func (s *Store) read(ctx context.Context, id journal.EntityID, look func() error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return s.look(ctx, id, look)
}

// look is read for a caller that has entered.
func (s *Store) look(ctx context.Context, id journal.EntityID, look func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: read of %s not started: %w", id, err)
	}
	st := s.stripe(id)
	st.mu.RLock()
	defer st.mu.RUnlock()
	// What a failed commit left in memory may not be on the disk.
	if err := s.failed(); err != nil {
		return err
	}
	return look()
}

// setRow puts key and its row into b.
func setRow(b *pebble.Batch, key []byte, parts ...[]byte) error {
	op := b.SetDeferred(len(key), rowSize(parts...))
	copy(op.Key, key)
	putRow(op.Value, key, parts...)
	return op.Finish()
}
