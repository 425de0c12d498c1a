package cassandra

import (
	"container/list"
	"context"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// memory remembers something of the entities that were used last. It is safe for
// concurrent use; the values are not: they are copied in and out.
type memory[V any] struct {
	mu      sync.Mutex
	max     int
	entries map[journal.EntityID]*list.Element
	recent  *list.List // of remembered[V], newest first
	// forgot is whether anything was ever dropped for want of room.
	forgot bool
}

type remembered[V any] struct {
	id    journal.EntityID
	value V
}

func newMemory[V any](limit int) *memory[V] {
	return &memory[V]{max: limit, entries: map[journal.EntityID]*list.Element{}, recent: list.New()}
}

// get returns what is remembered of id. complete is false if it may have been forgotten.
func (m *memory[V]) get(id journal.EntityID) (v V, complete bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[id]
	if e == nil {
		return v, !m.forgot
	}
	m.recent.MoveToFront(e)
	return e.Value.(*remembered[V]).value, true //nolint:errcheck // the list holds nothing else
}

// update changes what is remembered of id.
func (m *memory[V]) update(id journal.EntityID, change func(*V)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[id]
	if e == nil {
		if len(m.entries) >= m.max {
			oldest := m.recent.Back()
			m.recent.Remove(oldest)
			delete(m.entries, oldest.Value.(*remembered[V]).id) //nolint:errcheck // the list holds nothing else
			m.forgot = true
		}
		e = m.recent.PushFront(&remembered[V]{id: id})
		m.entries[id] = e
	}
	m.recent.MoveToFront(e)
	change(&e.Value.(*remembered[V]).value) //nolint:errcheck // the list holds nothing else
}

// locks are one lock an entity and table, held by writers one at a time.
type locks struct {
	mu   sync.Mutex
	held map[lockKey]*lock
}

type lockKey struct {
	kind kind
	id   journal.EntityID
}

type lock struct {
	free  chan struct{} // holds a token while nobody has the lock
	users int
}

// acquire waits for the lock; release gives it back.
func (l *locks) acquire(ctx context.Context, k kind, id journal.EntityID) (release func(), err error) {
	key := lockKey{k, id}
	l.mu.Lock()
	if l.held == nil {
		l.held = map[lockKey]*lock{}
	}
	e := l.held[key]
	if e == nil {
		e = &lock{free: make(chan struct{}, 1)}
		e.free <- struct{}{}
		l.held[key] = e
	}
	e.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.users--; e.users == 0 {
			delete(l.held, key)
		}
	}
	select {
	case <-e.free:
		return func() { e.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
