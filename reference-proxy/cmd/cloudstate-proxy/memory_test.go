package main

import (
	"context"
	"fmt"
	"os/exec"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	"github.com/stateful-serverless/cloudstate/reference-proxy/userfunction"
)

// TestIdleInstanceMemory measures what an active idle instance holds beyond its bare stream to the same user function, on
// the same connection pool, in the same process: at most 16 KiB.
func TestIdleInstanceMemory(t *testing.T) {
	if raceDetector {
		// What counts is the program without it, so the figure is taken there.
		out, err := exec.Command("go", "test", "-count=1", "-v", "-run", "^TestIdleInstanceMemory$", ".").CombinedOutput()
		t.Logf("without the race detector:\n%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	const most, warm = 16 << 10, 200
	n := instances()
	user := &carts{}
	function := mockfunction.New(user.config())
	port := serveFunction(t, function)

	pool, err := userfunction.NewPool(userfunction.Config{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	streams := make([]*userfunction.Stream, 0, n+warm)
	open := func(n int) {
		for range n {
			streams = append(streams, bareStream(t, pool, cartID(len(streams))))
		}
	}
	open(warm)
	before := measure()
	open(n)
	bare := measure().less(before, n)
	for _, s := range streams {
		s.Cancel()
	}
	streams = nil
	pool.Close()
	await(t, "the bare streams to be gone", func() bool { return measure().goroutines < before.goroutines })

	p := runInside(t, port, "--passivation-timeout", "1h")
	client := shoppingcart.NewShoppingCartClient(dial(t, p.client))
	get := func(ctx context.Context, id string) error {
		_, err := client.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: id})
		return err
	}
	eachCart(t, 0, warm, get)
	before = measure()
	eachCart(t, warm, warm+n, get)
	instance := measure().less(before, n)

	adds := instance.bytes() - bare.bytes()
	t.Logf("of %d each: a bare stream holds %v, an active idle instance with its stream %v; it adds %d bytes", n, bare, instance, adds)
	if adds > most {
		t.Errorf("an instance adds %d bytes to its stream, at most %d are allowed", adds, most)
	}
}

// each is what one of many things holds, both ends of its stream included.
type each struct{ heap, stacks, goroutines float64 }

func (u usage) less(before usage, n int) each {
	return each{float64(u.heap-before.heap) / float64(n), float64(u.stacks-before.stacks) / float64(n), float64(u.goroutines-before.goroutines) / float64(n)}
}

func (e each) bytes() int { return int(e.heap + e.stacks) }

func (e each) String() string {
	return fmt.Sprintf("%.0f bytes of heap, %.0f of stacks, %.1f goroutines", e.heap, e.stacks, e.goroutines)
}

// bareStream opens a stream as an instance does, with one command answered on it.
func bareStream(t *testing.T, pool *userfunction.Pool, id string) *userfunction.Stream {
	t.Helper()
	s, err := pool.EntityStream(t.Context(), eventsourced.EventSourced_Handle_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*eventsourced.EventSourcedStreamIn{
		{Message: &eventsourced.EventSourcedStreamIn_Init{Init: &eventsourced.EventSourcedInit{ServiceName: cartService, EntityId: id}}},
		{Message: &eventsourced.EventSourcedStreamIn_Command{Command: &cloudstate.Command{
			EntityId: id, Id: 1, Name: "GetCart", Payload: pack(&shoppingcart.GetShoppingCart{UserId: id}),
		}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	return s
}
