package pebble_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

func BenchmarkStore(b *testing.B) {
	for _, c := range []struct {
		name   string
		noSync bool
	}{{"sync", false}, {"nosync", true}} {
		b.Run(c.name, func(b *testing.B) {
			journaltest.Bench(b, func(b *testing.B) journal.Store {
				o := options(b, nil)
				o.DangerouslyNoSync = c.noSync
				return open(b, b.TempDir(), o)
			})
		})
	}
}

// BenchmarkLastSeq measures what the memory of last sequence numbers saves: appends to
// entities that are, and that are not, remembered. Nothing is synced, so that it shows.
func BenchmarkLastSeq(b *testing.B) {
	const entities = 10_000
	for _, c := range []struct {
		name string
		seqs int
	}{{"remembered", 0}, {"looked up", 1}} {
		b.Run(c.name, func(b *testing.B) {
			ctx := context.Background()
			o := options(b, nil)
			o.DangerouslyNoSync, o.LastSeqs = true, c.seqs
			s := open(b, b.TempDir(), o)
			f, err := own(ctx, s, 1)
			if err != nil {
				b.Fatal(err)
			}
			payload := []journal.Entry{{Payload: make([]byte, 200)}}
			b.ResetTimer()
			for n := range uint64(b.N) {
				id := journal.EntityID{Namespace: "bench", Key: fmt.Sprint(n % entities)}
				if err := s.Append(ctx, f, id, n/entities, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
