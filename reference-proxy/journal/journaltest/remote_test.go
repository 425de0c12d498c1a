package journaltest_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// remote is a handle on a store that is a server, over a link that can be disturbed: a
// model of a networked store, for the suite to be tried on.
type remote struct {
	journal.Store // the server
	mu            sync.Mutex
	held, muted   bool
	met, healed   chan struct{}
	// lie is what is said of a write whose answer was lost, instead of the truth.
	lie func(error) error
	// late is how a write is done that was held back; nil: as any other.
	late func(write func() error) error
	// unfenced writes are done with the fence that holds, whatever theirs.
	unfenced bool
}

// fence is what a write with f is done with.
func (r *remote) fence(ctx context.Context, f journal.Fence) journal.Fence {
	if r.unfenced {
		return newestFence(ctx, r.Store, f)
	}
	return f
}

// withoutFence does a write that nobody checks any more.
func (r *remote) withoutFence(write func() error) error {
	r.unfenced = true
	defer func() { r.unfenced = false }()
	return write()
}

// Close leaves the server to others.
func (r *remote) Close() error { return nil }

func (r *remote) Hold() <-chan struct{} { return r.disturb(true) }
func (r *remote) Mute() <-chan struct{} { return r.disturb(false) }

func (r *remote) disturb(hold bool) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.muted = hold, !hold
	r.met, r.healed = make(chan struct{}), make(chan struct{})
	return r.met
}

func (r *remote) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held || r.muted {
		close(r.healed)
	}
	r.held, r.muted = false, false
}

// call makes a write over the link.
func (r *remote) call(write func() error) error {
	r.mu.Lock()
	held, muted, met, healed := r.held, r.muted, r.met, r.healed
	r.mu.Unlock()
	if held {
		close(met)
		<-healed
		if r.late != nil {
			return r.late(write)
		}
		return write()
	}
	if !muted {
		return write()
	}
	err := write()
	close(met)
	<-healed
	if r.lie != nil {
		return r.lie(err)
	}
	return fmt.Errorf("%w: the connection ended", journal.ErrUnknownOutcome)
}

func (r *remote) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	return r.call(func() error { return r.Store.Append(ctx, r.fence(ctx, f), id, expected, events) })
}

func (r *remote) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (version uint64, err error) {
	err = r.call(func() error { version, err = r.Store.PutValue(ctx, f, id, expected, e); return err })
	return version, err
}

func (r *remote) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	return r.call(func() error { return r.Store.DeleteValue(ctx, f, id, expected) })
}

// cluster is what the handles of an eager store share.
type cluster struct {
	mu      sync.Mutex
	newest  map[journal.Shard]journal.Fence
	adopted map[journal.EntityID]journal.Token
	// ignoreAdoption is a mistake.
	ignoreAdoption bool
}

// eager is a handle on a store that writes first and checks then, as one without cheap
// conditional writes may: what an old owner writes appears, unacknowledged, until a newer
// has adopted the entity. That is allowed.
type eager struct {
	journal.Store
	*cluster
	claimed map[journal.Shard]journal.Fence // through this handle
}

func newEager(s journal.Store, c *cluster) *eager {
	return &eager{Store: s, cluster: c, claimed: map[journal.Shard]journal.Fence{}}
}

// second is another handle on the same data.
func (e *eager) second() *eager { return newEager(borrowed{e.Store}, e.cluster) }

func (e *eager) Claim(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
	f, err := e.Store.Claim(ctx, shard, was, h)
	if err == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.newest[shard], e.claimed[shard] = f, f
	}
	return f, err
}

// write does a write with the fence that the server believes in.
func (e *eager) write(f journal.Fence, id journal.EntityID, do func(journal.Fence) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	newest := e.newest[f.Shard]
	knows := e.claimed[f.Shard] != f
	if newest == f || knows || e.adopted[id] > f.Token && !e.ignoreAdoption {
		err := do(f)
		if err == nil {
			e.adopted[id] = max(e.adopted[id], f.Token)
		}
		return err
	}
	if err := do(newest); err != nil {
		return err
	}
	return fmt.Errorf("%w: token %d is newer", journal.ErrUnknownOutcome, newest.Token)
}

func (e *eager) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	return e.write(f, id, func(f journal.Fence) error { return e.Store.Append(ctx, f, id, expected, events) })
}

func (e *eager) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	err := e.Store.Adopt(ctx, f, id, expected)
	if err == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.adopted[id] = f.Token
	}
	return err
}

// flaky is a store whose server can be restarted: the call that meets the restart does its
// work, and nobody hears of it.
type flaky struct {
	journal.Store
	mu    sync.Mutex
	fails int
	says  error // what the call says
}

func (f *flaky) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = 5
}

func (f *flaky) Append(ctx context.Context, fence journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	err := f.Store.Append(ctx, fence, id, expected, events)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 && err == nil {
		f.fails--
		return f.says
	}
	return err
}

// borrowed is a second handle on a store; closing it does not close the store.
type borrowed struct{ journal.Store }

func (borrowed) Close() error { return nil }
