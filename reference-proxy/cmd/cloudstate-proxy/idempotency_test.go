package main

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// TestIdempotencyIsASetting: with --idempotency-window 0, or without a store, keys are not heeded, not checked, and the user function is
// told so (DISC-64, IDEM-18).
func TestIdempotencyIsASetting(t *testing.T) {
	for _, c := range []struct {
		args  []string
		told  []string
		items int // in the cart after two tries; -1: there are no carts
	}{
		{nil, []string{"idempotency"}, 1},
		{[]string{"--idempotency-window", "0"}, nil, 2},
		{[]string{"--store", "none", "--unsupported-entities", "skip"}, nil, -1},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			user := &carts{}
			config := user.config()
			if c.items < 0 {
				config.Spec = mockfunction.NewSpec(nil) // nothing to serve: it is refused, which is soon enough to be told
			}
			function := mockfunction.New(config)
			port := serveFunction(t, function)
			var client string
			if c.items >= 0 {
				client = runInside(t, port, c.args...).client
			} else {
				free := ports(t, 2)
				launch(t, free[0], free[1], port, c.args...)
			}
			info, err := function.NextDiscovery(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(info.GetExtensions(), c.told) {
				t.Errorf("the user function was told of %q, want %q", info.GetExtensions(), c.told)
			}
			if c.items < 0 {
				return
			}
			cart := shoppingcart.NewShoppingCartClient(dial(t, client))
			ctx := metadata.AppendToOutgoingContext(t.Context(), "idempotency-key", "k")
			for range 2 {
				if _, err := cart.AddItem(ctx, &shoppingcart.AddLineItem{UserId: "u", ProductId: "p", Quantity: 1}); err != nil {
					t.Fatal(err)
				}
			}
			_, err = cart.GetCart(metadata.AppendToOutgoingContext(t.Context(), "idempotency-key", "two words"), &shoppingcart.GetShoppingCart{UserId: "u"})
			if refused := err != nil; refused != (c.items == 1) {
				t.Errorf("a call with a malformed key: %v", err)
			}
			got, err := cart.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: "u"})
			if err != nil || len(got.GetItems()) != c.items {
				t.Errorf("the cart holds %v, %v; want %d items", got.GetItems(), err, c.items)
			}
		})
	}
}
