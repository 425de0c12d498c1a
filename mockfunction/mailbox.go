package mockfunction

import (
	"context"
	"sync"
)

// mailboxLimit bounds what waits for a script that does not come for it; the oldest goes first.
const mailboxLimit = 100_000

// mailbox keeps what has come until a script asks for it, by any criterion.
type mailbox[T any] struct {
	mu      sync.Mutex
	items   []T
	changed chan struct{} // closed and replaced whenever an item is put
}

func newMailbox[T any]() *mailbox[T] {
	return &mailbox[T]{changed: make(chan struct{})}
}

func (b *mailbox[T]) put(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) == mailboxLimit {
		b.items = b.items[1:]
	}
	b.items = append(b.items, item)
	close(b.changed)
	b.changed = make(chan struct{})
}

// take removes and returns the oldest item that match accepts, waiting for one until ctx is done.
func (b *mailbox[T]) take(ctx context.Context, match func(T) bool) (T, bool) {
	for {
		item, ok, changed := b.tryTake(match)
		if ok {
			return item, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			item, ok, _ = b.tryTake(match)
			return item, ok
		}
	}
}

func (b *mailbox[T]) tryTake(match func(T) bool) (item T, ok bool, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, candidate := range b.items {
		if match(candidate) {
			b.items = append(b.items[:i], b.items[i+1:]...)
			return candidate, true, nil
		}
	}
	return item, false, b.changed
}

func (b *mailbox[T]) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = nil
}
