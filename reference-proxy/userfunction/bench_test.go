package userfunction

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// BenchmarkStream measures the hot path: one message there and one back on an open stream, for several callers that
// each have their own.
func BenchmarkStream(b *testing.B) {
	for _, connections := range []int{1, 2, 4} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("connections=%d/callers=%d", connections, callers), func(b *testing.B) {
				l := listen(b, "")
				echo(b, l)
				p := newPool(b, l.Addr(), func(c *Config) { c.Connections = connections })
				streams := openAll(b, p, callers)
				msg := make([]byte, 120)
				b.ReportAllocs()
				b.ResetTimer()
				inParallel(b, callers, func(i int) error {
					if err := streams[i].Send(msg); err != nil {
						return err
					}
					_, err := streams[i].Recv()
					return err
				})
			})
		}
	}
}

// BenchmarkUnary measures unary actions.
func BenchmarkUnary(b *testing.B) {
	for _, connections := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("connections=%d/callers=64", connections), func(b *testing.B) {
			l := listen(b, "")
			echo(b, l)
			p := newPool(b, l.Addr(), func(c *Config) { c.Connections = connections })
			msg := make([]byte, 120)
			b.ReportAllocs()
			inParallel(b, 64, func(int) error {
				_, err := p.ActionUnary(context.Background(), "/some.Action/call", msg)
				return err
			})
		})
	}
}

// inParallel shares b.N calls among the callers. Beside the time it reports the processor time, client's and server's
// together, which a busy machine distorts less.
func inParallel(b *testing.B, callers int, call func(int) error) {
	before := processorTime()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := i; n < b.N; n += callers {
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
}

func processorTime() int64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// BenchmarkIdleStream reports what an open, idle stream holds, on both sides together, and how much of it is gRPC's.
func BenchmarkIdleStream(b *testing.B) {
	const streams = 10000
	l := listen(b, "")
	echo(b, l)
	p := newPool(b, l.Addr(), nil)
	endAll(b, openAll(b, p, 1))
	for b.Loop() {
		before := heap()
		goroutines := runtime.NumGoroutine()
		open := openAll(b, p, streams)
		b.ReportMetric(float64(heap()-before)/streams, "B/stream")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/streams, "goroutines/stream")
		for _, s := range open {
			s.Cancel()
		}
		for runtime.NumGoroutine() > goroutines+10 {
			runtime.Gosched()
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
