package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

func BenchmarkStore(b *testing.B) {
	journaltest.Bench(b, func(b *testing.B) journal.Store {
		s, err := Open(within(b), fresh(database(b)))
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}

func BenchmarkContest(b *testing.B) {
	c, err := newContest(within(b), database(b))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.Bench(b)
}

// rawConns is the size of the bare driver's pool.
const rawConns = 10

// newContest holds the store against inserts of the same rows into the same table by pgx, one transaction each, as its own
// statement: prepared, on a pool of its own, with the server's synchronous_commit, and no check of anything.
func newContest(ctx context.Context, url string) (*journaltest.Contest, error) {
	s, err := Open(ctx, Options{URL: url, Schema: "contest", AutoMigrate: true})
	if err != nil {
		return nil, err
	}
	o := s.options
	o.MaxConns = rawConns
	_, config, err := o.resolve()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	closeAll := func() error {
		pool.Close()
		return s.Close()
	}
	settings, err := serverSettings(ctx, pool)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	return &journaltest.Contest{
		Store: s, Write: rawWrite(pool, o.Schema), Scan: rawScan(pool, o.Schema), Fill: fill(s, pool), Settings: settings, Close: closeAll,
	}, nil
}

func rawWrite(pool *pgxpool.Pool, schema string) func(context.Context, journal.EntityID, uint64, []byte) error {
	sql := fmt.Sprintf("INSERT INTO %s.events (entity, seq, payload, note) VALUES ($1, $2, $3, NULL)", schema)
	return func(ctx context.Context, id journal.EntityID, seq uint64, payload []byte) error {
		key := keyOf(id)
		_, err := pool.Exec(ctx, sql, key[:], int64(seq), payload) //nolint:gosec // counts from 0
		return err
	}
}

func rawScan(pool *pgxpool.Pool, schema string) func(context.Context, journal.EntityID) (int, error) {
	sql := fmt.Sprintf("SELECT seq, payload, note FROM %s.events WHERE entity = $1 ORDER BY seq", schema)
	return func(ctx context.Context, id journal.EntityID) (n int, err error) {
		key := keyOf(id)
		rows, err := pool.Query(ctx, sql, key[:])
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for ; rows.Next(); n++ {
			var r journal.Record
			if err := rows.Scan(&r.Seq, &r.Payload, &r.Note); err != nil {
				return n, err
			}
		}
		return n, rows.Err()
	}
}

// fill appends many events at once: the rows are the same.
func fill(s *Store, pool *pgxpool.Pool) func(context.Context, journal.Fence, journal.EntityID, int, []byte) error {
	return func(ctx context.Context, f journal.Fence, id journal.EntityID, events int, payload []byte) error {
		batch := make([]journal.Entry, events/100)
		for i := range batch {
			batch[i].Payload = payload
		}
		for at := 0; at < events; at += len(batch) {
			if err := s.Append(ctx, f, id, uint64(at), batch); err != nil { //nolint:gosec // counts from 0
				return err
			}
		}
		// As the server does by itself, a while later.
		_, err := pool.Exec(ctx, "VACUUM ANALYZE "+s.options.Schema+".events")
		return err
	}
}

// serverSettings are those that decide how fast a commit is.
func serverSettings(ctx context.Context, pool *pgxpool.Pool) (map[string]string, error) {
	rows, err := pool.Query(ctx, `SELECT name, current_setting(name) FROM pg_settings WHERE name IN ('server_version', 'fsync',
		'synchronous_commit', 'wal_sync_method', 'full_page_writes', 'commit_delay', 'shared_buffers', 'max_wal_size', 'jit')`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	settings := map[string]string{"driver's connections": fmt.Sprint(rawConns), "store's connections": fmt.Sprint(DefaultMaxConns)}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		settings[name] = value
	}
	return settings, rows.Err()
}
