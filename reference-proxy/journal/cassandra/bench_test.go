package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	server "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

func BenchmarkContest(b *testing.B) {
	o := fresh(b, node(b))
	c, err := contest(within(b), o)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.Bench(b)
}

// newContest makes a keyspace on the cluster that where names as host and port.
func newContest(ctx context.Context, where string) (*journaltest.Contest, error) {
	o := cassandra.Options{Hosts: []string{where}, Keyspace: "contest", Replication: "{'class': 'SimpleStrategy', 'replication_factor': 1}"}
	if err := cassandra.Migrate(ctx, o); err != nil {
		return nil, err
	}
	return contest(ctx, o)
}

// contest holds the store against inserts of the same rows into the same table by gocql, at QUORUM, with the same number of
// connections, and no check of anything.
func contest(ctx context.Context, o cassandra.Options) (*journaltest.Contest, error) {
	s, err := cassandra.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	config := gocql.NewCluster(o.Hosts...)
	if o.Port != 0 {
		config.Port = o.Port
	}
	config.Keyspace, config.Consistency, config.DefaultTimestamp = o.Keyspace, gocql.Quorum, false
	config.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.RoundRobinHostPolicy())
	config.Logger = gocql.NewLogger(gocql.LogLevelNone)
	session, err := config.CreateSession()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	closeAll := func() error {
		server.Close(session)
		return s.Close()
	}
	settings, err := serverSettings(ctx, session)
	if err != nil {
		return nil, errors.Join(err, closeAll())
	}
	return &journaltest.Contest{
		Store: s, Write: rawWrite(session), Scan: rawScan(session), Fill: s.Lay, Settings: settings, Close: closeAll,
	}, nil
}

func rawWrite(session *gocql.Session) func(context.Context, journal.EntityID, uint64, []byte) error {
	head := make([]byte, 24) // as long as a record's
	return func(ctx context.Context, id journal.EntityID, seq uint64, payload []byte) error {
		return session.Query("INSERT INTO events (ns, key, bucket, first, fence, attempt, part, head, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1",
			[]byte(id.Namespace), []byte(id.Key), int64(0), int64(seq), int64(1), int64(1), 0, head, payload).Idempotent(true).ExecContext(ctx) //nolint:gosec // counts from 0
	}
}

func rawScan(session *gocql.Session) func(context.Context, journal.EntityID) (int, error) {
	return func(ctx context.Context, id journal.EntityID) (events int, err error) {
		for bucket, rows := int64(0), 1; rows > 0; bucket++ {
			it := session.Query("SELECT first, fence, attempt, part, head, data FROM events WHERE ns = ? AND key = ? AND bucket = ?",
				[]byte(id.Namespace), []byte(id.Key), bucket).Idempotent(true).IterContext(ctx)
			var first, fence, attempt int64
			var part int
			var head, data []byte
			for rows = 0; it.Scan(&first, &fence, &attempt, &part, &head, &data); rows++ {
				if first > 0 { // the root is no event
					events++
				}
			}
			if err := it.Close(); err != nil {
				return events, fmt.Errorf("bucket %d: %w", bucket, err)
			}
		}
		return events, nil
	}
}

// serverSettings are those that decide how fast a write is.
func serverSettings(ctx context.Context, session *gocql.Session) (map[string]string, error) {
	settings := map[string]string{}
	var name, value string
	it := session.Query(`SELECT name, value FROM system_views.settings WHERE name IN ('commitlog_sync', 'commitlog_sync_period',
		'commitlog_sync_group_window', 'commitlog_segment_size', 'memtable_heap_space', 'concurrent_writes')`).IterContext(ctx)
	for it.Scan(&name, &value) {
		settings[name] = value
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	if err := session.Query("SELECT release_version FROM system.local").ScanContext(ctx, &value); err != nil {
		return nil, err
	}
	settings["release_version"] = value
	settings["consistency"] = "QUORUM of one replica"
	return settings, nil
}
