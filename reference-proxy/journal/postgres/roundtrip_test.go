package postgres

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// line is what the connections of one store go through.
type line struct {
	trips atomic.Int64
	// What to do at the next write: once each.
	swallow, refuse atomic.Bool
}

func (l *line) through(o Options) Options {
	return wrapping(o, func(conn net.Conn) net.Conn { return &tapped{Conn: conn, line: l} })
}

// tapped counts how often the direction turns from reading to writing.
type tapped struct {
	net.Conn
	line    *line
	mu      sync.Mutex
	writing bool
	deaf    bool
}

var errCut = errors.New("cut by the test")

func (c *tapped) Write(p []byte) (int, error) {
	c.mu.Lock()
	if !c.writing {
		c.writing = true
		c.line.trips.Add(1)
	}
	if c.line.refuse.CompareAndSwap(true, false) {
		c.mu.Unlock()
		_ = c.Conn.Close()
		return 0, errCut
	}
	if c.line.swallow.CompareAndSwap(true, false) {
		c.deaf = true
	}
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deaf && n > 0 {
		// The answer is lost on its way.
		_ = c.Conn.Close()
		return 0, errCut
	}
	if n > 0 {
		c.writing = false
	}
	return n, err
}

func TestAGroupIsOneRoundTrip(t *testing.T) {
	var l line
	o := l.through(fresh(database(t)))
	o.MaxConns, o.Groups = 3, 1
	s := open(t, o)
	ctx := within(t)
	const shards, others = 16, 64
	fences := make([]journal.Fence, shards)
	for i := range fences {
		fences[i] = claim(t, s, journal.Shard(i), "me") //nolint:gosec // a few
	}
	id := func(i int) journal.EntityID { return journal.EntityID{Namespace: "n", Key: fmt.Sprint(i)} }
	// Every connection of the pool has prepared both statements.
	conns, err := s.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conns.Release()
	for i := range 20 {
		if err := s.Append(ctx, fences[0], id(0), uint64(i), entries("warm")); err != nil { //nolint:gosec // counts from 0
			t.Fatal(err)
		}
		if _, err := s.PutValue(ctx, fences[0], id(0), uint64(i), entries("warm")[0]); err != nil { //nolint:gosec // counts from 0
			t.Fatal(err)
		}
	}
	before := l.trips.Load()
	if err := s.Append(ctx, fences[0], id(0), 20, entries("alone")); err != nil {
		t.Fatal(err)
	}
	if n := l.trips.Load() - before; n != 1 {
		t.Errorf("an append took %d round trips", n)
	}

	// The first stands at a lock until all others wait for it to come back.
	conn := connect(t, o.URL)
	execSQL(t, conn, "SELECT pg_advisory_lock($1)", s.shardLock(0))
	before = l.trips.Load()
	var all []chan error
	all = append(all, later(func() error { return s.Append(ctx, fences[0], id(0), 21, entries("first")) }))
	awaitLocks(t, conn, 1, all[0])
	for i := 1; i <= others; i++ {
		all = append(all,
			later(func() error { return s.Append(ctx, fences[i%shards], id(i), 0, entries("a", "b", "c")) }),
			later(func() error {
				_, err := s.PutValue(ctx, fences[i%shards], id(i), 0, entries("a")[0])
				return err
			}))
	}
	awaitWaiting(t, s, 2*others)
	execSQL(t, conn, "SELECT pg_advisory_unlock($1)", s.shardLock(0))
	for _, done := range all {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := l.trips.Load() - before; n != 2 {
		t.Errorf("one write and a group of %d took %d round trips, want 2", 2*others, n)
	}

	before = l.trips.Load()
	for i := range 10 {
		if _, _, err := s.Read(ctx, id(0), uint64(i), journal.Chunk{Records: 5}); err != nil { //nolint:gosec // counts from 0
			t.Fatal(err)
		}
	}
	// The first one of a connection prepares.
	if n := l.trips.Load() - before; n > 10+int64(o.MaxConns) {
		t.Errorf("10 chunks took %d round trips", n)
	}
}

func TestLostAnswerIsUnknown(t *testing.T) {
	var l line
	s := open(t, l.through(fresh(database(t))))
	ctx := within(t)
	f := claim(t, s, 1, "me")
	if err := s.Append(ctx, f, cart, 0, entries("one")); err != nil {
		t.Fatal(err)
	}
	l.swallow.Store(true)
	err := s.Append(ctx, f, cart, 1, entries("two"))
	if !errors.Is(err, journal.ErrUnknownOutcome) || journal.NotWritten(err) {
		t.Fatalf("an append whose answer was lost: %v", err)
	}
	// The server need not have seen the end of it yet; a claim waits for it.
	f = claim(t, s, 1, "me")
	recs, _, err := s.Read(ctx, cart, 0, journal.Chunk{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, f, cart, uint64(len(recs)), entries("three")); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasNotSentIsSentAgain(t *testing.T) {
	var l line
	s := open(t, l.through(fresh(database(t))))
	ctx := within(t)
	f := claim(t, s, 1, "me")
	for i := range uint64(5) {
		l.refuse.Store(true)
		if err := s.Append(ctx, f, cart, i, entries("x")); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
}

// TestLargeWriteHasLonger: the time-out is for what is usual; a write of a hundred thousand events takes its time.
func TestLargeWriteHasLonger(t *testing.T) {
	o := fresh(database(t))
	if err := migrateOnly(within(t), o); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	f := claim(t, s, 1, "me")
	s.options.Timeout = 100 * time.Millisecond
	const events = 200_000
	many := make([]journal.Entry, events)
	for i := range many {
		many[i].Payload = []byte{1}
	}
	began := time.Now()
	if err := s.Append(within(t), f, cart, 0, many); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events in %v", events, time.Since(began).Round(time.Millisecond))
	if got := s.limit(transaction{size: maxGroupBytes}); got != s.options.Timeout {
		t.Errorf("a usual group has %v", got)
	}
	if got := s.limit(transaction{size: maxGroupBytes + 3<<20}); got != s.options.Timeout+3*time.Second {
		t.Errorf("3 MiB more have %v", got)
	}
}
