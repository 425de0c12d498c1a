package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// lease is 6 s here: relied on for 5.7 s, waited out for 6.3 s, renewed every 2 s.
const leaseHere = 6 * time.Second

func steady(store journal.Ownership) *node { return newNode(store, leaseHere, 1, 0, 1, nil) }

var entity = journal.EntityID{Namespace: "carts", Key: "a"}

func fence(t *testing.T, l *Local) journal.Fence {
	t.Helper()
	f, err := l.Fence(t.Context(), entity)
	if err != nil {
		t.Fatal(err)
	}
	if !l.Held(f) {
		t.Fatalf("%v was returned, but is not held", f)
	}
	return f
}

func bubble(t *testing.T, test func(t *testing.T, store *memory.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, memory.New()) })
}

func TestShardIsClaimedOnceUntilLost(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		n := steady(store)
		defer n.Close()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if f, err := n.Fence(t.Context(), entity); err != nil || f.Token != 1 {
					t.Errorf("claim %d: %v, %v; want token 1", i, f, err)
				}
			})
		}
		wg.Wait()
		first := fence(t, n.Local)
		n.Lost(first)
		if n.Held(first) {
			t.Error("a lost fence is held")
		}
		second := fence(t, n.Local)
		if second.Token != 2 {
			t.Fatalf("after Lost: token %d, want 2", second.Token)
		}
		n.Lost(first) // late word of the old fence must not cost the new one
		if again := fence(t, n.Local); again != second {
			t.Fatalf("a late Lost gave up the new fence: %v, want %v", again, second)
		}
	})
}

// The lease is kept for as long as the node runs.
func TestLeaseIsRenewed(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		n := steady(store)
		defer n.Close()
		f := fence(t, n.Local)
		for range 1000 {
			pass(100 * time.Millisecond)
			if !n.Held(f) {
				t.Fatal("not held")
			}
		}
		if l, _, _ := store.ReadLease(t.Context(), f.Holder); l.Beat < 50 || l.Beat > 64 || l.Length != leaseHere {
			t.Errorf("after 100 s the lease is %+v, want 50 to 64 beats", l)
		}
	})
}

// An orderly stop makes its successor wait for nothing.
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		n := steady(store)
		f := fence(t, n.Local)
		n.Close()
		if n.Held(f) || n.Usable() {
			t.Error("held after Close")
		}
		if _, err := n.Fence(t.Context(), entity); !errors.Is(err, journal.ErrClosed) {
			t.Errorf("a fence after Close: %v", err)
		}
		began := time.Now()
		next := steady(store)
		defer next.Close()
		if f := fence(t, next.Local); f.Token != 2 || time.Since(began) != 0 {
			t.Errorf("token %d after %v, want 2 at once", f.Token, time.Since(began))
		}
		n.Close()
	})
}

// ending looks at what is held when a lease is ended.
type ending struct {
	journal.Ownership
	look func()
}

func (e *ending) EndLease(ctx context.Context, h journal.Holder, beat uint64) error {
	e.look()
	return e.Ownership.EndLease(ctx, h, beat)
}

// Once the lease may be ended, nothing is held any more: the successor does not wait.
func TestNothingIsHeldWhenTheLeaseEnds(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		var f journal.Fence
		var n *node
		looked := false
		n = steady(&ending{store, func() {
			looked = true
			if n.Held(f) || n.Usable() {
				t.Error("held while the lease is being ended")
			}
		}})
		f = fence(t, n.Local)
		n.Close()
		if !looked {
			t.Error("the lease was not ended")
		}
	})
}

// A holder that is alive is told at once, but for the first time, when its beat must be seen to move.
func TestHeldByAnother(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		owner, other := steady(store), steady(store)
		defer owner.Close()
		defer other.Close()
		f := fence(t, owner.Local)
		for i, most := range []time.Duration{3 * time.Second, 0, 0} {
			began := time.Now()
			_, err := other.Fence(t.Context(), entity)
			var held *journal.HeldError
			if !errors.As(err, &held) || held.Owner.Holder != f.Holder || !errors.Is(err, journal.ErrHeld) {
				t.Fatalf("try %d: %v, want who holds it", i, err)
			}
			if took := time.Since(began); took > most {
				t.Errorf("try %d took %v, want at most %v", i, took, most)
			}
			pass(10 * time.Second)
		}
		if !owner.Held(f) {
			t.Error("the owner lost it")
		}
	})
}

// A silent holder's lease is waited out once, however many shards wait.
func TestSilentHolderIsWaitedOutOnce(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		owner, other := steady(store), steady(store)
		defer other.Close()
		claimAll := func(l *Local) error {
			var wg sync.WaitGroup
			errs := make([]error, 200)
			for i := range errs {
				wg.Go(func() { _, errs[i] = l.Fence(t.Context(), journal.EntityID{Key: fmt.Sprint(i)}) })
			}
			wg.Wait()
			return errors.Join(errs...)
		}
		if err := claimAll(owner.Local); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		owner.kill()
		began := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := other.Fence(short, journal.EntityID{Key: "1"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that was bounded gave %v", err)
		}
		if err := claimAll(other.Local); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != waited(leaseHere) {
			t.Errorf("took over after %v, want %v", took, waited(leaseHere))
		}
		if n := len(other.watches.seen); n != 0 {
			t.Errorf("%d holders are remembered, want none", n)
		}
	})
}

// A node that was stopped and whose lease nobody ended goes on with its fences. One whose lease was ended starts anew,
// under another name.
func TestPausedNode(t *testing.T) {
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprint("taken over: ", taken), func(t *testing.T) {
			bubble(t, func(t *testing.T, store *memory.Store) {
				n, other := steady(store), steady(store)
				defer other.Close()
				defer n.Close()
				f := fence(t, n.Local)
				n.pauseProcess()
				pass(10 * time.Second)
				if n.Held(f) || n.Usable() {
					t.Fatal("held although the lease has lapsed")
				}
				if taken {
					if got := fence(t, other.Local); got.Token != 2 {
						t.Fatalf("token %d", got.Token)
					}
				}
				n.resumeProcess()
				synctest.Wait()
				if taken {
					if n.Held(f) {
						t.Fatal("held although it was taken over")
					}
					if _, err := n.Fence(t.Context(), entity); !errors.Is(err, journal.ErrHeld) {
						t.Fatalf("%v, want that the other one holds it", err)
					}
					other.Close()
					if got := fence(t, n.Local); got.Token != 3 || got.Holder == f.Holder {
						t.Errorf("got %v, want a new name and token 3", got)
					}
				} else if got := fence(t, n.Local); got != f {
					t.Errorf("got %v, want %v again", got, f)
				}
			})
		})
	}
}

// While the store cannot be reached, Held turns false in time, Fence fails without waiting for long, and Notify tells
// both ends of it; then the node goes on with what it had.
func TestStoreGoesAndComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		began := time.Now()
		var told []string
		n := newNode(store, leaseHere, 1, 0, 1, func(usable bool) {
			told = append(told, fmt.Sprint(usable, " ", time.Since(began).Round(time.Second)))
		})
		f := fence(t, n.Local)
		pass(2 * time.Second) // renewed not long ago
		synctest.Wait()
		n.setOdds(odds{refused: 100})
		left := n.State().Left
		pass(left - time.Millisecond)
		if !n.Held(f) {
			t.Error("not held although the lease is good")
		}
		pass(time.Millisecond)
		if n.Held(f) || n.Usable() {
			t.Error("held although the lease has lapsed")
		}
		pass(time.Minute)
		at := time.Now()
		if _, err := n.Fence(t.Context(), entity); !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("%v, want what the store says", err)
		}
		if took := time.Since(at); took > 3*time.Second {
			t.Errorf("it took %v to be told", took)
		}
		n.setOdds(odds{})
		if got := fence(t, n.Local); got != f {
			t.Errorf("got %v, want %v again", got, f)
		}
		n.Close()
		if want := []string{"true 0s", fmt.Sprint("false ", (2*time.Second + left).Round(time.Second))}; len(told) != 3 || told[0] != want[0] || told[1] != want[1] {
			t.Errorf("told %q, want %q, and then true", told, want)
		}
	})
}

// A claim that was forestalled, and one whose outcome is unknown, end with a fence that is the newest.
func TestUnknownClaim(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		n := steady(store)
		defer n.Close()
		pass(time.Millisecond)
		n.setOdds(odds{cut: 100})
		if _, err := n.Fence(t.Context(), entity); !errors.Is(err, journal.ErrUnknownOutcome) {
			t.Fatalf("%v, want an unknown outcome", err)
		}
		n.setOdds(odds{})
		f := fence(t, n.Local)
		if owner, _ := store.ReadOwner(t.Context(), f.Shard); owner.Token != f.Token || owner.Holder != f.Holder {
			t.Errorf("the store says %v, the fence is %v", owner, f)
		}
	})
}

// When the store closes, whoever waits is told.
func TestStoreClosed(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		n := steady(store)
		defer n.Close()
		fence(t, n.Local)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if _, err := n.Fence(t.Context(), entity); !errors.Is(err, journal.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}

func TestSystemClockRuns(t *testing.T) {
	first := SystemClock()
	var last time.Duration
	for last <= first {
		last = SystemClock()
	}
	if first <= 0 || last-first > time.Hour {
		t.Errorf("the clock went from %v to %v", first, last)
	}
}

// The hot path: what each command without a write pays.
func BenchmarkHeld(b *testing.B) {
	l := NewLocal(Config{Store: memory.New()})
	defer l.Close()
	f, err := l.Fence(b.Context(), entity)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !l.Held(f) {
				b.Error("not held")
			}
		}
	})
}
