package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
)

// fromEnv is a number that make certify sets, to run at full length.
func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// TestAcknowledgedIsDurable kills the proxy at random moments under concurrent load and holds what is in the store
// against what clients were told (ES-20, ES-54, VE-13, VE-38): nothing acknowledged is missing, nothing is there
// twice or out of order, and nothing is there that nobody sent. make certify kills at least 50 times.
func TestAcknowledgedIsDurable(t *testing.T) {
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range killAndCheck(t, program, fromEnv("CLOUDSTATE_KILLS", 8), uint64(fromEnv("CLOUDSTATE_SEED", 1))) {
		t.Error(fault)
	}
}

// killAndCheck runs the program under load, kills it that many times, and returns what is wrong with the store after it.
func killAndCheck(t *testing.T, program string, kills int, seed uint64) (faults []string) {
	t.Helper()
	const writers, sharedCarts = 16, 5
	random := rand.New(rand.NewPCG(seed, 0))

	user := &carts{}
	function := mockfunction.New(user.config())
	functionPort := serveFunction(t, function)
	free := ports(t, 2)
	args := []string{"--data-dir", t.TempDir(), "--free-space-reserve", "1MiB", "--passivation-timeout", "50ms", "--log-level", "warn"}
	start := func() *process {
		p := launchProgram(t, program, free[0], free[1], functionPort, args...)
		p.ready()
		return p
	}

	conn := dial(t, fmt.Sprintf("127.0.0.1:%d", free[0]))
	p := start()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logs := make([]*writerLog, writers)
	var acknowledged atomic.Int64
	var wg sync.WaitGroup
	for i := range logs {
		logs[i] = &writerLog{id: i}
		wg.Go(func() { logs[i].run(ctx, conn, rand.New(rand.NewPCG(seed, uint64(i+1))), sharedCarts, &acknowledged) })
	}
	for range kills {
		// Kill at a random moment, but not before the load has got going again.
		until := acknowledged.Load() + 1 + random.Int64N(400)
		pause := time.Duration(random.IntN(20)) * time.Millisecond
		awaitCount(t, p, &acknowledged, until)
		<-time.After(pause)
		p.kill()
		p = start()
	}
	stop()
	wg.Wait()
	p.kill()
	p = start()
	defer func() { _ = p.terminate() }()
	conn = dial(t, p.client) // the writers' may not have noticed yet that its proxy is gone

	sent, unknown := 0, 0
	for _, l := range logs {
		sent += len(l.outcome)
		for _, acked := range l.outcome {
			if !acked {
				unknown++
			}
		}
	}
	t.Logf("seed %d: %d kills, %d commands sent, %d acknowledged, %d without an answer or refused", seed, kills, sent, acknowledged.Load(), unknown)
	faults = append(checkLists(t, conn, logs, sharedCarts), checkNumbers(t, conn, logs)...)
	user.mu.Lock()
	defer user.mu.Unlock()
	return append(faults, user.faults...)
}

func awaitCount(t *testing.T, p *process, n *atomic.Int64, until int64) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n.Load() < until {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the load stands still at %d of %d; the proxy said:\n%s", n.Load(), until, p.output)
		}
	}
}

// writerLog is what one client did and was told.
type writerLog struct {
	id int
	// outcome and cart are those of the writer's operations, in the order in which it sent them, one after the other.
	outcome []bool
	cart    []int
	// The writer's own value cart: the last number acknowledged, and those sent since.
	ackedNumber, sentNumber int32
}

func (l *writerLog) run(ctx context.Context, conn *grpc.ClientConn, random *rand.Rand, sharedCarts int, acknowledged *atomic.Int64) {
	for ctx.Err() == nil {
		if event, _ := l.step(conn, random.IntN(sharedCarts)); event == nil {
			acknowledged.Add(1)
		}
	}
}

// step adds an item to a shared cart and then puts the next number into the writer's own.
func (l *writerLog) step(conn *grpc.ClientConn, cart int) (event, value error) {
	call, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	item := l.product(len(l.outcome))
	_, event = shoppingcart.NewShoppingCartClient(conn).AddItem(call,
		&shoppingcart.AddLineItem{UserId: cartID(cart), ProductId: item, Quantity: 1}, grpc.WaitForReady(true))
	l.cart = append(l.cart, cart)
	l.outcome = append(l.outcome, event == nil)
	l.sentNumber++
	_, value = vecart.NewShoppingCartClient(conn).AddItem(call,
		&vecart.AddLineItem{UserId: l.own(), ProductId: "n", Quantity: l.sentNumber}, grpc.WaitForReady(true))
	if value == nil {
		l.ackedNumber = l.sentNumber
	}
	return event, value
}

func (l *writerLog) product(n int) string { return fmt.Sprintf("%d/%d", l.id, n) }
func (l *writerLog) own() string          { return fmt.Sprintf("writer-%d", l.id) }
func cartID(n int) string                 { return fmt.Sprintf("cart-%d", n) }

// checkLists holds every shared cart against the writers' logs.
func checkLists(t *testing.T, conn *grpc.ClientConn, logs []*writerLog, sharedCarts int) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	client := shoppingcart.NewShoppingCartClient(conn)
	seen := map[string]bool{}
	for cart := range sharedCarts {
		got, err := client.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: cartID(cart)})
		if err != nil {
			t.Fatalf("reading %s: %v", cartID(cart), err)
		}
		last := map[int]int{} // of each writer in this cart
		for _, item := range got.GetItems() {
			var w, n int
			if _, err := fmt.Sscanf(item.GetProductId(), "%d/%d", &w, &n); err != nil || w >= len(logs) || n >= len(logs[w].outcome) || logs[w].cart[n] != cart {
				fault("%s holds %q, which nobody sent there", cartID(cart), item.GetProductId())
				continue
			}
			if seen[item.GetProductId()] {
				fault("%s holds %q twice", cartID(cart), item.GetProductId())
			}
			seen[item.GetProductId()] = true
			if before, ok := last[w]; ok && before >= n {
				fault("%s holds operation %d of writer %d after its operation %d", cartID(cart), n, w, before)
			}
			last[w] = n
		}
	}
	for _, l := range logs {
		for n, acked := range l.outcome {
			if acked && !seen[l.product(n)] {
				fault("%s was acknowledged and is missing from %s", l.product(n), cartID(l.cart[n]))
			}
		}
	}
	return faults
}

// checkNumbers holds every value cart, which has one writer, against its log.
func checkNumbers(t *testing.T, conn *grpc.ClientConn, logs []*writerLog) (faults []string) {
	client := vecart.NewShoppingCartClient(conn)
	for _, l := range logs {
		got, err := client.GetCart(t.Context(), &vecart.GetShoppingCart{UserId: l.own()})
		if err != nil {
			t.Fatalf("reading %s: %v", l.own(), err)
		}
		var number int32
		for _, item := range got.GetItems() {
			number = item.GetQuantity()
		}
		if number < l.ackedNumber || number > l.sentNumber {
			faults = append(faults, fmt.Sprintf("%s holds %d; %d was acknowledged, %d sent", l.own(), number, l.ackedNumber, l.sentNumber))
		}
	}
	return faults
}
