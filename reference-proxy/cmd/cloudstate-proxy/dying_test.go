package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// TestUserFunctionDies kills the user function again and again while commands and calls are with it (SERV-36, ES-58,
// DISC-46): every caller gets a status, what was acknowledged is there when the user function is back, and the proxy
// holds no more than before.
func TestUserFunctionDies(t *testing.T) {
	m := newMixed(t)
	p := runInside(t, serveFunction(t, m.Function), "--passivation-timeout", "1h", "--discovery-backoff-min", "50ms")
	conn := dial(t, p.client)
	client, act := shoppingcart.NewShoppingCartClient(conn), actionmodel.NewActionTwoClient(conn)
	const callers = 8
	deaths := fromEnv("CLOUDSTATE_DEATHS", 8)
	told := &tally{codes: map[codes.Code]int{}}
	random := rand.New(rand.NewPCG(1, 0))
	var acknowledged [callers]atomic.Int64
	cart := func(i int) string { return fmt.Sprintf("cart-%d", i) }

	total := func() (n int64) {
		for i := range acknowledged {
			n += acknowledged[i].Load()
		}
		return n
	}
	load := func(deaths int) {
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		accept := func(err error) {
			if c := status.Code(err); c != codes.OK && c != codes.Unavailable {
				t.Errorf("a caller was told %v, want UNAVAILABLE while the user function is away", err)
			}
		}
		for i := range callers {
			wg.Go(func() {
				for ctx.Err() == nil {
					err := told.call(func(ctx context.Context) error {
						_, err := client.AddItem(ctx, &shoppingcart.AddLineItem{UserId: cart(i), ProductId: "p", Quantity: 1})
						return err
					})
					accept(err)
					if err == nil {
						acknowledged[i].Add(1)
					}
					accept(told.call(func(ctx context.Context) error {
						_, err := act.Call(ctx, &actionmodel.OtherRequest{Id: "x"})
						return err
					}))
				}
			})
		}
		for range deaths {
			until := total() + 1 + random.Int64N(300)
			await(t, "the load to go on", func() bool { return total() >= until })
			m.Kill()
			if err := m.Start(""); err != nil {
				t.Fatal(err)
			}
		}
		until := total() + 1
		await(t, "the load to go on", func() bool { return total() >= until })
		stop()
		wg.Wait()
	}
	// touch makes cart i active and gives it, and calls the action. The last death may be noticed only now: until the user
	// function has been asked again, callers are told so.
	touch := func(i int) *shoppingcart.Cart {
		var got *shoppingcart.Cart
		await(t, "the user function to be served again", func() bool {
			cart, err := client.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: cart(i)})
			if err == nil {
				_, err = act.Call(t.Context(), &actionmodel.OtherRequest{Id: "x"})
			}
			if err != nil && status.Code(err) != codes.Unavailable {
				t.Fatalf("reading cart %d: %v", i, err)
			}
			got = cart
			return err == nil
		})
		return got
	}
	load(1)
	for i := range callers {
		touch(i) // as before the second measurement, or that would hold more
	}
	before := measure()
	load(deaths)
	told.check(t)
	if told.codes[codes.Unavailable] == 0 {
		t.Error("no caller noticed that the user function died")
	}
	for i := range callers {
		if items, n := len(touch(i).GetItems()), acknowledged[i].Load(); int64(items) < n {
			t.Errorf("%s has %d items, %d were acknowledged", cart(i), items, n)
		}
	}
	var after usage
	await(t, "goroutines to return to where they were", func() bool {
		after = measure()
		return after.goroutines <= before.goroutines+10
	})
	t.Logf("%d deaths; before: %v; after: %v", deaths, before, after)
	m.carts.mu.Lock()
	defer m.carts.mu.Unlock()
	for _, f := range m.faults {
		t.Error(f)
	}
}
