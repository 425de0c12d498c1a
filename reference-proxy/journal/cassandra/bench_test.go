package cassandra_test

import (
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// BenchmarkAppend is appends of one event of 200 bytes to many entities, through the store
// and as the same rows written by the bare driver at the same consistency.
func BenchmarkAppend(b *testing.B) {
	c := node(b)
	o := fresh(b, c)
	payload := make([]byte, 200)
	for _, callers := range []int{64, 256} {
		b.Run(fmt.Sprintf("store/%d", callers), func(b *testing.B) {
			s := open(b, o)
			w := own(b, s, rand.Text(), 1)
			ctx := within(b)
			space := rand.Text()
			id := func(caller int) journal.EntityID {
				return journal.EntityID{Namespace: space, Key: fmt.Sprint(caller)}
			}
			for i := range callers {
				if err := w.Adopt(ctx, w.fence, id(i), 0); err != nil {
					b.Fatal(err)
				}
			}
			parallel(b, callers, func(caller int, n uint64) error {
				return s.Append(ctx, w.fence, id(caller), n, []journal.Entry{{Payload: payload}})
			})
		})
		b.Run(fmt.Sprintf("driver/%d", callers), func(b *testing.B) {
			session := raw(b, c, o)
			ctx, head := within(b), make([]byte, 24)
			space := []byte(rand.Text())
			parallel(b, callers, func(caller int, n uint64) error {
				return session.Query("INSERT INTO events (ns, key, bucket, first, fence, attempt, part, head, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1",
					space, fmt.Append(nil, caller), int64(0), int64(n+1), int64(1), int64(1), 0, head, payload).Idempotent(true).ExecContext(ctx)
			})
		})
	}
}

// parallel shares b.N calls among callers, each of which numbers its own from 0.
func parallel(b *testing.B, callers int, call func(caller int, n uint64) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for n := uint64(0); left.Add(-1) >= 0; n++ {
				if err := call(i, n); err != nil {
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
