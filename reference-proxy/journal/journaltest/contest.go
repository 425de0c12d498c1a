package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	// contestShards is how many shards the writers of a contest are spread over, as a proxy's entities are.
	contestShards = 100
	// contestEvents is the length of the journal that is replayed.
	contestEvents = 100_000
)

// Contest holds a store against the bare driver of its database: the same rows, the same server, the same durability. The
// difference is what the store's promises cost, less what its grouping gains.
type Contest struct {
	// Store is empty but for its schema.
	Store journal.Store
	// Write writes, without asking anything, the row of event seq of id as the store would, and returns when it is as durable.
	Write func(ctx context.Context, id journal.EntityID, seq uint64, payload []byte) error
	// Scan reads the rows of id in order by as few queries as they take, and returns how many there were.
	Scan func(ctx context.Context, id journal.EntityID) (int, error)
	// Fill gives id, which has no events yet, so many of them, as if each had been appended by itself.
	Fill func(ctx context.Context, f journal.Fence, id journal.EntityID, events int, payload []byte) error
	// Settings are the server's that decide how fast it is.
	Settings map[string]string
	// Close ends everything, the store included.
	Close func() error

	fences []journal.Fence
	filled bool
	// written is, by side and caller, how many events the caller's entity has.
	written [2][]uint64
}

// side is who carries a part of a contest out.
type side int

const (
	byStore side = iota
	byDriver
)

func (s side) String() string { return [...]string{"store", "driver"}[s] }

// long is the entity whose journal is replayed.
var long = journal.EntityID{Namespace: "contest", Key: "long"}

func (s side) entity(caller int) journal.EntityID {
	return journal.EntityID{Namespace: "contest", Key: fmt.Sprint(s, " ", caller)}
}

// begin claims the shards.
func (c *Contest) begin(ctx context.Context) error {
	if c.fences != nil {
		return nil
	}
	h := newHolder()
	if err := c.Store.BeginLease(ctx, h, leaseLength); err != nil {
		return err
	}
	for shard := range journal.Shard(contestShards) {
		f, err := claim(ctx, c.Store, shard, h)
		if err != nil {
			return err
		}
		c.fences = append(c.fences, f)
	}
	return nil
}

// append has so many callers at once, each with an entity of its own, write an event after the other, as long as more says
// that there is one. It returns how long each write took.
func (c *Contest) append(ctx context.Context, by side, callers int, more func() bool) ([]time.Duration, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	for len(c.written[by]) < callers {
		c.written[by] = append(c.written[by], 0)
	}
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		took []time.Duration
		errs error
	)
	for caller := range callers {
		all.Go(func() {
			var mine []time.Duration
			id, payload, last := by.entity(caller), make([]byte, benchPayload), &c.written[by][caller]
			event := []journal.Entry{{Payload: payload}}
			var err error
			for err == nil && more() {
				began := time.Now()
				if by == byStore {
					err = c.Store.Append(ctx, c.fences[caller%len(c.fences)], id, *last, event)
				} else {
					err = c.Write(ctx, id, *last+1, payload)
				}
				*last++
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			took, errs = append(took, mine...), errors.Join(errs, err)
		})
	}
	all.Wait()
	return took, errs
}

// replay reads the long journal once, from the first event to the last.
func (c *Contest) replay(ctx context.Context, by side) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	if !c.filled {
		if err := c.Fill(ctx, c.fences[0], long, contestEvents, make([]byte, benchPayload)); err != nil {
			return err
		}
		c.filled = true
	}
	events := 0
	var err error
	if by == byDriver {
		events, err = c.Scan(ctx, long)
	} else {
		for more := true; more && err == nil; {
			var recs []journal.Record
			recs, more, err = c.Store.Read(ctx, long, uint64(events), journal.Chunk{}) //nolint:gosec // counts from 0
			events += len(recs)
		}
	}
	if err == nil && events != contestEvents {
		err = fmt.Errorf("the %v read %d events of %d", by, events, contestEvents)
	}
	return err
}

// Bench measures both sides, one after the other. make bench alternates them (Contender).
func (c *Contest) Bench(b *testing.B) {
	b.Helper()
	ctx := context.Background()
	for _, callers := range []int{64, 256} {
		for _, by := range []side{byStore, byDriver} {
			b.Run(fmt.Sprintf("append/callers=%d/%v", callers, by), func(b *testing.B) {
				var mu sync.Mutex
				left := b.N
				more := func() bool {
					mu.Lock()
					defer mu.Unlock()
					left--
					return left >= 0
				}
				b.ReportAllocs()
				b.ResetTimer()
				if _, err := c.append(ctx, by, callers, more); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			})
		}
	}
	for _, by := range []side{byStore, byDriver} {
		b.Run(fmt.Sprintf("replay/%v", by), func(b *testing.B) {
			if err := c.replay(ctx, by); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if err := c.replay(ctx, by); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*contestEvents/b.Elapsed().Seconds(), "events/s")
		})
	}
}
