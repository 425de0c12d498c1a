package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

const (
	benchPayload = 200
	benchConns   = 10
)

func benchOptions(b *testing.B) Options {
	o := fresh(database(b))
	o.MaxConns = benchConns
	return o
}

func BenchmarkStore(b *testing.B) {
	journaltest.Bench(b, func(b *testing.B) journal.Store {
		s, err := Open(within(b), benchOptions(b))
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}

// BenchmarkAppends puts appends of one event through the store beside the driver's own
// inserts of the same rows into the same table, one transaction each: the same size of
// pool, the same durability, and no check of anything.
func BenchmarkAppends(b *testing.B) {
	for _, callers := range []int{64, 256} {
		b.Run(fmt.Sprintf("callers=%d/store", callers), func(b *testing.B) { benchStore(b, callers) })
		b.Run(fmt.Sprintf("callers=%d/raw", callers), func(b *testing.B) { benchRaw(b, callers) })
	}
}

func benchStore(b *testing.B, callers int) {
	s := open(b, benchOptions(b))
	fences := make([]journal.Fence, 16)
	for i := range fences {
		fences[i] = claim(b, s, journal.Shard(i), "bench") //nolint:gosec // 16 of them
	}
	event := []journal.Entry{{Payload: make([]byte, benchPayload)}}
	bench(b, callers, func(ctx context.Context, caller, n int) error {
		id := journal.EntityID{Namespace: "bench", Key: fmt.Sprint(caller)}
		return s.Append(ctx, fences[caller%len(fences)], id, uint64(n), event) //nolint:gosec // counts from 0
	})
}

func benchRaw(b *testing.B, callers int) {
	o := benchOptions(b)
	if _, err := Migrate(within(b), o); err != nil {
		b.Fatal(err)
	}
	_, config, err := o.resolve()
	if err != nil {
		b.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(within(b), config)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	payload := make([]byte, benchPayload)
	sql := fmt.Sprintf("INSERT INTO %s.events (entity, seq, payload, note) VALUES ($1, $2, $3, NULL)", o.Schema)
	bench(b, callers, func(ctx context.Context, caller, n int) error {
		key := sha256.Sum256(fmt.Append(nil, caller))
		_, err := pool.Exec(ctx, sql, key[:], n+1, payload)
		return err
	})
}

func bench(b *testing.B, callers int, do func(ctx context.Context, caller, n int) error) {
	var wg sync.WaitGroup
	var taken atomic.Int64
	b.ResetTimer()
	for caller := range callers {
		wg.Go(func() {
			for n := 0; taken.Add(1) <= int64(b.N); n++ {
				if err := do(context.Background(), caller, n); err != nil {
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

// BenchmarkReplay puts the replay of a long journal through the store beside one query of the driver's that
// reads the same rows into the same records.
func BenchmarkReplay(b *testing.B) {
	const events = 100_000
	s := open(b, benchOptions(b))
	ctx := context.Background()
	f := claim(b, s, 1, "bench")
	id := journal.EntityID{Namespace: "bench", Key: "replay"}
	batch := make([]journal.Entry, events/100)
	for i := range batch {
		batch[i].Payload = make([]byte, benchPayload)
	}
	for at := 0; at < events; at += len(batch) {
		if err := s.Append(ctx, f, id, uint64(at), batch); err != nil { //nolint:gosec // counts from 0
			b.Fatal(err)
		}
	}
	execSQL(b, connect(b, s.options.URL), "VACUUM ANALYZE "+s.options.Schema+".events")
	report := func(b *testing.B) {
		b.StopTimer()
		b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
	}
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			after := uint64(0)
			for more := true; more; {
				recs, m, err := s.Read(ctx, id, after, journal.Chunk{})
				if err != nil {
					b.Fatal(err)
				}
				after, more = after+uint64(len(recs)), m
			}
			if after != events {
				b.Fatalf("%d events", after)
			}
		}
		report(b)
	})
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		key := keyOf(id)
		sql := fmt.Sprintf("SELECT seq, payload, note FROM %s.events WHERE entity = $1 ORDER BY seq", s.options.Schema)
		for range b.N {
			rows, err := s.pool.Query(ctx, sql, key[:])
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for rows.Next() {
				var r journal.Record
				if err := rows.Scan(&r.Seq, &r.Payload, &r.Note); err != nil {
					b.Fatal(err)
				}
				n++
			}
			if rows.Err() != nil || n != events {
				b.Fatalf("%d events, %v", n, rows.Err())
			}
		}
		report(b)
	})
}
