package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// inside is the whole program, run inside the test's own process so that its goroutines and memory can be counted.
type inside struct {
	client string
	output *lockedBuffer
	stop   context.CancelFunc
	exited chan int
}

// runInside starts the program with state in memory and waits until it is ready.
func runInside(t testing.TB, function int, args ...string) *inside {
	t.Helper()
	free := ports(t, 2)
	ctx, cancel := context.WithCancel(context.Background())
	p := &inside{
		client: "127.0.0.1:" + strconv.Itoa(free[0]),
		output: &lockedBuffer{}, stop: cancel, exited: make(chan int, 1),
	}
	all := append([]string{
		"--http-host", "127.0.0.1", "--http-port", strconv.Itoa(free[0]),
		"--management-host", "127.0.0.1", "--management-port", strconv.Itoa(free[1]),
		"--user-function-port", strconv.Itoa(function),
		"--store", "memory", "--log-level", "error",
	}, args...)
	go func() { p.exited <- Run(ctx, all, nil, p.output, p.output) }()
	t.Cleanup(func() {
		p.end(t)
		if t.Failed() {
			t.Logf("the proxy said:\n%s", p.output)
		}
	})
	ready := fmt.Sprintf("http://127.0.0.1:%d/ready", free[1])
	await(t, "the proxy to be ready", func() bool {
		res, err := http.Get(ready)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	http.DefaultClient.CloseIdleConnections()
	return p
}

// end stops the program in order; once is enough.
func (p *inside) end(t testing.TB) {
	t.Helper()
	if p.stop == nil {
		return
	}
	p.stop()
	p.stop = nil
	select {
	case code := <-p.exited:
		if code != 0 {
			t.Errorf("the proxy ended with status %d", code)
		}
	case <-time.After(patience):
		t.Errorf("the proxy did not end within %v", patience)
	}
}

// await looks again and again until it is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// usage is what the process holds: bytes in live objects, bytes of goroutine stacks, goroutines.
type usage struct {
	heap, stacks int64
	goroutines   int
}

func measure() usage {
	// Twice: the first collection only moves what sync.Pool holds to its victims.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int64(m.HeapAlloc), int64(m.StackInuse), runtime.NumGoroutine()}
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %.1f MiB heap, %.1f MiB stacks", u.goroutines, float64(u.heap)/(1<<20), float64(u.stacks)/(1<<20))
}
