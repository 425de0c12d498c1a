package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
)

// TestRetriesTakeEffectOnce kills the proxy at random moments under concurrent load, as TestAcknowledgedIsDurable does; but here every
// client tries each command again, with its idempotency key, until it is answered. So every cart must hold exactly what was sent: each
// item once, and sums to the last one (IDEM-03, IDEM-07). make certify kills more often.
func TestRetriesTakeEffectOnce(t *testing.T) {
	retriesTakeEffectOnce(t, 4, nil, "--data-dir", t.TempDir(), "--free-space-reserve", "1MiB")
}

// TestRetriesOnPostgreSQL is the same on a database that is killed, too, so that the outcome of many a write is unknown.
func TestRetriesOnPostgreSQL(t *testing.T) {
	server := postgres.Run(t, postgres.Options{})
	database, err := server.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLOUDSTATE_POSTGRES_URL", database)
	kill := func() {
		server.Kill()
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	retriesTakeEffectOnce(t, 2, kill, "--store", "postgres", "--store-auto-migrate", "--lease-duration", "1s")
}

// TestRetriesOnCassandra is the same on a Cassandra.
func TestRetriesOnCassandra(t *testing.T) {
	cluster := cassandra.Run(t, cassandra.Options{})
	kill := func() {
		node := cluster.Nodes()[0]
		node.Kill()
		if err := node.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	retriesTakeEffectOnce(t, 2, kill, append(cassandraArguments(cluster, cluster.Addresses()...), "--store-auto-migrate")...)
}

// retriesTakeEffectOnce kills a proxy on the store that args name, or as often as make certify says; if killStore is not nil, every other time the store
// is killed instead, and started again.
func retriesTakeEffectOnce(t *testing.T, kills int, killStore func(), args ...string) {
	t.Helper()
	const retriers, sharedCarts = 12, 4
	kills = fromEnv("CLOUDSTATE_KILLS", kills)
	seed := uint64(fromEnv("CLOUDSTATE_SEED", 1))
	random := rand.New(rand.NewPCG(seed, 0))
	user := &carts{}
	functionPort := serveFunction(t, mockfunction.New(user.adding()))
	free := ports(t, 2)
	args = append(args, "--passivation-timeout", "50ms", "--log-level", "error")
	start := func(more ...string) *process {
		p := launch(t, free[0], free[1], functionPort, append(args, more...)...)
		p.ready()
		return p
	}

	conn := dial(t, fmt.Sprintf("127.0.0.1:%d", free[0]))
	p := start()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var acknowledged, tries, again atomic.Int64
	sent := make([]*retrier, retriers)
	var wg sync.WaitGroup
	for i := range sent {
		sent[i] = &retrier{id: i, conn: conn, tries: &tries, again: &again, carts: map[int]int{}}
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i+1)))
			for ctx.Err() == nil {
				if err := sent[i].one(random.IntN(sharedCarts)); err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(1)
			}
		})
	}
	for n := range kills {
		until := acknowledged.Load() + 1 + random.Int64N(400)
		pause := time.Duration(random.IntN(20)) * time.Millisecond
		awaitCount(t, p, &acknowledged, until)
		<-time.After(pause)
		if killStore != nil && n%2 == 0 {
			killStore()
			continue
		}
		p.kill()
		p = start()
	}
	stop()
	wg.Wait()
	p.kill()
	p = start("--lease-duration", "1m") // from here on every call must be answered, however little the machine gets done
	defer func() { _ = p.terminate() }()
	conn = dial(t, p.client)

	items, sums := map[int]int{}, map[int]int32{}
	for _, r := range sent {
		for cart, n := range r.carts {
			items[cart] += n
			sums[cart] += int32(n)
		}
	}
	t.Logf("seed %d: %d kills, %d commands to each of two entities, %d tries, %d of them not the first", seed, kills, acknowledged.Load(), tries.Load(), again.Load())
	for cart := range sharedCarts {
		got, err := shoppingcart.NewShoppingCartClient(conn).GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: cartID(cart)})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, item := range got.GetItems() {
			if seen[item.GetProductId()]++; seen[item.GetProductId()] > 1 {
				t.Errorf("%s holds %q twice", cartID(cart), item.GetProductId())
			}
		}
		if len(got.GetItems()) != items[cart] {
			t.Errorf("%s holds %d items, %d were acknowledged", cartID(cart), len(got.GetItems()), items[cart])
		}
		sum, err := vecart.NewShoppingCartClient(conn).GetCart(t.Context(), &vecart.GetShoppingCart{UserId: cartID(cart)})
		if err != nil {
			t.Fatal(err)
		}
		if len(sum.GetItems()) != 1 || sum.GetItems()[0].GetQuantity() != sums[cart] {
			t.Errorf("%s adds up to %v, %d were acknowledged", cartID(cart), sum.GetItems(), sums[cart])
		}
	}
	user.mu.Lock()
	defer user.mu.Unlock()
	for _, fault := range user.faults {
		t.Error(fault)
	}
	if again.Load() == 0 {
		t.Error("no command was tried again: the test shows nothing")
	}
}

// retrier is a client that does not give up.
type retrier struct {
	id, n        int
	conn         *grpc.ClientConn
	tries, again *atomic.Int64
	carts        map[int]int // how many items it put in each
}

// one adds an item to the event sourced cart, and one to the sum of the value cart.
func (r *retrier) one(cart int) error {
	r.n++
	name := fmt.Sprintf("%d/%d", r.id, r.n)
	list, sum := shoppingcart.NewShoppingCartClient(r.conn), vecart.NewShoppingCartClient(r.conn)
	err := r.until(name, func(ctx context.Context) error {
		_, err := list.AddItem(ctx, &shoppingcart.AddLineItem{UserId: cartID(cart), ProductId: name, Quantity: 1}, grpc.WaitForReady(true))
		return err
	})
	if err != nil {
		return err
	}
	err = r.until(name, func(ctx context.Context) error {
		_, err := sum.AddItem(ctx, &vecart.AddLineItem{UserId: cartID(cart), ProductId: "n", Quantity: 1}, grpc.WaitForReady(true))
		return err
	})
	r.carts[cart]++
	return err
}

// until tries again until it is answered, for longer than a store takes to come up again.
func (r *retrier) until(key string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "idempotency-key", key), restartPatience)
	defer cancel()
	for n := 0; ; n++ {
		r.tries.Add(1)
		if n > 0 {
			r.again.Add(1)
		}
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was tried %d times: %w", key, n+1, err)
		case <-time.After(time.Duration(1+rand.IntN(20)) * time.Millisecond): // a client backs off
		}
	}
}

// adding is the user function of [carts], but that the number of a value cart is a sum.
func (c *carts) adding() mockfunction.Config {
	config := c.config()
	config.ValueEntity = func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
		number, ok := c.valueEntity(init).(*numberCart)
		if !ok {
			c.fault("another kind of value cart")
		}
		return &sumCart{number}
	}
	return config
}

// sumCart is a value cart that adds quantities up.
type sumCart struct{ *numberCart }

func (s *sumCart) Command(c *cloudstate.Command) *valueentity.ValueEntityReply {
	if c.GetName() == "GetCart" {
		return s.numberCart.Command(c)
	}
	add := &vecart.AddLineItem{}
	if err := c.GetPayload().UnmarshalTo(add); err != nil {
		s.carts.fault("value cart: %v", err)
	}
	sum := add.GetQuantity()
	for _, item := range s.cart.GetItems() {
		sum += item.GetQuantity()
	}
	s.cart = &vecart.Cart{Items: []*vecart.LineItem{{ProductId: "n", Quantity: sum}}}
	return &valueentity.ValueEntityReply{
		CommandId: c.GetId(), ClientAction: replyWith(&emptypb.Empty{}),
		StateAction: &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Update{
			Update: &valueentity.ValueEntityUpdate{Value: pack(s.cart)},
		}},
	}
}
