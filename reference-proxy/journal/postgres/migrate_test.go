package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// migrateVariable makes the test program migrate a schema and end.
const migrateVariable = "POSTGRES_TEST_MIGRATE"

func migrateAsProcess(url string) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := Migrate(ctx, Options{URL: url})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = fmt.Fprint(os.Stdout, m.From, m.To)
	return 0
}

// TestManyProcessesMigrateAtOnce: one does the work, the others wait and find it done.
func TestManyProcessesMigrateAtOnce(t *testing.T) {
	url := database(t)
	const processes = 8
	out := make([]bytes.Buffer, processes)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			c := exec.CommandContext(within(t), os.Args[0], "-test.run=^$")
			c.Env = append(os.Environ(), migrateVariable+"="+url)
			c.Stdout, c.Stderr = &out[i], &out[i]
			if err := c.Run(); err != nil {
				t.Errorf("process %d: %v: %s", i, err, out[i].String())
			}
		})
	}
	wg.Wait()
	made := 0
	for i := range out {
		switch got := out[i].String(); got {
		case fmt.Sprint(0, Format):
			made++
		case fmt.Sprint(Format, Format):
		default:
			t.Errorf("process %d: %q", i, got)
		}
	}
	if made != 1 {
		t.Errorf("%d processes made the schema", made)
	}
	open(t, Options{URL: url})
}

func TestUpgradeAndFormats(t *testing.T) {
	ctx := within(t)
	o := fresh(database(t))
	o.AutoMigrate = false
	conn := connect(t, o.URL)
	if _, err := Open(ctx, o); !errors.Is(err, journal.ErrSchema) || !strings.Contains(err.Error(), "store migrate") {
		t.Fatalf("no schema: %v", err)
	}
	if m, err := Migrate(ctx, o); err != nil || m != (Migration{0, Format}) {
		t.Fatalf("first migration %+v, %v", m, err)
	}
	s := open(t, o)
	f := claim(t, s, 1, "me")
	if err := s.Append(ctx, f, cart, 0, entries("kept")); err != nil {
		t.Fatal(err)
	}

	// A step that fails leaves nothing of itself, or of the steps before it.
	broken := append(slices.Clone(migrations), "CREATE TABLE more (a int);", "CREATE TABLE more2 (a int); SELECT no_such_function();")
	if _, err := migrate(ctx, o, broken); err == nil || !strings.Contains(err.Error(), "no_such_function") {
		t.Fatalf("a broken step: %v", err)
	}
	if ask[bool](t, conn, "SELECT to_regclass($1) IS NOT NULL", o.Schema+".more") {
		t.Fatal("half an upgrade was left")
	}
	open(t, o)

	newer := append(slices.Clone(migrations), "ALTER TABLE events ADD COLUMN extra int; CREATE TABLE more (a int);")
	if m, err := migrate(ctx, o, newer); err != nil || m != (Migration{Format, Format + 1}) {
		t.Fatalf("upgrade %+v, %v", m, err)
	}
	for name, err := range map[string]error{
		"open":    openOnly(ctx, o),
		"migrate": migrateOnly(ctx, o),
	} {
		if !errors.Is(err, journal.ErrFormat) || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("%s of a newer format: %v", name, err)
		}
	}
	if n := ask[int](t, conn, "SELECT count(*) FROM "+o.Schema+".events"); n != 1 {
		t.Errorf("%d events after the upgrade", n)
	}

	// What an older version left.
	execSQL(t, conn, "UPDATE "+o.Schema+".format SET version = 0 - version")
	if err := openOnly(ctx, o); !errors.Is(err, journal.ErrSchema) {
		t.Errorf("a format that is too old: %v", err)
	}
}

func openOnly(ctx context.Context, o Options) error {
	s, err := Open(ctx, o)
	if err == nil {
		err = s.Close()
	}
	return err
}

func migrateOnly(ctx context.Context, o Options) error {
	_, err := Migrate(ctx, o)
	return err
}

// TestPrintedSchemaIsTheMigratedOne: somebody else may apply what is printed.
func TestPrintedSchemaIsTheMigratedOne(t *testing.T) {
	describe := func(url, schema string) string {
		conn := connect(t, url)
		return ask[string](t, conn, `SELECT string_agg(concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default), E'\n' ORDER BY table_name, ordinal_position)
			FROM information_schema.columns WHERE table_schema = $1`, schema) +
			ask[string](t, conn, `SELECT string_agg(replace(indexdef, schemaname, ''), E'\n' ORDER BY indexname) FROM pg_indexes WHERE schemaname = $1`, schema)
	}
	o := fresh(database(t))
	if err := migrateOnly(within(t), o); err != nil {
		t.Fatal(err)
	}
	printed, err := Schema("printed")
	if err != nil {
		t.Fatal(err)
	}
	url := database(t)
	conn := connect(t, url)
	if _, err := conn.Exec(within(t), printed, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if got, want := describe(url, "printed"), describe(o.URL, o.Schema); got != want || want == "" {
		t.Errorf("printed:\n%s\nmigrated:\n%s", got, want)
	}
	open(t, Options{URL: url, Schema: "printed"})
}

func TestTablesOfSomebodyElse(t *testing.T) {
	o := fresh(database(t))
	conn := connect(t, o.URL)
	execSQL(t, conn, "CREATE SCHEMA "+o.Schema)
	execSQL(t, conn, "CREATE TABLE "+o.Schema+".events (a int)")
	err := migrateOnly(within(t), o)
	if !errors.Is(err, journal.ErrFormat) || !strings.Contains(err.Error(), "somebody else") {
		t.Fatal(err)
	}
	if ask[bool](t, conn, "SELECT to_regclass($1) IS NOT NULL", o.Schema+".format") {
		t.Error("something was made beside them")
	}
}

// TestMigrationsTurnIsAwaitedWithinBounds: a migration that somebody else does not finish costs the time-out, and
// only those that have something to migrate.
func TestMigrationsTurnIsAwaitedWithinBounds(t *testing.T) {
	o := fresh(database(t))
	conn := connect(t, o.URL)
	hold := func(schema string) {
		execSQL(t, conn, "SELECT pg_advisory_lock($1)", lockKey(schema, "migration", 0))
	}
	hold(o.Schema)
	hasty := o
	hasty.Timeout = 2 * time.Second // of which the way to the lock, on a busy machine, must not take all
	ctx := within(t)
	beside := later(func() error { return openOnly(ctx, hasty) })
	for what, err := range map[string]error{"migrate": migrateOnly(ctx, hasty), "open": <-beside} {
		if !errors.Is(err, journal.ErrUnavailable) || ctx.Err() != nil || !strings.Contains(err.Error(), "another transaction holds") {
			t.Errorf("%s beside a migration without end: %v", what, err)
		}
	}
	execSQL(t, conn, "SELECT pg_advisory_unlock_all()")
	open(t, o)
	hold(o.Schema)
	if err := openOnly(ctx, o); err != nil {
		t.Errorf("open where nothing is to be done: %v", err)
	}
}
