package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// standStill begins a transaction with the lock of a write, sends half of the next message, and no more: a proxy that
// was stopped in the midst of a group. What it returns waits for its end.
func standStill(t *testing.T, url string, lock int64) (ended func() error) {
	t.Helper()
	conn := connect(t, url)
	execSQL(t, conn, "BEGIN")
	execSQL(t, conn, "SELECT pg_advisory_xact_lock_shared($1)", lock)
	wire := conn.PgConn().Conn()
	if _, err := wire.Write([]byte{'B', 0, 0, 1, 0, 'x'}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wire.Close() })
	return func() error {
		_, err := wire.Read(make([]byte, 1))
		return err
	}
}

// TestStandingStillKeepsNoShard: a proxy that stands still halfway through sending a group keeps its locks no longer than
// the time-out once others want them.
func TestStandingStillKeepsNoShard(t *testing.T) {
	s := open(t, fresh(database(t)))
	f := claim(t, s, 7, "old")
	s.options.Timeout = 1500 * time.Millisecond
	for _, c := range []struct {
		name string
		lock int64
		do   func(context.Context) error
		// done looks whether a try whose outcome is unknown did it: on a busy machine the answer may come after the time-out.
		done func(context.Context) (bool, error)
	}{
		{"end of lease", s.holderLock("old"), func(ctx context.Context) error { return s.EndLease(ctx, "old", 1) }, func(ctx context.Context) (bool, error) {
			_, alive, err := s.ReadLease(ctx, "old")
			return !alive, err
		}},
		{"claim", s.shardLock(7), func(ctx context.Context) error {
			if err := s.BeginLease(ctx, "new", time.Minute); err != nil && !errors.Is(err, journal.ErrConflict) {
				return err
			}
			_, err := s.Claim(ctx, 7, f.Token, "new")
			return err
		}, func(ctx context.Context) (bool, error) {
			owner, err := s.ReadOwner(ctx, 7)
			return owner.Holder == "new", err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ended := standStill(t, s.options.URL, c.lock)
			ctx := within(t)
			for doubt := false; ; {
				if doubt {
					if done, err := c.done(ctx); err == nil && done {
						break
					}
				}
				err := c.do(ctx)
				if err == nil {
					break
				}
				doubt = doubt || !journal.NotWritten(err)
				if ctx.Err() != nil || !errors.Is(err, journal.ErrUnavailable) && !errors.Is(err, journal.ErrUnknownOutcome) {
					t.Fatal(err)
				}
			}
			_ = ended()
		})
	}
}

// awaitStill waits until the server waits for conn to say more: its answer may arrive before it does.
func awaitStill(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	watcher := connect(t, conn.Config().ConnString())
	for ctx := within(t); !ask[bool](t, watcher, "SELECT coalesce(wait_event = 'ClientRead', false) FROM pg_stat_activity WHERE pid = $1", int64(conn.PgConn().PID())); {
		if err := ctx.Err(); err != nil {
			t.Fatal("the server never waited for its client:", err)
		}
	}
}

// TestOthersAreNotEvicted: who stands in a transaction with other locks, or for a shorter time, goes on.
func TestOthersAreNotEvicted(t *testing.T) {
	s := open(t, fresh(database(t)))
	conn := connect(t, s.options.URL)
	execSQL(t, conn, "BEGIN")
	execSQL(t, conn, "SELECT pg_advisory_xact_lock_shared($1)", s.shardLock(1))
	awaitStill(t, conn)
	for _, c := range []struct {
		name  string
		shard journal.Shard
		still time.Duration
		want  int
	}{
		{"a young transaction", 1, time.Hour, 0},
		{"with another lock", 2, 0, 0},
		{"an old one", 1, 0, 1},
	} {
		if n, err := s.evict(within(t), []int64{s.shardLock(c.shard)}, c.still); err != nil || n != c.want {
			t.Errorf("%s: %d sessions were ended, %v, want %d", c.name, n, err, c.want)
		}
	}
}
