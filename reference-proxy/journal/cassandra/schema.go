package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// schemaFormat is the version of the tables and of what is in them.
const schemaFormat = 1

// tables are created in this order; meta comes last, so that where it is, all are. Owners and leases
// are read with blocking read repair (Cassandra's default, written down since reads of
// the same rows must not go back in time). Events, snapshots and values are read without any: a
// repair writes back what the query names only, a head without its body, say. Their rows are written once and never
// changed, with time stamp 1, and deleted with time stamp 2: no clock has a say.
var tables = []string{
	`CREATE TABLE IF NOT EXISTS %s.owners (
	shard bigint PRIMARY KEY,
	fence bigint,
	holder text
) WITH comment = 'who owns a shard; changed by lightweight transactions only' AND read_repair = 'BLOCKING'`,
	`CREATE TABLE IF NOT EXISTS %s.leases (
	holder text PRIMARY KEY,
	beat bigint,
	length_ms bigint,
	handle blob
) WITH comment = 'signs of life; changed by lightweight transactions only; beat 0: ended' AND read_repair = 'BLOCKING'`,
	`CREATE TABLE IF NOT EXISTS %s.events (
	ns blob, key blob, bucket bigint,
	first bigint, fence bigint, attempt bigint, part int,
	head blob, data blob,
	PRIMARY KEY ((ns, key, bucket), first, fence, attempt, part)
) WITH CLUSTERING ORDER BY (first ASC, fence DESC, attempt DESC, part ASC)
  AND comment = 'appends; see ARCHITECTURE.md before touching a row' AND read_repair = 'NONE'`,
	`CREATE TABLE IF NOT EXISTS %s.snapshots (
	ns blob, key blob,
	pruned blob static, swept bigint static,
	seq bigint, fence bigint, attempt bigint, part int,
	head blob, data blob,
	PRIMARY KEY ((ns, key), seq, fence, attempt, part)
) WITH CLUSTERING ORDER BY (seq DESC, fence DESC, attempt DESC, part ASC) AND read_repair = 'NONE'`,
	`CREATE TABLE IF NOT EXISTS %s.vals (
	ns blob, key blob,
	fence bigint, attempt bigint, part int,
	head blob, data blob,
	PRIMARY KEY ((ns, key), fence, attempt, part)
) WITH CLUSTERING ORDER BY (fence DESC, attempt DESC, part ASC) AND read_repair = 'NONE'`,
	`CREATE TABLE IF NOT EXISTS %s.meta (
	name text PRIMARY KEY,
	value text
) WITH comment = 'format and domain of the store' AND read_repair = 'BLOCKING'`,
}

func (o Options) statements() []string {
	list := make([]string, 0, len(tables)+1)
	list = append(list, fmt.Sprintf("CREATE KEYSPACE IF NOT EXISTS %s WITH replication = %s AND durable_writes = true", o.Keyspace, o.Replication))
	for _, t := range tables {
		list = append(list, fmt.Sprintf(t, o.Keyspace))
	}
	return list
}

func (o Options) metaRows() [][2]string {
	return [][2]string{{"domain", o.domainText()}, {"format", strconv.Itoa(schemaFormat)}}
}

// Schema writes what Migrate would do as CQL, for those who do it by hand.
func Schema(w io.Writer, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- Format %d. One at a time: tables that are created twice at once are two tables.\n", schemaFormat)
	for _, s := range o.statements() {
		b.WriteString(s + ";\n")
	}
	for _, m := range o.metaRows() {
		fmt.Fprintf(&b, "INSERT INTO %s.meta (name, value) VALUES ('%s', '%s') IF NOT EXISTS;\n", o.Keyspace, m[0], m[1])
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// Migrate creates what is missing of keyspace and tables, and writes down the domain. It
// needs the right to create; Open does not. It must not run twice at once. A keyspace of
// another domain or of a newer version is refused.
func Migrate(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	session, err := connect(ctx, o, "")
	if err != nil {
		return err
	}
	defer closeSession(session)
	found, err := readMeta(ctx, session, o)
	switch {
	case err == nil:
		if err := checkMeta(found, o); err != nil {
			return err
		}
	case !errors.Is(err, journal.ErrSchema):
		return err
	}
	for _, s := range o.statements() {
		if err := session.Query(s).ExecContext(ctx); err != nil {
			return explain(o, fmt.Sprintf("create %s", strings.Fields(s)[5]), err)
		}
		if err := session.AwaitSchemaAgreement(ctx); err != nil {
			return explain(o, "wait for the nodes to agree on the schema", err)
		}
	}
	for _, m := range o.metaRows() {
		q := session.Query(fmt.Sprintf("INSERT INTO %s.meta (name, value) VALUES (?, ?) IF NOT EXISTS", o.Keyspace), m[0], m[1]).
			Consistency(o.quorum()).SerialConsistency(o.serial())
		// A cluster that has just made tables, or just started, may be too slow for the server's time limit of two seconds.
		_, err := insist(ctx, func(ctx context.Context) error {
			_, err := q.MapScanCASContext(ctx, map[string]any{})
			return err
		})
		if err != nil {
			return explain(o, "write the format", err)
		}
	}
	if found, err = readMeta(ctx, session, o); err != nil {
		return err
	}
	return checkMeta(found, o)
}

// readMeta returns the meta table, or journal.ErrSchema if there is none or nothing in it.
func readMeta(ctx context.Context, session *gocql.Session, o Options) (map[string]string, error) {
	it := session.Query(fmt.Sprintf("SELECT name, value FROM %s.meta", o.Keyspace)).Consistency(o.quorum()).Idempotent(true).IterContext(ctx)
	found := map[string]string{}
	var name, value string
	for it.Scan(&name, &value) {
		found[name] = value
	}
	if err := it.Close(); err != nil {
		return nil, explain(o, "read the format", err)
	}
	if found["format"] == "" {
		return nil, fmt.Errorf("%w: keyspace %s has no format written in its table meta; finish with `cloudstate-proxy store migrate`", journal.ErrSchema, o.Keyspace)
	}
	return found, nil
}

func checkMeta(found map[string]string, o Options) error {
	format, err := strconv.Atoi(found["format"])
	if err != nil || format < 1 {
		return fmt.Errorf("%w: keyspace %s says that its format is %q", journal.ErrFormat, o.Keyspace, found["format"])
	}
	if format > schemaFormat {
		return fmt.Errorf("%w: keyspace %s has format %d, this program knows %d; use the newer version that wrote it", journal.ErrFormat, o.Keyspace, format, schemaFormat)
	}
	if found["domain"] != o.domainText() {
		return fmt.Errorf("%w: keyspace %s was made for consistency %q, this program is set to %q; all who use it must agree, or writes are lost",
			ErrOptions, o.Keyspace, found["domain"], o.domainText())
	}
	return nil
}
