package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is one Local with a clock of its own, on a way to the store that can be made to fail. It stands for a process:
// while it is paused, it begins nothing and gets to know nothing, but what it had sent takes effect.
type node struct {
	journal.Ownership // the store
	*Local

	mu     sync.Mutex
	gate   chan struct{} // closed while the node runs
	random *rand.Rand
	odds   odds
	late   sync.WaitGroup
}

// odds are the percentages of calls that fail in one way or the other.
type odds struct {
	refused int // surely not done
	cut     int // done, but reported as unknown
	delayed int // reported as unknown and done later, or never
	slow    int // takes its time
}

// newNode starts a node whose clock shows offset now and runs at rate.
func newNode(store journal.Ownership, lease time.Duration, rate float64, offset time.Duration, seed uint64, notify func(bool)) *node {
	n := &node{Ownership: store, gate: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 0))}
	close(n.gate)
	began := time.Now()
	clock := func() time.Duration { return offset + time.Duration(rate*float64(time.Since(began))) }
	n.Local = NewLocal(Config{Store: n, Lease: lease, Clock: clock, Notify: notify})
	return n
}

func (n *node) pauseProcess() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.gate:
		n.gate = make(chan struct{})
	default:
	}
}

func (n *node) resumeProcess() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.gate:
	default:
		close(n.gate)
	}
}

func (n *node) setOdds(o odds) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.odds = o
}

// running waits while the process is paused.
func (n *node) running() {
	n.mu.Lock()
	gate := n.gate
	n.mu.Unlock()
	<-gate
}

// draw picks what becomes of a call.
func (n *node) draw() (kind string, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d = time.Duration(n.random.Int64N(int64(1500 * time.Millisecond)))
	p := n.random.IntN(100)
	for _, c := range []struct {
		odds int
		kind string
	}{{n.odds.refused, "refused"}, {n.odds.cut, "cut"}, {n.odds.delayed, "delayed"}, {n.odds.slow, "slow"}} {
		if p -= c.odds; p < 0 {
			return c.kind, d
		}
	}
	return "", 0
}

// call sends do to the store.
func (n *node) call(ctx context.Context, do func(context.Context) error) error {
	n.running()
	defer n.running()
	switch kind, d := n.draw(); kind {
	case "refused":
		return journal.ErrUnavailable
	case "cut":
		_ = do(ctx)
		return fmt.Errorf("%w: cut off", journal.ErrUnknownOutcome)
	case "delayed":
		n.late.Go(func() {
			pass(d)
			_ = do(context.WithoutCancel(ctx))
		})
		return fmt.Errorf("%w: lost", journal.ErrUnknownOutcome)
	case "slow":
		pass(d)
	}
	return do(ctx)
}

func (n *node) BeginLease(ctx context.Context, h journal.Holder, length time.Duration) error {
	return n.call(ctx, func(ctx context.Context) error { return n.Ownership.BeginLease(ctx, h, length) })
}

func (n *node) RenewLease(ctx context.Context, h journal.Holder, beat uint64) error {
	return n.call(ctx, func(ctx context.Context) error { return n.Ownership.RenewLease(ctx, h, beat) })
}

func (n *node) EndLease(ctx context.Context, h journal.Holder, beat uint64) error {
	return n.call(ctx, func(ctx context.Context) error { return n.Ownership.EndLease(ctx, h, beat) })
}

func (n *node) ReadLease(ctx context.Context, h journal.Holder) (journal.Lease, bool, error) {
	type stored struct {
		lease journal.Lease
		found bool
	}
	s, err := ask(ctx, n, func(ctx context.Context) (s stored, err error) {
		s.lease, s.found, err = n.Ownership.ReadLease(ctx, h)
		return s, err
	})
	return s.lease, s.found, err
}

func (n *node) ReadOwner(ctx context.Context, shard journal.Shard) (journal.Owner, error) {
	return ask(ctx, n, func(ctx context.Context) (journal.Owner, error) { return n.Ownership.ReadOwner(ctx, shard) })
}

func (n *node) Claim(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
	return ask(ctx, n, func(ctx context.Context) (journal.Fence, error) { return n.Ownership.Claim(ctx, shard, was, h) })
}

// ask is call with a result, of which nothing comes back when the call fails.
func ask[T any](ctx context.Context, n *node, do func(context.Context) (T, error)) (T, error) {
	results := make(chan T, 1)
	err := n.call(ctx, func(ctx context.Context) error {
		got, err := do(ctx)
		results <- got
		return err
	})
	var got T
	if err == nil {
		got = <-results
	}
	return got, err
}

// kill ends the process without a word: its lease stays.
func (n *node) kill() {
	n.pauseProcess()
	nowhere := memory.New()
	_ = nowhere.Close()
	n.Ownership = nowhere
	n.resumeProcess()
	n.Close()
}

// pass lets d of the bubble's virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // waits for nothing: in a synctest bubble this is how the clock is moved
}
