package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// barrier is an advisory lock of the tests' own: a trigger waits at it, so that a
// statement stands still between what it saw and its commit.
const barrier = 4242

// haltAt makes inserts into table wait at the barrier, which the returned connection holds.
func haltAt(t *testing.T, s *Store, table string) *pgx.Conn {
	t.Helper()
	conn := connect(t, s.options.URL)
	execSQL(t, conn, fmt.Sprintf(`CREATE FUNCTION %[1]s.halt() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(%[2]d); RETURN NEW; END $$`, s.options.Schema, barrier))
	execSQL(t, conn, fmt.Sprintf(`CREATE TRIGGER halt BEFORE INSERT OR UPDATE ON %[1]s.%[2]s FOR EACH ROW EXECUTE FUNCTION %[1]s.halt()`, s.options.Schema, table))
	execSQL(t, conn, "SELECT pg_advisory_lock($1)", barrier)
	return conn
}

// awaitLocks returns when n sessions wait for advisory locks, of which one is that of a
// call whose outcome must not be there before.
func awaitLocks(t *testing.T, conn *pgx.Conn, n int, stuck <-chan error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx := within(t)
	for ask[int](t, conn, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) < n {
		select {
		case err := <-stuck:
			t.Fatalf("what should have waited for a lock returned: %v", err)
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no %d sessions wait for a lock", n)
		}
	}
}

func later[T any](do func() T) chan T {
	out := make(chan T, 1)
	go func() { out <- do() }()
	return out
}

// TestClaimWaitsForWritesUnderWay has a claim come between the check of a write and its
// commit. Without locks the claim would return at once, and the old token's event would appear afterwards.
func TestClaimWaitsForWritesUnderWay(t *testing.T) {
	old := open(t, fresh(database(t)))
	other := clone(t, old)
	ctx := within(t)
	f := claim(t, old, 7, "old")
	conn := haltAt(t, old, "events")
	written := later(func() error { return old.Append(ctx, f, cart, 0, entries("late")) })
	awaitLocks(t, conn, 1, written)

	// As if the holder had been silent: its shard is free for another that waited it out.
	execSQL(t, conn, "DELETE FROM "+old.options.Schema+".leases")
	if err := other.BeginLease(ctx, "new", time.Minute); err != nil {
		t.Fatal(err)
	}
	claimed := later(func() error { _, err := other.Claim(ctx, 7, f.Token, "new"); return err })
	awaitLocks(t, conn, 2, claimed)
	execSQL(t, conn, "SELECT pg_advisory_unlock($1)", barrier)
	if err := <-written; err != nil {
		t.Fatalf("the write that was there first: %v", err)
	}
	if err := <-claimed; err != nil {
		t.Fatal(err)
	}
	if err := old.Append(ctx, f, cart, 1, entries("no")); !errors.Is(err, journal.ErrFenced) {
		t.Fatalf("a write after the claim: %v", err)
	}
}

// TestEndOfLeaseWaitsForWritesUnderWay is the same for the end of a lease.
func TestEndOfLeaseWaitsForWritesUnderWay(t *testing.T) {
	old := open(t, fresh(database(t)))
	other := clone(t, old)
	ctx := within(t)
	f := claim(t, old, 7, "old")
	conn := haltAt(t, old, "vals")
	written := later(func() error { _, err := old.PutValue(ctx, f, cart, 0, entries("late")[0]); return err })
	awaitLocks(t, conn, 1, written)
	ended := later(func() error { return other.EndLease(ctx, "old", 1) })
	awaitLocks(t, conn, 2, ended)
	execSQL(t, conn, "SELECT pg_advisory_unlock($1)", barrier)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"put":    old.DeleteValue(ctx, f, cart, 1),
		"append": old.Append(ctx, f, cart, 0, entries("no")),
		"adopt":  old.Adopt(ctx, f, cart, 0),
	} {
		if !errors.Is(err, journal.ErrFenced) {
			t.Errorf("%s after the end of the lease: %v", name, err)
		}
	}
}

// TestWriteSeesTheClaimThatItWaitedFor: the check must look at what is there after the lock
// was had, also where the server's default is to look at what was there before.
func TestWriteSeesTheClaimThatItWaitedFor(t *testing.T) {
	for _, isolation := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			url := database(t)
			admin := connect(t, url)
			name := ask[string](t, admin, "SELECT current_database()")
			execSQL(t, admin, fmt.Sprintf("ALTER DATABASE %s SET default_transaction_isolation TO '%s'", name, isolation))
			old := open(t, fresh(url))
			other := clone(t, old)
			ctx := within(t)
			f := claim(t, old, 7, "old")
			if err := other.BeginLease(ctx, "new", time.Minute); err != nil {
				t.Fatal(err)
			}
			if err := old.Append(ctx, f, cart, 0, entries("one")); err != nil {
				t.Fatal(err)
			}
			if err := old.Release(ctx, f); err != nil {
				t.Fatal(err)
			}
			execSQL(t, admin, "UPDATE "+old.options.Schema+".owners SET holder = 'old'")
			execSQL(t, admin, "DELETE FROM "+old.options.Schema+".leases WHERE holder = 'old'")
			execSQL(t, admin, "INSERT INTO "+old.options.Schema+".owners VALUES (8, 1, 'x')")
			conn := haltAt(t, old, "owners")
			claimed := later(func() error { _, err := other.Claim(ctx, 7, f.Token, "new"); return err })
			awaitLocks(t, conn, 1, claimed)
			written := later(func() error { return old.Append(ctx, f, cart, 1, entries("no")) })
			awaitLocks(t, conn, 2, written)
			execSQL(t, conn, "SELECT pg_advisory_unlock($1)", barrier)
			if err := <-claimed; err != nil {
				t.Fatal(err)
			}
			var fenced *journal.FencedError
			if err := <-written; !errors.As(err, &fenced) || fenced.Newest != f.Token+1 {
				t.Fatalf("a write that began under the old token: %v", err)
			}
		})
	}
}

// TestRacedGroup has a stranger write the next event of one entity while a group that holds it is under
// way: that one's write is a conflict, the others are carried out.
func TestRacedGroup(t *testing.T) {
	o := fresh(database(t))
	o.Groups = 1
	s := open(t, o)
	ctx := within(t)
	f := claim(t, s, 7, "me")
	raced := journal.EntityID{Namespace: "cart", Key: "raced"}
	if err := s.Append(ctx, f, raced, 0, entries("one")); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, o.URL)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	key := keyOf(raced)
	if _, err := tx.Exec(ctx, "INSERT INTO "+o.Schema+".events VALUES ($1, 2, 'stranger', NULL)", key[:]); err != nil {
		t.Fatal(err)
	}
	changes := []*change{
		{kind: appendEvents, fence: f, id: cart, key: keyOf(cart), entries: entries("mine")},
		{kind: appendEvents, fence: f, id: raced, key: key, expected: 1, entries: entries("mine")},
		{kind: changeValue, put: putValue, fence: f, id: cart, key: keyOf(cart), entries: entries("mine")},
	}
	done := later(func() []error { return s.run(changes) })
	watch := connect(t, o.URL)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ask[int](t, watch, "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted") == 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the group does not wait for the stranger")
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	errs := <-done
	var conflict *journal.ConflictError
	if errs[0] != nil || errs[2] != nil || !errors.As(errs[1], &conflict) || conflict.Actual != 2 {
		t.Fatalf("outcomes %v", errs)
	}
}

// TestLeasesAreNotStarved: neither writes nor reads that stand still keep a lease from being renewed.
func TestLeasesAreNotStarved(t *testing.T) {
	s := open(t, fresh(database(t)))
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	f := claim(t, s, 7, "me")
	conn := connect(t, s.options.URL)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "LOCK TABLE "+s.options.Schema+".events, "+s.options.Schema+".entities IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	var stuck []chan error
	for i := range 2 * s.options.MaxConns {
		id := journal.EntityID{Namespace: "stuck", Key: fmt.Sprint(i)}
		stuck = append(stuck,
			later(func() error { return s.Append(ctx, f, id, 0, entries("one")) }),
			later(func() error { _, _, err := s.Read(ctx, id, 0, journal.Chunk{}); return err }),
		)
	}
	watch := connect(t, s.options.URL)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ask[int](t, watch, "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted") < s.options.MaxConns-1 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("writes and reads do not stand still")
		}
	}
	for beat := range uint64(20) {
		if err := s.RenewLease(ctx, "me", beat+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	for _, done := range stuck {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestPlans: whatever the tables hold, the last event is found by one step backward in the index, a chunk by its
// range, and what lies between two entities by both of them: a list that looks on to the end of the table for each takes
// for ever.
func TestPlans(t *testing.T) {
	s := open(t, fresh(database(t)))
	conn := connect(t, s.options.URL)
	schema := s.options.Schema
	execSQL(t, conn, "SET plan_cache_mode = force_generic_plan")
	execSQL(t, conn, "SET search_path TO "+schema)
	look := func(what string) {
		t.Helper()
		for _, c := range []struct {
			name, sql, want string
			times, args     int
		}{
			{"append", s.sql.append, "Scan Backward using events_pkey", 1, 11},
			{"read", s.sql.read, "((entity = $1) AND (seq > $2) AND (seq <= $3))", 1, 4},
			{"list", s.sql.list, "Index Cond: ((entity > i.before) AND (entity < i.entity))", 3, 2},
		} {
			exec := fmt.Sprintf("EXPLAIN EXECUTE p (%s)", strings.Join(slices.Repeat([]string{"NULL"}, c.args), ", "))
			execSQL(t, conn, "DEALLOCATE ALL")
			execSQL(t, conn, "PREPARE p AS "+c.sql)
			rows, err := conn.Query(within(t), exec, pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			plan := strings.Join(lines, "\n")
			if strings.Count(plan, c.want) < c.times || strings.Contains(plan, "Seq Scan on events") {
				t.Errorf("%s, %s:\n%s", c.name, what, plan)
			}
		}
	}
	look("no event at all")
	execSQL(t, conn, "INSERT INTO events SELECT sha256('a'), n, 'x', NULL FROM generate_series(1, 20000) n")
	execSQL(t, conn, "ANALYZE events")
	look("one entity has all the events")
	execSQL(t, conn, "INSERT INTO events SELECT sha256(n::text::bytea), 1, 'x', NULL FROM generate_series(1, 20000) n")
	execSQL(t, conn, "ANALYZE events")
	look("many have one event each")
}
