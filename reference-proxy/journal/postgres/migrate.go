package postgres

import (
	"context"
	_ "embed" // the steps are files
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Format is the version of the schema that this package reads and writes.
var Format = len(migrations)

//go:embed migrations/0001.sql
var format1 string

// migrations are the steps from one format to the next: the first makes format 1 of
// nothing. A step that was ever released is never changed.
var migrations = []string{format1}

// sqlFormat is the table that tells the format: its highest row.
const sqlFormat = `CREATE TABLE format (
	version    integer     PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now(),
	applied_by text        NOT NULL DEFAULT current_user
);
`

// Migration is what Migrate did.
type Migration struct {
	// From and To are formats; From is 0 when there was no schema. They are the same when
	// nothing was to be done.
	From, To int
}

// Migrate makes the schema, or upgrades it to this version's format, in one transaction: all of it, or
// nothing. Any number of processes may do so at once; they take turns. It needs the right to create
// tables in the schema, and where there is no such schema, to create it.
//
// Connecting and awaiting its turn take the options' time-out at most, each; so does each lock of a table. How long an
// upgrade's own work takes depends on what is stored, so that only ctx bounds it.
//
// Errors are those of Open. A transaction whose outcome is unknown may be tried again.
func Migrate(ctx context.Context, o Options) (Migration, error) {
	return migrate(ctx, o, migrations)
}

// migrate is Migrate with the steps given.
func migrate(ctx context.Context, o Options, steps []string) (Migration, error) {
	o, config, err := o.resolve()
	if err != nil {
		return Migration{}, err
	}
	config.ConnConfig.ConnectTimeout = connectTimeout(config.ConnConfig.ConnectTimeout, o)
	guardCancels(config.ConnConfig)
	where := placeOf(config.ConnConfig, o.Schema)
	bound, cancel := context.WithTimeout(ctx, 2*o.Timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(bound, config.ConnConfig)
	if err != nil {
		return Migration{}, where.unreached(ctx, err)
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Timeout)
		defer cancel()
		// This ends the transaction, too. What is left to say when it fails has been said by COMMIT.
		_ = conn.Close(ending)
	}()
	tx, from, err := takeTurn(bound, conn, where, o.Timeout)
	if err != nil {
		return Migration{}, where.explain(err)
	}
	if err := upgrade(ctx, conn, where, from, steps); err != nil {
		return Migration{}, err
	}
	defer forbidCancels(conn)()
	if err := tx.Commit(ctx); err != nil {
		return Migration{}, where.explain(err)
	}
	return Migration{From: from, To: len(steps)}, nil
}

func connectTimeout(fromURL time.Duration, o Options) time.Duration {
	if fromURL > 0 && fromURL < o.Timeout {
		return fromURL
	}
	return o.Timeout
}

// takeTurn begins the transaction of a migration, when no other is under way, and finds the format there is.
func takeTurn(ctx context.Context, conn *pgx.Conn, where place, most time.Duration) (tx pgx.Tx, from int, err error) {
	if err := prepare(ctx, conn); err != nil {
		return nil, 0, err
	}
	if tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}); err != nil {
		return nil, 0, err
	}
	for _, sql := range []string{
		"SET LOCAL synchronous_commit = on",
		fmt.Sprintf("SET LOCAL lock_timeout = %d", most.Milliseconds()),
		fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", lockKey(where.schema, "migration", 0)),
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, 0, err
		}
	}
	from, err = readFormat(ctx, conn, where.schema)
	return tx, from, err
}

// upgrade makes of the format from the newest, in the transaction that conn is in.
func upgrade(ctx context.Context, conn *pgx.Conn, where place, from int, steps []string) error {
	if from > len(steps) {
		return where.newer(from)
	}
	if from == 0 {
		if err := makeSchema(ctx, conn, where); err != nil {
			return err
		}
	}
	for version := from + 1; version <= len(steps); version++ {
		sql := fmt.Sprintf("SET LOCAL search_path TO %q;\n%s", where.schema, script(version, steps[version-1]))
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return where.explainMaking(err)
		}
	}
	return nil
}

func makeSchema(ctx context.Context, conn *pgx.Conn, where place) error {
	// CREATE SCHEMA IF NOT EXISTS asks for rights also where it has nothing to do.
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", where.schema).Scan(&exists); err != nil {
		return where.explain(err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE SCHEMA %q", where.schema)); err != nil {
		return where.explainMaking(err)
	}
	return nil
}

// explainMaking is explain for statements that make things.
func (p place) explainMaking(err error) error {
	switch answer := refusal(err); {
	case answer != nil && answer.Code == codeNoRights:
		return fmt.Errorf("%w: %v: %w; run it as a user who may create schemas and tables here, or have somebody apply the output of "+
			"\"cloudstate-proxy store print-schema\"", journal.ErrUnavailable, p, err)
	case answer != nil && answer.Code == codeTableExists:
		return fmt.Errorf("%w: %v: schema %q has tables of somebody else: %w; choose another schema", journal.ErrFormat, p, p.schema, err)
	}
	return p.explain(err)
}

// script is the text of the step to version, with the note that it was done.
func script(version int, step string) string {
	var b strings.Builder
	if version == 1 {
		b.WriteString(sqlFormat)
	}
	fmt.Fprintf(&b, "%s\nINSERT INTO format (version) VALUES (%d);\n", step, version)
	return b.String()
}

// Schema returns the statements that make the schema of the given name ("": DefaultSchema), for
// somebody else to apply: psql runs it in one transaction.
func Schema(schema string) (string, error) {
	schema, err := checkSchema(schema)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `-- The tables of the Cloudstate reference proxy, format %[2]d. To be applied once, to a database without them:
--   psql --set ON_ERROR_STOP=1 --file THIS.sql DATABASE
-- A user who runs the proxy and does not own the tables needs, besides:
--   GRANT USAGE ON SCHEMA "%[1]s" TO "...";
--   GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "%[1]s" TO "...";
BEGIN;
CREATE SCHEMA IF NOT EXISTS "%[1]s";
SET LOCAL search_path TO "%[1]s";

`, schema, Format)
	for i, step := range migrations {
		b.WriteString(script(i+1, step))
	}
	b.WriteString("COMMIT;\n")
	return b.String(), nil
}

// readFormat returns the format of the schema, 0 if it has none.
func readFormat(ctx context.Context, conn *pgx.Conn, schema string) (int, error) {
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'format')`, schema).Scan(&exists); err != nil {
		return 0, err
	}
	if !exists {
		return 0, nil
	}
	var format int
	err := conn.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(max(version), 0) FROM %q.format", schema)).Scan(&format)
	return format, err
}

// checkFormat compares the format that was found with ours.
func (p place) checkFormat(found int) error {
	switch {
	case found == 0:
		return fmt.Errorf("%w: %v: %s", journal.ErrSchema, p, p.migrateFirst())
	case found > Format:
		return p.newer(found)
	case found < Format:
		return fmt.Errorf("%w: %v: schema %q is of format %d, this version needs %d: stop the older proxies and run \"cloudstate-proxy store migrate\"",
			journal.ErrSchema, p, p.schema, found, Format)
	}
	return nil
}

func (p place) newer(found int) error {
	return fmt.Errorf("%w: %v: schema %q is of format %d, made by a newer version; this one knows formats up to %d and changes nothing: "+
		"run the newer version, or restore a backup from before the upgrade", journal.ErrFormat, p, p.schema, found, Format)
}
