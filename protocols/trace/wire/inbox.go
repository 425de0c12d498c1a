package wire

import (
	"context"
	"sync"
)

// inboxSize is how many received messages may wait for the script; beyond it gRPC's flow control holds the peer back.
const inboxSize = 64

// inbox hands items from one receiving goroutine to one script, in order and without losing any: once the stream is over it
// takes whatever is left, which flow control has already bounded.
type inbox[T any] struct {
	mu    sync.Mutex
	items []T
	more  chan struct{} // holds a token after an item was put
	room  chan struct{} // holds a token after an item was taken
}

func newInbox[T any]() *inbox[T] {
	return &inbox[T]{more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put waits for room until over is done, then puts item in any case.
func (b *inbox[T]) put(over context.Context, item T) {
	for !b.tryPut(item, inboxSize) {
		select {
		case <-b.room:
		case <-over.Done():
			b.tryPut(item, int(^uint(0)>>1))
			return
		}
	}
}

func (b *inbox[T]) tryPut(item T, limit int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) >= limit {
		return false
	}
	b.items = append(b.items, item)
	signal(b.more)
	return true
}

// take waits for an item until ctx is done.
func (b *inbox[T]) take(ctx context.Context) (T, bool) {
	for {
		if item, ok := b.tryTake(); ok {
			return item, true
		}
		select {
		case <-b.more:
		case <-ctx.Done():
			return b.tryTake()
		}
	}
}

func (b *inbox[T]) tryTake() (item T, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) == 0 {
		return item, false
	}
	item = b.items[0]
	b.items = b.items[1:]
	signal(b.room)
	return item, true
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
