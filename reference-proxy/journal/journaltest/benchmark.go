package journaltest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// benchPayload is the size of an event in benchmarks: an Any with a small message.
const benchPayload = 200

// Bench measures a store: appends of one event at several numbers of writers, each with
// an entity of its own, and reads of a long journal.
func Bench(b *testing.B, open func(b *testing.B) journal.Store) {
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("append/writers=%d", writers), func(b *testing.B) { benchAppend(b, open(b), writers) })
	}
	b.Run("read/events=10000", func(b *testing.B) { benchRead(b, open(b), 10_000) })
}

func benchAppend(b *testing.B, s journal.Store, writers int) {
	defer s.Close()
	ctx := context.Background()
	f := benchFence(ctx, b, s)
	batch := []journal.Entry{{Payload: make([]byte, benchPayload)}}
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for w := range writers {
		wg.Go(func() {
			id := journal.EntityID{Namespace: "bench", Key: fmt.Sprint(w)}
			for last := uint64(0); next.Add(1) <= int64(b.N); last++ {
				if err := s.Append(ctx, f, id, last, batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

func benchRead(b *testing.B, s journal.Store, events int) {
	defer s.Close()
	ctx := context.Background()
	f := benchFence(ctx, b, s)
	id := journal.EntityID{Namespace: "bench", Key: "read"}
	for at := 0; at < events; at += 100 {
		batch := make([]journal.Entry, 100)
		for i := range batch {
			batch[i].Payload = make([]byte, benchPayload)
		}
		if err := s.Append(ctx, f, id, uint64(at), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		after := uint64(0)
		for more := true; more; {
			recs, m, err := s.Read(ctx, id, after, journal.Chunk{})
			if err != nil {
				b.Fatal(err)
			}
			after, more = after+uint64(len(recs)), m
		}
		if after != uint64(events) {
			b.Fatalf("%d events of %d", after, events)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)*float64(events)/b.Elapsed().Seconds(), "events/s")
}

// benchFence returns a fence that holds.
func benchFence(ctx context.Context, b *testing.B, s journal.Store) journal.Fence {
	b.Helper()
	h := newHolder()
	if err := s.BeginLease(ctx, h, leaseLength); err != nil {
		b.Fatal(err)
	}
	f, err := claim(ctx, s, 1, h)
	if err != nil {
		b.Fatal(err)
	}
	return f
}
