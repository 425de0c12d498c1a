package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// instances is how many entities the tests below keep active; make certify sets 10,000.
func instances() int { return fromEnv("CLOUDSTATE_INSTANCES", 1000) }

// eachCart calls f for every cart from first up to end, by 64 callers.
func eachCart(t *testing.T, first, end int, f func(ctx context.Context, id string) error) {
	t.Helper()
	var next atomic.Int64
	next.Store(int64(first))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(end) && !t.Failed(); n = next.Add(1) - 1 {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if err := f(ctx, cartID(int(n))); err != nil {
					t.Errorf("%s: %v", cartID(int(n)), err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// TestStreamLimits keeps thousands of instances active, each of which is a stream, before user functions that allow few
// streams on a connection. All are served and stay active, and neither unary actions nor error reports, which share their
// way with discovery, wait for an entity stream to end.
func TestStreamLimits(t *testing.T) {
	const lowered = 10
	for _, c := range []struct {
		name  string
		limit uint32
		most  int // instances: each connection costs a file descriptor or two
		lower bool
	}{
		{"1", 1, 200, false},
		{"10", 10, 10_000, false},
		{"256", 256, 10_000, false},
		{"unlimited", 0, 10_000, false},
		{"256, lowered to 10 in the middle", 256, 10_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := min(instances(), c.most)
			m := newMixed(t)
			m.SetMaxConcurrentStreams(c.limit)
			port := serveFunction(t, m.Function)
			var relay *lowering
			if c.lower {
				relay = newLowering(t, m.Addr())
				port = portOf(t, relay.listener.Addr().String())
			}
			args := []string{"--passivation-timeout", "1h"}
			if c.limit > 0 && !c.lower {
				// Just enough for the instances: were actions to share these connections, they would find no room.
				n = (n + int(c.limit) - 1) / int(c.limit) * int(c.limit)
				args = append(args, "--user-function-connections", strconv.Itoa(n/int(c.limit)))
			}
			p := runInside(t, port, args...)
			conn := dial(t, p.client)
			client := shoppingcart.NewShoppingCartClient(conn)
			began := time.Now()
			stopActions := m.actionsMeanwhile(t, conn)

			add := func(ctx context.Context, id string) error {
				_, err := client.AddItem(ctx, &shoppingcart.AddLineItem{UserId: id, ProductId: "p", Quantity: 1})
				return err
			}
			eachCart(t, 0, n/2, add)
			if c.lower {
				relay.lower(lowered)
			}
			eachCart(t, n/2, n, add)
			eachCart(t, 0, n, func(ctx context.Context, id string) error {
				got, err := client.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: id})
				if err == nil && len(got.GetItems()) != 1 {
					err = fmt.Errorf("it has %d items, want 1", len(got.GetItems()))
				}
				return err
			})
			reports := m.reports.Load()
			if _, err := actionmodel.NewActionTckModelClient(conn).ProcessUnary(t.Context(), actionRequest("unreadable")); err == nil {
				t.Error("a violation was taken for a reply")
			}
			await(t, "the violation to be reported", func() bool { return m.reports.Load() > reports })
			slowest, calls := stopActions()
			t.Logf("%d instances active after %v; %d unary actions meanwhile, the slowest took %v",
				n, time.Since(began).Round(time.Millisecond), calls, slowest.Round(time.Millisecond))

			active := 0
			m.activations.Range(func(id, count any) bool {
				active++
				if count := count.(*atomic.Int64).Load(); count != 1 {
					t.Errorf("%v was activated %d times", id, count)
				}
				return true
			})
			if active != n {
				t.Errorf("%d instances were activated, want %d", active, n)
			}
			if c.lower {
				conns, faults := relay.found()
				for _, f := range faults {
					t.Error(f)
				}
				if conns < n/2/lowered {
					t.Errorf("%d connections cannot carry %d streams with a limit of %d: the lowering came to nothing", conns, n/2, lowered)
				}
			}
		})
	}
}

// actionsMeanwhile calls a unary action again and again until the returned function is called, which gives the slowest
// call's time. A call that had to wait for an entity stream would never come back: none ends during the test.
func (m *mixed) actionsMeanwhile(t *testing.T, conn *grpc.ClientConn) (stop func() (slowest time.Duration, calls int)) {
	ctx, cancel := context.WithCancel(t.Context())
	act := actionmodel.NewActionTwoClient(conn)
	var mu sync.Mutex
	var slowest time.Duration
	calls := 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				bounded, done := context.WithTimeout(context.Background(), patience)
				began := time.Now()
				_, err := act.Call(bounded, &actionmodel.OtherRequest{Id: "x"})
				done()
				if err != nil {
					t.Errorf("an action suffers: %v", err)
				}
				mu.Lock()
				slowest, calls = max(slowest, time.Since(began)), calls+1
				mu.Unlock()
				<-tick.C
			}
		})
	}
	return func() (time.Duration, int) {
		cancel()
		wg.Wait()
		return slowest, calls
	}
}
