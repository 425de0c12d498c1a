package memory

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// stripes is the number of locks that entities are spread over: far more than
// there are processors, so that two busy entities rarely meet.
const stripes = 256

// Store implements journal.Store. Make one with New. All methods may be called
// concurrently; writes of one entity take their turns.
type Store struct {
	seed    maphash.Seed
	stripes [stripes]stripe
	owners  owners
}

var _ journal.Store = (*Store)(nil)

// stripe holds the entities whose ids hash to it.
type stripe struct {
	mu       sync.RWMutex
	closed   bool
	entities map[journal.EntityID]*entity
}

// entity is all that is known of one id. Its payloads are never changed in place.
type entity struct {
	events   [][]byte // events[i] has sequence number i+1
	snapshot journal.Snapshot
	value    journal.Value
}

// New returns an empty store.
func New() *Store {
	s := &Store{seed: maphash.MakeSeed()}
	for i := range s.stripes {
		s.stripes[i].entities = map[journal.EntityID]*entity{}
	}
	s.owners.newest = map[journal.Shard]*owner{}
	return s
}

// Close forgets everything.
func (s *Store) Close() error {
	s.owners.close()
	for i := range s.stripes {
		st := &s.stripes[i]
		st.mu.Lock()
		st.closed, st.entities = true, nil
		st.mu.Unlock()
	}
	return nil
}

// Claim implements journal.Ownership.
func (s *Store) Claim(ctx context.Context, shard journal.Shard) (journal.Fence, error) {
	if err := ctx.Err(); err != nil {
		return journal.Fence{}, err
	}
	return s.owners.claim(shard)
}

// write runs change on the entity under its lock while the fence holds. Fence first,
// entity second: the one order in which locks are taken.
func (s *Store) write(ctx context.Context, f journal.Fence, id journal.EntityID, change func(*entity) error) error {
	release, err := s.owners.hold(f)
	if err != nil {
		return err
	}
	defer release()
	st := s.stripe(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return journal.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: write of %s not started: %w", id, err)
	}
	e := st.entities[id]
	if e == nil {
		// Kept only if the change is made, so that refused writes leave nothing behind.
		e = &entity{}
		if err := change(e); err != nil {
			return err
		}
		if e.empty() {
			return nil
		}
		st.entities[id] = e
		return nil
	}
	if err := change(e); err != nil {
		return err
	}
	if e.empty() {
		delete(st.entities, id)
	}
	return nil
}

// read runs look on the entity under its lock; an unknown id is an empty entity.
func (s *Store) read(ctx context.Context, id journal.EntityID, look func(*entity)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("journal: read of %s not started: %w", id, err)
	}
	st := s.stripe(id)
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.closed {
		return journal.ErrClosed
	}
	e := st.entities[id]
	if e == nil {
		e = &entity{}
	}
	look(e)
	return nil
}

func (s *Store) stripe(id journal.EntityID) *stripe {
	return &s.stripes[maphash.Comparable(s.seed, id)%stripes]
}

func (e *entity) empty() bool {
	return len(e.events) == 0 && e.snapshot.Seq == 0 && !e.value.Found
}
