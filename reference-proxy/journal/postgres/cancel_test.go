package postgres

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	servers "github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// farewells notes what a store sends to end things.
type farewells struct {
	cancels atomic.Int64
	// gone gets one for each Terminate: whatever is cancelled of a connection is so before.
	gone chan struct{}
}

func (f *farewells) of(o Options) Options {
	f.gone = make(chan struct{}, 100)
	return wrapping(o, func(conn net.Conn) net.Conn { return &farewell{Conn: conn, of: f} })
}

type farewell struct {
	net.Conn
	of *farewells
}

func (c *farewell) Write(b []byte) (int, error) {
	switch {
	case len(b) >= 8 && bytes.Equal(b[4:8], []byte{0x04, 0xd2, 0x16, 0x2e}):
		c.of.cancels.Add(1)
	case bytes.Equal(b, []byte{'X', 0, 0, 0, 4}):
		c.of.gone <- struct{}{}
	}
	return c.Conn.Write(b)
}

// TestGivenUpWriteIsNotCancelled: as long as the synchronous standby that an event waits for is away, nobody sees the
// event, though the store has given up waiting. A fail-over to that standby would lose it.
func TestGivenUpWriteIsNotCancelled(t *testing.T) {
	own := servers.Run(t, servers.Options{})
	var sent farewells
	o := fresh(own.URL())
	if err := migrateOnly(within(t), o); err != nil {
		t.Fatal(err)
	}
	o.AutoMigrate = false
	patient := open(t, o)
	s := open(t, sent.of(o))
	ctx := within(t)
	f := claim(t, s, 1, "me")
	if err := s.Append(ctx, f, cart, 0, entries("event")); err != nil {
		t.Fatal(err)
	}
	conn, probe := connect(t, own.URL()), connect(t, own.URL())
	standby := func(name string) {
		execSQL(t, conn, "ALTER SYSTEM SET synchronous_standby_names = '"+name+"'")
		execSQL(t, conn, "SELECT pg_reload_conf()")
	}
	standby("nobody")
	// The server takes notice a little later; from then on every commit waits.
	var enough atomic.Bool
	probed := later(func() (err error) {
		for !enough.Load() && err == nil {
			_, err = probe.Exec(ctx, "CREATE TABLE probe (); DROP TABLE probe")
		}
		return err
	})
	for !ask[bool](t, conn, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')") {
		select {
		case err := <-probed:
			t.Fatalf("the server does not take notice of its standby: %v", err)
		default:
		}
	}
	enough.Store(true)
	s.options.Timeout = time.Second
	err := s.Append(ctx, f, cart, 1, entries("event"))
	for ctx.Err() == nil && journal.NotWritten(err) { // not even sent within the second
		err = s.Append(ctx, f, cart, 1, entries("event"))
	}
	if !errors.Is(err, journal.ErrUnknownOutcome) {
		t.Fatalf("an append that waits for a standby: %v", err)
	}
	select {
	case <-sent.gone:
	case <-ctx.Done():
		t.Fatal("the connection was not given up")
	}
	if n := sent.cancels.Load(); n != 0 {
		t.Errorf("the server was asked %d times to give up", n)
	}
	recs, _, err := patient.Read(ctx, cart, 0, journal.Chunk{})
	if err != nil || len(recs) != 1 {
		t.Errorf("%d events are visible, %v, want the one that is replicated", len(recs), err)
	}
	standby("")
	for err == nil && len(recs) == 1 {
		recs, _, err = patient.Read(ctx, cart, 0, journal.Chunk{})
	}
	if err != nil || len(recs) != 2 {
		t.Errorf("without standbys: %d events, %v, want 2", len(recs), err)
	}
	if err := <-probed; err != nil {
		t.Error(err)
	}
}

// TestGivenUpReadIsCancelled: the server does not go on with what nobody waits for.
func TestGivenUpReadIsCancelled(t *testing.T) {
	s := open(t, fresh(database(t)))
	claim(t, s, 1, "me") // a write forbids it no longer than it takes
	conn := connect(t, s.options.URL)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	sleeps := func() bool {
		return ask[bool](t, conn, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE state = 'active' AND wait_event = 'PgSleep' AND datname = current_database())`)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	done := later(func() error {
		return s.look(ctx, cart, "SELECT pg_sleep(3600) WHERE $1::bytea <> ''", nil, func() {}, func(pgx.Rows) error { return nil })
	})
	await := func(want bool, what string) {
		t.Helper()
		for limit := within(t); sleeps() != want; {
			select {
			case <-tick.C:
			case <-limit.Done():
				t.Fatal(what)
			}
		}
	}
	await(true, "the read did not begin")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a read that was given up: %v", err)
	}
	await(false, "the server goes on with it")
}
