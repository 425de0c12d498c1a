package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// footprint is what the proxy needs beside processor time.
type footprint struct {
	// Instances is how many idle instances, and bare streams, were held.
	Instances int `json:"instances"`
	// Instance and Stream are resident bytes for one of each; Added is their difference.
	Instance int64 `json:"bytes_per_instance"`
	Stream   int64 `json:"bytes_per_bare_stream"`
	Added    int64 `json:"bytes_added_by_instance"`
	// Ready are the times from a user function's first listening until the proxy, which was there before, is ready;
	// ReadyMedian and ReadyWorst are theirs, in milliseconds.
	Ready       []float64 `json:"ready_ms"`
	ReadyMedian float64   `json:"ready_ms_median"`
	ReadyWorst  float64   `json:"ready_ms_worst"`
	// Start is the median time from starting the proxy, with a user function that was there before, until it is ready.
	Start float64 `json:"start_ms_median"`
	// Resident is the proxy's resident memory after start, on the embedded store, in bytes.
	Resident int64 `json:"resident_bytes_after_start"`
}

func measureFootprint(ctx context.Context, sys *system, progress io.Writer) (*footprint, error) {
	f := &footprint{Instances: sys.settings.Instances}
	_, _ = fmt.Fprint(progress, "\rstarts ")
	if err := f.measureStarts(ctx, sys); err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(progress, "\r%d idle instances ", f.Instances)
	var err error
	if f.Instance, err = instanceBytes(ctx, sys); err != nil {
		return nil, err
	}
	if f.Stream, err = streamBytes(ctx, sys); err != nil {
		return nil, err
	}
	f.Added = f.Instance - f.Stream
	_, _ = fmt.Fprintf(progress, "\r%60s\r", "")
	return f, nil
}

// tight makes a Go program collect garbage so often that its resident memory is nearly all in use. Both sides get it.
const tight = "GOGC=5"

// settle is how long memory that is no longer used may take to go back to the system.
const settle = 2 * time.Second

func instanceBytes(ctx context.Context, sys *system) (int64, error) {
	function, err := sys.function(ctx, "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	p, err := sys.proxy(ctx, "idle", inMemory, portOf(function.addr), tight)
	if err != nil {
		return 0, err
	}
	if err := p.awaitReady(ctx); err != nil {
		return 0, err
	}
	c, err := newClient(p.addr, 1)
	if err != nil {
		return 0, err
	}
	defer c.close()
	items := newItems(sys.settings.Instances + 1)
	get := rowNamed("read").method
	if err := c.each(ctx, get, items[:1], 1); err != nil {
		return 0, err
	}
	before, err := settled(ctx, p)
	if err != nil {
		return 0, err
	}
	if err := c.each(ctx, get, items[1:], 16); err != nil {
		return 0, err
	}
	after, err := settled(ctx, p)
	if err != nil {
		return 0, err
	}
	if err := sys.end(p); err != nil {
		return 0, err
	}
	return (after - before) / int64(sys.settings.Instances), sys.end(function)
}

func streamBytes(ctx context.Context, sys *system) (int64, error) {
	echo, err := sys.child(ctx, "echo")
	if err != nil {
		return 0, err
	}
	p, err := sys.spawn(ctx, "bench streams", sys.self, []string{tight}, "streams", "-to", echo.addr, "-count", strconv.Itoa(sys.settings.Instances))
	if err != nil {
		return 0, err
	}
	if _, err := p.line(); err != nil {
		return 0, err
	}
	before, err := settled(ctx, p)
	if err != nil {
		return 0, err
	}
	if _, err := p.stdin.Write([]byte{'\n'}); err != nil {
		return 0, err
	}
	if _, err := p.line(); err != nil {
		return 0, err
	}
	after, err := settled(ctx, p)
	if err != nil {
		return 0, err
	}
	if err := sys.end(p); err != nil {
		return 0, err
	}
	return (after - before) / int64(sys.settings.Instances), sys.end(echo)
}

// settled is a process's resident memory once it has had time to give back what it does not use.
func settled(ctx context.Context, p *process) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(settle):
		return p.resident()
	}
}

// measureStarts starts proxies before and after their user function.
func (f *footprint) measureStarts(ctx context.Context, sys *system) error {
	var starts []float64
	for n := range sys.settings.Starts {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		early, err := sys.proxy(ctx, fmt.Sprintf("early-%d", n), embedded, port)
		if err != nil {
			return err
		}
		// Differently long each time, so that the proxy's retries are met at different moments.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second + time.Duration(n)*33*time.Millisecond):
		}
		function, err := sys.function(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err
		}
		listening := time.Now()
		if err := early.awaitReady(ctx); err != nil {
			return err
		}
		f.Ready = append(f.Ready, micros(time.Since(listening))/1e3)
		if err := sys.end(early); err != nil {
			return err
		}
		began := time.Now()
		late, err := sys.proxy(ctx, fmt.Sprintf("late-%d", n), embedded, port)
		if err != nil {
			return err
		}
		if err := late.awaitReady(ctx); err != nil {
			return err
		}
		starts = append(starts, micros(time.Since(began))/1e3)
		if f.Resident == 0 {
			if f.Resident, err = settled(ctx, late); err != nil {
				return err
			}
		}
		if err := sys.end(late); err != nil {
			return err
		}
		if err := sys.end(function); err != nil {
			return err
		}
	}
	f.ReadyMedian, f.Start = median(append([]float64(nil), f.Ready...)), median(starts)
	for _, r := range f.Ready {
		f.ReadyWorst = max(f.ReadyWorst, r)
	}
	return nil
}

func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr) // our own processes tell valid addresses
	n, _ := strconv.Atoi(port)
	return n
}
