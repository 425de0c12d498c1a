package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Config is what a [Local] needs; only Store must be set.
type Config struct {
	Store journal.Ownership
	// Lease is how long a silent node keeps its shards: 5 s by default, at least 1 s.
	Lease time.Duration
	// Clock is [SystemClock] by default.
	Clock Clock
	// Notify, if set, is told whenever the node begins or ceases to be able to rely on
	// its lease. At first it cannot. It must not block.
	Notify func(usable bool)
	// Logger discards by default.
	Logger *slog.Logger
}

// The bounds of Config.Lease.
const (
	DefaultLease = 5 * time.Second
	MinLease     = time.Second
)

// Local is one node's ownership: it keeps one lease with the store, and claims each
// shard when it is first needed. Its methods may be called concurrently.
type Local struct {
	store  journal.Ownership
	length time.Duration
	clock  Clock
	notify func(bool)
	log    *slog.Logger
	host   string

	ctx     context.Context // of everything in the background; ended by Close
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	mine    atomic.Pointer[lease]
	doubted atomic.Bool
	wake    chan struct{}

	mu      sync.Mutex
	attempt chan struct{} // closed at the end of the try that is under way, or of the next
	lastErr error         // of the last try

	usable bool // what was told last; the keeper's alone

	tally   tally
	watches watches
	shards  [Shards]shard
}

// shard is this node's part in a shard.
type shard struct {
	claim atomic.Pointer[claim] // nil until claimed, and when lost
	busy  chan struct{}         // has room for the one that claims
}

// claim is a fence together with the lease under which it was got. It is never changed.
type claim struct {
	fence journal.Fence
	lease *lease
}

// NewLocal makes the owner of shards of a store and begins its lease in the background.
// It must be closed.
func NewLocal(cfg Config) *Local {
	l := &Local{
		store: cfg.Store, length: DefaultLease, clock: SystemClock, notify: cfg.Notify, log: cfg.Logger,
		wake: make(chan struct{}, 1), attempt: make(chan struct{}),
		watches: watches{seen: map[journal.Holder]*watch{}},
	}
	if cfg.Lease > 0 {
		l.length = max(cfg.Lease, MinLease).Truncate(time.Millisecond)
	}
	if cfg.Clock != nil {
		l.clock = cfg.Clock
	}
	if l.notify == nil {
		l.notify = func(bool) {}
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.host = hostName()
	for i := range l.shards {
		l.shards[i].busy = make(chan struct{}, 1)
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.mine.Store(newLease(""))
	l.tasks.Go(func() { l.keep(l.ctx) })
	return l
}

// Fence returns the fence for writing the entity, which holds now: Held is true of it. If
// need be it waits until the node's lease is renewed and claims the shard, from a silent holder
// when its lease has run out; ctx bounds that.
//
// journal.ErrHeld: another node owns the shard, and is alive. The other errors are the
// store's and the context's. None of them means that an entity was written.
func (l *Local) Fence(ctx context.Context, id journal.EntityID) (journal.Fence, error) {
	n := ShardOf(id)
	if c := l.shards[n].claim.Load(); c != nil && c.lease.valid(l.clock()) {
		return c.fence, nil
	}
	f, err := l.claim(ctx, n)
	if err != nil {
		return journal.Fence{}, fmt.Errorf("claiming shard %d: %w", n, err)
	}
	return f, nil
}

// Held reports whether the node may answer, from what it has in memory, for the
// entities that it adopted under f. What was fixed before the call is, when it returns true,
// not out of date at the time of the call. It costs two atomic loads and a reading of
// the clock.
func (l *Local) Held(f journal.Fence) bool {
	c := l.shards[f.Shard%Shards].claim.Load()
	return c != nil && c.fence == f && c.lease.valid(l.clock())
}

// Lost says that the store refused f as out of date. The next Fence claims the shard
// anew, unless that has happened already.
func (l *Local) Lost(f journal.Fence) {
	s := &l.shards[f.Shard%Shards]
	if c := s.claim.Load(); c != nil && c.fence == f {
		s.claim.CompareAndSwap(c, nil)
	}
}

// Usable reports whether the node can rely on its lease now, so that entities can be
// served.
func (l *Local) Usable() bool { return l.mine.Load().valid(l.clock()) }

// Close ends the lease, with which all shards become free, so that a successor waits
// for nothing. It waits for the store for about a second at most. Nothing may be under
// way under a fence of this node. Closing again does nothing.
func (l *Local) Close() {
	l.cancel()
	l.tasks.Wait()
}

// claimRounds is how often a claim that somebody forestalled is begun again.
const claimRounds = 4

// claim makes the shard this node's.
func (l *Local) claim(ctx context.Context, n journal.Shard) (journal.Fence, error) {
	s := &l.shards[n]
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return journal.Fence{}, context.Cause(ctx)
	}
	var err error
	for range claimRounds {
		var mine *lease
		if mine, err = l.held(ctx); err != nil {
			return journal.Fence{}, err
		}
		if c := s.claim.Load(); c != nil && c.lease == mine {
			return c.fence, nil // somebody else claimed it, or the lease is valid again
		}
		var f journal.Fence
		f, err = l.claimAs(ctx, n, mine)
		switch {
		case err == nil:
			s.claim.Store(&claim{f, mine})
			return f, nil
		case errors.Is(err, journal.ErrFenced):
			mine.end() // the store says so, and that is final
			l.doubt()
		case !errors.Is(err, journal.ErrConflict):
			return journal.Fence{}, err
		}
	}
	return journal.Fence{}, err
}

// claimAs claims the shard under one lease, as soon as that may be.
func (l *Local) claimAs(ctx context.Context, n journal.Shard, mine *lease) (journal.Fence, error) {
	owner, err := l.store.ReadOwner(ctx, n)
	if err != nil {
		return journal.Fence{}, err
	}
	// If it is ours already, a claim whose outcome was not known had succeeded; a new
	// token makes sure that nothing is left of that time.
	if owner.Holder != "" && owner.Holder != mine.holder {
		if err := l.outwait(ctx, owner.Holder); err != nil {
			if errors.Is(err, journal.ErrHeld) {
				return journal.Fence{}, &journal.HeldError{Shard: n, Owner: owner}
			}
			return journal.Fence{}, err
		}
	}
	return l.store.Claim(ctx, n, owner.Token, mine.holder)
}

// newHolder makes up a name that nobody ever had.
func (l *Local) newHolder() journal.Holder { return journal.Holder(l.host + "-" + rand.Text()) }

// chance spreads the retries of nodes that lost the store together.
func (l *Local) chance() float64 { return mrand.Float64() }

// hostName is for people who read a holder's name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "node"
	}
	return name[:min(len(name), journal.MaxHolderBytes/2)]
}
