package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Open connects to the database and checks that the schema is there, of this version's format, and
// that the user may write to it.
//
// ErrSettings: the options cannot be used. journal.ErrUnavailable: the server cannot be reached or does
// not let us in (trying again may help), or rights are missing. journal.ErrSchema: the schema has not been
// made, or has to be upgraded. journal.ErrFormat: it is of a newer version, or somebody else's. Messages say how to mend it and never hold a password.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, config, err := o.resolve()
	if err != nil {
		return nil, err
	}
	config.ConnConfig.ConnectTimeout = connectTimeout(config.ConnConfig.ConnectTimeout, o)
	dials := newDials()
	config.BeforeConnect, config.AfterConnect = dials.before, dials.after
	config.PingTimeout = min(o.Timeout/pingPart, longestPing)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	s := &Store{
		options: o,
		place:   placeOf(config.ConnConfig, o.Schema),
		sql:     newStatements(o.Schema),
		pool:    pool,
		dials:   dials,
		others:  make(chan struct{}, o.MaxConns-o.Groups-1),
	}
	s.queue = s.newQueue()
	err = s.check(ctx)
	if o.AutoMigrate && errors.Is(err, journal.ErrSchema) {
		// Only now: whoever has nothing to migrate need not wait for others that do.
		if _, err = Migrate(ctx, o); err == nil {
			err = s.check(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// A connection that was idle for a second is asked for a sign of life before it is used. How long that may take: a part
// of a call's time, as several may have died without a word.
const (
	pingPart    = 4
	longestPing = time.Second
)

// prepare readies a new connection. Should we vanish without a word in the middle of a
// transaction, the server has to notice, as it keeps our locks until then.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	if network := conn.PgConn().Conn().RemoteAddr().Network(); !strings.HasPrefix(network, "tcp") {
		return nil
	}
	_, err := conn.Exec(ctx, `SELECT set_config('tcp_keepalives_idle', '10', false),
		set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)`)
	return err
}

// need is what every statement of ours together may do.
var need = []struct{ table, rights string }{
	{"format", "SELECT"},
	{"entities", "SELECT, INSERT, UPDATE"},
	{"events", "SELECT, INSERT, DELETE"},
	{"snapshots", "SELECT, INSERT, UPDATE"},
	{"vals", "SELECT, INSERT, UPDATE, DELETE"},
	{"owners", "SELECT, INSERT, UPDATE"},
	{"leases", "SELECT, INSERT, UPDATE, DELETE"},
}

// check looks at the server and the schema.
func (s *Store) check(ctx context.Context) error {
	bound, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	conn, err := s.acquire(ctx, bound)
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := s.checkServer(bound, conn.Conn()); err != nil {
		return err
	}
	format, err := readFormat(bound, conn.Conn(), s.options.Schema)
	if err != nil {
		return s.place.explain(err)
	}
	if err := s.place.checkFormat(format); err != nil {
		return err
	}
	return s.checkRights(bound, conn.Conn())
}

// oldest is the oldest version of PostgreSQL that its makers cared for when this was written.
const oldest = 13_00_00

func (s *Store) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var text, fsync string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('fsync')`).
		Scan(&version, &text, &fsync)
	if err != nil {
		return s.place.explain(err)
	}
	if version < oldest {
		return fmt.Errorf("%w: %v: version %s is too old, 13 is the least", journal.ErrUnavailable, s.place, text)
	}
	if fsync != "on" {
		s.options.Logger.Warn("PostgreSQL runs with fsync off: a crash of its machine loses or destroys acknowledged data",
			"server", s.place.String())
	}
	return nil
}

func (s *Store) checkRights(ctx context.Context, conn *pgx.Conn) error {
	var missing []string
	for _, n := range need {
		for right := range strings.SplitSeq(n.rights, ", ") {
			var has bool
			err := conn.QueryRow(ctx, `SELECT has_table_privilege(to_regclass($1)::oid, $2)`, `"`+s.options.Schema+`".`+n.table, right).Scan(&has)
			if err != nil {
				return s.place.explain(fmt.Errorf("table %s: %w", n.table, err))
			}
			if !has {
				missing = append(missing, right+" on "+n.table)
			}
		}
	}
	if missing == nil {
		return nil
	}
	return s.place.explain(&pgconn.PgError{
		Severity: "ERROR", Code: codeNoRights,
		Message: "the user lacks the rights " + strings.Join(missing, ", "),
	})
}
