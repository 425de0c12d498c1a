package storm

import (
	"context"
	"sync"
)

// work counts what was acknowledged and wakes those who wait for it. It implements [suite.Work].
type work struct {
	mu      sync.Mutex
	count   int64
	waiters map[chan struct{}]int64 // and the count that each waits for
}

func (w *work) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	for waiter, wanted := range w.waiters {
		if w.count >= wanted {
			close(waiter)
			delete(w.waiters, waiter)
		}
	}
}

// Await implements [suite.Work].
func (w *work) Await(ctx context.Context, n int64) error {
	reached := make(chan struct{})
	w.mu.Lock()
	if w.waiters == nil {
		w.waiters = map[chan struct{}]int64{}
	}
	w.waiters[reached] = w.count + n
	w.mu.Unlock()
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waiters, reached)
		return context.Cause(ctx)
	}
}
