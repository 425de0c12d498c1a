package userfunction

import (
	"context"
	"runtime"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// bare is plain grpc-go with the same codec: what the benchmarks of the pool compare with.
func bare(b *testing.B) *grpc.ClientConn {
	l := listen(b, "")
	echo(b, l)
	cc, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
	check(b, err)
	b.Cleanup(func() { _ = cc.Close() })
	return cc
}

func bareStream(b *testing.B, cc *grpc.ClientConn) grpc.ClientStream {
	s, err := cc.NewStream(context.Background(), streamDesc, method)
	check(b, err)
	check(b, s.SendMsg(&frame{}))
	check(b, s.RecvMsg(&frame{}))
	return s
}

func BenchmarkBareStream(b *testing.B) {
	cc := bare(b)
	streams := make([]grpc.ClientStream, 64)
	for i := range streams {
		streams[i] = bareStream(b, cc)
	}
	msg := make([]byte, 120)
	b.ReportAllocs()
	b.ResetTimer()
	inParallel(b, 64, func(i int) error {
		if err := streams[i].SendMsg(&frame{bytes: msg}); err != nil {
			return err
		}
		return streams[i].RecvMsg(&frame{})
	})
}

func BenchmarkBareUnary(b *testing.B) {
	cc := bare(b)
	msg := make([]byte, 120)
	b.ReportAllocs()
	inParallel(b, 64, func(int) error {
		return cc.Invoke(context.Background(), "/some.Action/call", &frame{bytes: msg}, &frame{})
	})
}

func BenchmarkBareIdleStream(b *testing.B) {
	const streams = 10000
	cc := bare(b)
	bareStream(b, cc)
	for b.Loop() {
		before := heap()
		goroutines := runtime.NumGoroutine()
		open := make([]grpc.ClientStream, streams)
		ctx, cancel := context.WithCancel(context.Background())
		for i := range open {
			s, err := cc.NewStream(ctx, streamDesc, method)
			check(b, err)
			check(b, s.SendMsg(&frame{}))
			check(b, s.RecvMsg(&frame{}))
			open[i] = s
		}
		b.ReportMetric(float64(heap()-before)/streams, "B/stream")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/streams, "goroutines/stream")
		runtime.KeepAlive(open)
		cancel()
		for runtime.NumGoroutine() > goroutines+10 {
			runtime.Gosched()
		}
	}
}
