package main

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
)

// edition is a user function that serves one of two services, and counts the streams that it gets before it was asked
// which.
type edition struct {
	*mockfunction.Function
	carts
	asked atomic.Bool
	early atomic.Int64
}

func newEdition(eventSourced bool) *edition {
	v := &edition{}
	cfg := v.carts.config()
	spec := mockfunction.NewSpec([]protoreflect.FileDescriptor{vecart.File_valueentity_shoppingcart_shoppingcart_proto},
		mockfunction.Entity(mockfunction.ValueEntityType, valueService, "value-cart"))
	if eventSourced {
		spec = mockfunction.NewSpec([]protoreflect.FileDescriptor{shoppingcart.File_shoppingcart_shoppingcart_proto},
			mockfunction.Entity(mockfunction.EventSourcedType, cartService, "cart"))
	}
	cfg.Discover = func(context.Context, *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
		v.asked.Store(true)
		return spec, nil
	}
	note := func() {
		if !v.asked.Load() {
			v.early.Add(1)
		}
	}
	lists, numbers := cfg.EventSourced, cfg.ValueEntity
	cfg.EventSourced = func(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
		note()
		return lists(init)
	}
	cfg.ValueEntity = func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
		note()
		return numbers(init)
	}
	v.Function = mockfunction.New(cfg)
	return v
}

// TestUserFunctionIsReplacedAtOnce replaces the user function by another version at the same address, again and again
// and without a pause, under callers of both versions: none is sent anything before it was asked what it serves
// (DISC-46), and each is served then (DISC-48).
func TestUserFunctionIsReplacedAtOnce(t *testing.T) {
	now := newEdition(true)
	p := runInside(t, serveFunction(t, now.Function), "--passivation-timeout", "1h")
	conn := dial(t, p.client)
	events, values := shoppingcart.NewShoppingCartClient(conn), vecart.NewShoppingCartClient(conn)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var servedEvents, servedValues atomic.Int64
	judge := func(served *atomic.Int64, err error) {
		switch c := status.Code(err); c {
		case codes.OK:
			served.Add(1)
		case codes.Unavailable, codes.Unimplemented, codes.Canceled:
		default:
			t.Errorf("a caller was told %v", err)
		}
	}
	for i := range 8 {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n += 8 {
				_, err := events.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: cartID(n % 40)})
				judge(&servedEvents, err)
				_, err = values.GetCart(ctx, &vecart.GetShoppingCart{UserId: cartID(n % 40)})
				judge(&servedValues, err)
			}
		})
	}
	for i := range fromEnv("CLOUDSTATE_DEATHS", 8) * 5 {
		served := &servedEvents
		if i%2 == 1 {
			served = &servedValues
		}
		until := served.Load() + 20
		await(t, "the new version to be served", func() bool { return served.Load() >= until })
		next := newEdition(i%2 == 1)
		next.SetMaxConcurrentStreams(4) // fresh connections are made all the time
		addr := now.Addr()
		now.Kill()
		if n := now.early.Load(); n > 0 {
			t.Fatalf("version %d got %d streams before it was asked what it serves", i, n)
		}
		now = next
		if err := now.Start(addr); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(now.Kill)
	}
}
