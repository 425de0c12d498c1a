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
	owners  owners
	seed    maphash.Seed
	stripes [stripes]stripe
}

var _ journal.Store = (*Store)(nil)

// stripe holds the entities whose ids hash to it.
type stripe struct {
	mu       sync.RWMutex
	closed   bool
	entities map[journal.EntityID]*entity
}

// entity is all that is known of one id. Its entries are never changed in place.
type entity struct {
	pruned   uint64          // the last event that was removed
	events   []journal.Entry // events[i] has sequence number pruned+i+1
	snapshot journal.Snapshot
	value    journal.Value
}

// last returns the sequence number of the last event, 0 if there was never one.
func (e *entity) last() uint64 { return e.pruned + uint64(len(e.events)) }

func (e *entity) empty() bool {
	return e.last() == 0 && e.snapshot.Seq == 0 && !e.value.Found
}

// New returns an empty store.
func New() *Store {
	s := &Store{seed: maphash.MakeSeed()}
	for i := range s.stripes {
		s.stripes[i].entities = map[journal.EntityID]*entity{}
	}
	s.owners.init()
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
	e, known := st.entities[id]
	if !known {
		e = &entity{}
	}
	if err := change(e); err != nil {
		return err
	}
	switch { // what is empty, and what a refused write made, is not kept
	case e.empty():
		delete(st.entities, id)
	case !known:
		st.entities[id] = e
	}
	return nil
}

// read runs look on the entity under its lock; an unknown id is an empty entity.
func (s *Store) read(ctx context.Context, id journal.EntityID, look func(*entity) error) error {
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
	return look(e)
}

func (s *Store) stripe(id journal.EntityID) *stripe {
	return &s.stripes[maphash.Comparable(s.seed, id)%stripes]
}
