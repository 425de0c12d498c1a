package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	servers "github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

// patience bounds a failure; nothing is expected to take that long.
const patience = 5 * time.Minute

// server is the one that tests share, unless they harm it.
var server *servers.Server

func TestMain(m *testing.M) {
	journaltest.Victim(openVictim)
	journaltest.Contender(newContest)
	if url := os.Getenv(migrateVariable); url != "" {
		os.Exit(migrateAsProcess(url))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	if server, err = servers.Start(ctx, servers.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

var schemas atomic.Int64

// fresh are options for a schema that nobody has used.
func fresh(url string) Options {
	return Options{
		URL: url, Schema: fmt.Sprintf("test_%d", schemas.Add(1)), MaxConns: 6, AutoMigrate: true,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// wrapping has the store's connections wrapped.
func wrapping(o Options, wrap func(net.Conn) net.Conn) Options {
	o.configure = func(c *pgxpool.Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return wrap(conn), nil
		}
	}
	return o
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// database is a fresh database of the shared server.
func database(t testing.TB) string {
	t.Helper()
	url, err := server.NewDatabase(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// connect opens a connection beside the store's.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(within(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execSQL(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(within(t), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func ask[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(within(t), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// claim gives holder a lease, if it has none, and the shard.
func claim(t testing.TB, s *Store, shard journal.Shard, h journal.Holder) journal.Fence {
	t.Helper()
	ctx := within(t)
	if _, alive, err := s.ReadLease(ctx, h); err != nil {
		t.Fatal(err)
	} else if !alive {
		if err := s.BeginLease(ctx, h, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := s.ReadOwner(ctx, shard)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Claim(ctx, shard, owner.Token, h)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func entries(payloads ...string) []journal.Entry {
	out := make([]journal.Entry, len(payloads))
	for i, p := range payloads {
		out[i].Payload = []byte(p)
	}
	return out
}

var cart = journal.EntityID{Namespace: "cart", Key: "one"}

// clone is another handle on the same schema.
func clone(t testing.TB, s *Store) *Store {
	t.Helper()
	o := s.options
	o.AutoMigrate = false
	return open(t, o)
}

// awaitWaiting returns when n writes wait for their group.
func awaitWaiting(t *testing.T, s *Store, n int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx := within(t)
	for s.queue.Waiting() < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d writes wait, want %d", s.queue.Waiting(), n)
		}
	}
}
