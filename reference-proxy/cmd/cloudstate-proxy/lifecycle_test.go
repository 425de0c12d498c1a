package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// TestReadySoon measures how long after the user function a waiting proxy is ready, and how long a proxy takes from its
// start, on the embedded store; and how much memory it then has resident. The figures are held to their limits by make
// bench, on a machine that does nothing else.
func TestReadySoon(t *testing.T) {
	user := &carts{}
	function := mockfunction.New(user.config())
	free := ports(t, 3)
	p := launch(t, free[0], free[1], free[2], "--data-dir", t.TempDir(), "--free-space-reserve", "1MiB")
	await(t, "the proxy to be live", func() bool { return p.probe("/live") == 200 })
	if err := function.Start("127.0.0.1:" + strconv.Itoa(free[2])); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	began := time.Now()
	p.ready()
	t.Logf("ready %v after the user function", time.Since(began).Round(time.Millisecond))
	t.Logf("resident: %.1f MiB", residentMiB(t, p.cmd.Process.Pid))
	if code := p.terminate(); code != 0 {
		t.Errorf("the proxy ended with status %d", code)
	}
	began = time.Now()
	p = launch(t, free[0], free[1], free[2], "--data-dir", t.TempDir(), "--free-space-reserve", "1MiB")
	p.ready()
	t.Logf("ready %v after its own start", time.Since(began).Round(time.Millisecond))
}

// residentMiB reads VmRSS of a process.
func residentMiB(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

// TestStopUnderLoad sends SIGTERM while 16 callers are at work. Every call that the proxy let in is answered, a later one is
// refused with UNAVAILABLE (OPS-07, OPS-12), the status is 0 (OPS-06), idle instances see an orderly end (OPS-14), and
// everything acknowledged is there after a restart.
func TestStopUnderLoad(t *testing.T) {
	var idleEnds orderly
	user := &carts{}
	cfg := user.config()
	cfg.Wait = patience
	function := mockfunction.New(cfg)
	release := function.Claim(mockfunction.Claim{Service: cartService, ID: "idle"})
	defer release()
	functionPort := serveFunction(t, function)
	free := ports(t, 2)
	args := []string{"--data-dir", t.TempDir(), "--free-space-reserve", "1MiB"}
	p := launch(t, free[0], free[1], functionPort, args...)
	p.ready()
	conn := dial(t, p.client)
	client := shoppingcart.NewShoppingCartClient(conn)

	// One instance is idle, and sees how its stream ends.
	idleEnds.Go(func() error {
		s, err := function.EventSourced(t.Context(), mockfunction.Claim{ID: "idle"})
		if err != nil {
			return err
		}
		if err := answerOnce(t.Context(), s); err != nil {
			return err
		}
		if err := s.ExpectHalfClose(t.Context()); err != nil {
			return err
		}
		s.Complete()
		return nil
	})
	if _, err := client.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: "idle"}); err != nil {
		t.Fatal(err)
	}

	const callers = 16
	var acknowledged [callers]atomic.Int64
	var refusedCalls, total atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for {
				_, err := client.AddItem(t.Context(), &shoppingcart.AddLineItem{UserId: cartID(i), ProductId: "p", Quantity: 1})
				switch status.Code(err) {
				case codes.OK:
					acknowledged[i].Add(1)
					total.Add(1)
				case codes.Unavailable:
					if m := status.Convert(err).Message(); !strings.Contains(m, "the proxy is stopping") && !strings.Contains(m, "connection refused") {
						t.Errorf("a call was lost: %v", err)
					}
					refusedCalls.Add(1)
					return
				default:
					t.Errorf("a call was lost: %v", err)
					return
				}
			}
		})
	}
	await(t, "the load to get going", func() bool { return total.Load() > 50 })
	if code := p.terminate(); code != 0 {
		t.Errorf("the proxy ended with status %d", code)
	}
	wg.Wait()
	if err := idleEnds.Wait(); err != nil {
		t.Errorf("the idle instance saw no orderly end: %v", err)
	}
	t.Logf("%d calls answered, %d refused after the signal", total.Load(), refusedCalls.Load())

	p = launch(t, free[0], free[1], functionPort, args...)
	p.ready()
	after := shoppingcart.NewShoppingCartClient(dial(t, p.client))
	for i := range callers {
		got, err := after.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: cartID(i)})
		if n := acknowledged[i].Load(); err != nil || int64(len(got.GetItems())) != n {
			t.Errorf("%s has %d items (%v), %d were acknowledged and none was in doubt", cartID(i), len(got.GetItems()), err, n)
		}
	}
}

// orderly runs one function and keeps its error.
type orderly struct {
	wg  sync.WaitGroup
	err error
}

func (o *orderly) Go(f func() error) { o.wg.Go(func() { o.err = f() }) }
func (o *orderly) Wait() error       { o.wg.Wait(); return o.err }

// answerOnce answers the first command of a stream with an empty cart.
func answerOnce(ctx context.Context, s *mockfunction.EventSourced) error {
	id, err := commandOn(ctx, s)
	if err != nil {
		return err
	}
	return s.Reply(&eventsourced.EventSourcedReply{CommandId: id, ClientAction: replyWith(&shoppingcart.Cart{})})
}

// commandOn receives up to the first command and returns its id.
func commandOn(ctx context.Context, s *mockfunction.EventSourced) (int64, error) {
	for {
		msg, err := s.Recv(ctx)
		if err != nil {
			return 0, err
		}
		if c := msg.GetCommand(); c != nil {
			return c.GetId(), nil
		}
	}
}

// TestSecondSignalEndsAtOnce: the first SIGTERM waits for a command that is not answered, the second one does not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	user := &carts{}
	cfg := user.config()
	cfg.Wait = patience
	function := mockfunction.New(cfg)
	defer function.Claim(mockfunction.Claim{ID: "stuck"})()
	functionPort := serveFunction(t, function)
	free := ports(t, 2)
	p := launch(t, free[0], free[1], functionPort, "--store", "memory", "--shutdown-timeout", "1h", "--command-timeout", "1h")
	p.ready()
	conn := dial(t, p.client)
	called := make(chan error, 1)
	go func() {
		_, err := shoppingcart.NewShoppingCartClient(conn).GetCart(context.Background(), &shoppingcart.GetShoppingCart{UserId: "stuck"})
		called <- err
	}()
	s, err := function.EventSourced(t.Context(), mockfunction.Claim{ID: "stuck"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := commandOn(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the proxy to be no longer ready", func() bool { return p.probe("/ready") == 503 })
	select {
	case <-p.exited:
		t.Fatal("the proxy ended although a command was in flight")
	case err := <-called:
		t.Fatalf("the caller was told %v while its command was in flight", err)
	default:
	}
	// Whether the proxy has given up its hold on the signal by now cannot be seen from outside, so it is sent until it works.
	await(t, "the proxy to end", func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		return p.ended()
	})
	if state, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !state.Signaled() {
		t.Errorf("the proxy ended with %v, want by the signal", p.cmd.ProcessState)
	}
	if err := <-called; status.Code(err) != codes.Unavailable {
		t.Errorf("the caller was told %v, want UNAVAILABLE", err)
	}
}
