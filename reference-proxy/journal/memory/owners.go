package memory

import (
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// owners knows the newest token of every shard.
type owners struct {
	mu     sync.RWMutex
	closed bool
	newest map[journal.Shard]*owner
}

// owner is held for reading by writes under way and for writing by a claim, so a
// claim returns only when no write of an earlier token is left.
type owner struct {
	mu    sync.RWMutex
	token journal.Token
}

func (o *owners) claim(shard journal.Shard) (journal.Fence, error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return journal.Fence{}, journal.ErrClosed
	}
	w := o.newest[shard]
	if w == nil {
		w = &owner{}
		o.newest[shard] = w
	}
	o.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token++
	return journal.Fence{Shard: shard, Token: w.token}, nil
}

// hold checks f and keeps claims of its shard out until release is called.
func (o *owners) hold(f journal.Fence) (release func(), err error) {
	o.mu.RLock()
	w, closed := o.newest[f.Shard], o.closed
	o.mu.RUnlock()
	if closed {
		return nil, journal.ErrClosed
	}
	if w == nil {
		return nil, &journal.FencedError{Fence: f}
	}
	w.mu.RLock()
	if newest := w.token; f.Token != newest || newest == 0 {
		w.mu.RUnlock()
		return nil, &journal.FencedError{Fence: f, Newest: newest}
	}
	return w.mu.RUnlock, nil
}

func (o *owners) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}
