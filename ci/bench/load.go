package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// client is the load generator's side of one server: a fixed number of connections.
type client struct{ conns []*grpc.ClientConn }

func newClient(addr string, connections int) (*client, error) {
	c := new(client)
	for range connections {
		cc, err := connect(addr)
		if err != nil {
			return nil, err
		}
		c.conns = append(c.conns, cc)
	}
	return c, nil
}

func (c *client) close() {
	for _, cc := range c.conns {
		_ = cc.Close()
	}
}

// callTimeout bounds a call that will never be answered, so that a run ends.
const callTimeout = 30 * time.Second

// sample is what one round measured.
type sample struct {
	// Requests is how many calls were answered.
	Requests int `json:"requests"`
	// PerSecond is their rate.
	PerSecond float64 `json:"per_second"`
	// P50 and P99 are exact, in microseconds.
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
	// CPU is the processor time that the process between client and function took a request, in microseconds.
	CPU float64 `json:"cpu_us_per_request"`
}

// load calls method for about d, from so many callers at once that each wait for their answer. Every caller picks items
// at random, by a fixed seed.
func (c *client) load(ctx context.Context, method string, items [][]byte, callers int, d time.Duration) (sample, error) {
	latencies := make([][]time.Duration, callers)
	errs := make([]error, callers)
	var all sync.WaitGroup
	start := time.Now()
	for i := range callers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			mine := make([]time.Duration, 0, 1<<12)
			cc := c.conns[i%len(c.conns)]
			for began := start; began.Sub(start) < d; {
				if errs[i] = call(ctx, cc, method, items[random.IntN(len(items))]); errs[i] != nil {
					return
				}
				now := time.Now()
				mine = append(mine, now.Sub(began))
				began = now
			}
			latencies[i] = mine
		})
	}
	all.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return sample{}, fmt.Errorf("calling %s: %w", method, err)
		}
	}
	return summarize(slices.Concat(latencies...), took), nil
}

// each calls method once for every item, from so many callers at once.
func (c *client) each(ctx context.Context, method string, items [][]byte, callers int) error {
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := i; n < len(items) && errs[i] == nil; n += callers {
				errs[i] = call(ctx, c.conns[i%len(c.conns)], method, items[n])
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("calling %s: %w", method, err)
		}
	}
	return nil
}

func call(ctx context.Context, cc *grpc.ClientConn, method string, item []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var out frame
	if err := cc.Invoke(ctx, method, &frame{item}, &out, grpc.WaitForReady(true)); err != nil {
		return err
	}
	if len(out.bytes) != len(item) {
		return fmt.Errorf("sent %d bytes, expected them back, got %d", len(item), len(out.bytes))
	}
	return nil
}

func summarize(latencies []time.Duration, took time.Duration) sample {
	slices.Sort(latencies)
	return sample{
		Requests:  len(latencies),
		PerSecond: float64(len(latencies)) / took.Seconds(),
		P50:       micros(quantile(latencies, 0.50)),
		P99:       micros(quantile(latencies, 0.99)),
	}
}

// quantile is the smallest of the sorted values that at least the share q of them does not exceed; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := int(q * float64(len(sorted)))
	if float64(at) == q*float64(len(sorted)) && at > 0 {
		at--
	}
	return sorted[min(at, len(sorted)-1)]
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
