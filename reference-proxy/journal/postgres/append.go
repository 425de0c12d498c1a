package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// sqlAppend checks and carries out many appends. Its first arguments have one element an
// append, numbered from 1 by their place:
//
//	$1 entity  $2 shard  $3 token  $4 holder  $5 expected  $6 namespace and $7 key, NULL unless it is the first append
//
// and the others one element an event:
//
//	$8 number of its append  $9 sequence number  $10 payload  $11 note
//
// The last event is found by one step backward in the index of the events; where all events
// were pruned, the entity knows. What is refused comes back, one row each.
const sqlAppend = `
WITH op AS MATERIALIZED (
	SELECT op.n, op.entity, op.namespace, op.key, op.expected,
		coalesce(o.token, 0) AS newest,
		coalesce(o.token = op.token AND o.holder = op.holder AND EXISTS (SELECT FROM {s}.leases l WHERE l.holder = op.holder), false) AS holds,
		coalesce(
			(SELECT e.seq FROM {s}.events e WHERE e.entity = op.entity ORDER BY e.seq DESC LIMIT 1),
			(SELECT i.pruned FROM {s}.entities i WHERE i.entity = op.entity),
			0) AS last
	FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[])
		WITH ORDINALITY AS op (entity, shard, token, holder, expected, namespace, key, n)
	LEFT JOIN {s}.owners o ON o.shard = op.shard
), verdict AS MATERIALIZED (
	SELECT array_agg(holds AND last = expected ORDER BY n) AS good FROM op
), named AS (
	INSERT INTO {s}.entities (entity, namespace, key)
	SELECT entity, namespace, key FROM op WHERE namespace IS NOT NULL AND holds AND last = expected
	ON CONFLICT DO NOTHING
), written AS (
	INSERT INTO {s}.events (entity, seq, payload, note)
	SELECT ($1::bytea[])[e.n], e.seq, e.payload, e.note
	FROM unnest($8::int[], $9::bigint[], $10::bytea[], $11::bytea[]) AS e (n, seq, payload, note), verdict
	WHERE verdict.good[e.n]
)
SELECT n::int, holds, newest, last FROM op, (SELECT ` + patient + `) AS settings WHERE NOT (holds AND last = expected)`

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	if err := journal.CheckAppend(id, expected, events); err != nil {
		return err
	}
	return s.group(ctx, &change{kind: appendEvents, fence: f, id: id, key: keyOf(id), expected: expected, entries: events})
}

// Adopt implements journal.Journal. A claim waits for the writes of earlier tokens, so all
// that is left is to check, with the locks that a write takes.
func (s *Store) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.group(ctx, &change{kind: appendEvents, fence: f, id: id, key: keyOf(id), expected: expected})
}

// columns are the arguments that sqlAppend and sqlPut begin with.
type columns struct {
	entity                 [][]byte
	shard, token, expected []int64
	holder                 []string
	namespace, keyOfEntity [][]byte
	number                 []int32
	version                []int64
	payload, note          [][]byte
}

func (c *columns) add(ch *change, first bool) {
	c.entity = append(c.entity, ch.key[:])
	c.shard = append(c.shard, int64(ch.fence.Shard))
	c.token = append(c.token, tokenOf(ch.fence))
	c.holder = append(c.holder, string(ch.fence.Holder))
	c.expected = append(c.expected, int64(ch.expected)) //nolint:gosec // CheckWrite
	var namespace, key []byte
	if first {
		namespace, key = []byte(ch.id.Namespace), []byte(ch.id.Key)
	}
	c.namespace = append(c.namespace, namespace)
	c.keyOfEntity = append(c.keyOfEntity, key)
}

// entry adds what ch writes under number, sequence number or version at.
func (c *columns) entry(number int, at uint64, e journal.Entry) {
	c.number = append(c.number, int32(number)) //nolint:gosec // the size of a group
	c.version = append(c.version, int64(at))   //nolint:gosec // CheckWrite
	payload, note := e.Payload, e.Note
	if payload == nil {
		payload = []byte{} // nil is NULL
	}
	if len(note) == 0 {
		note = nil
	}
	c.payload = append(c.payload, payload)
	c.note = append(c.note, note)
}

// tokenOf is the token as a bigint; one that cannot be is as good as none.
func tokenOf(f journal.Fence) int64 {
	token := int64(f.Token) //nolint:gosec // looked at in the next line
	return max(token, 0)
}

// appendStep is the statement for changes of the kind appendEvents.
func (s *Store) appendStep(changes []*change) step {
	var c columns
	for i, ch := range changes {
		c.add(ch, ch.expected == 0 && len(ch.entries) > 0)
		for j, e := range ch.entries {
			c.entry(i+1, ch.expected+uint64(j)+1, e)
		}
	}
	return step{
		sql: s.sql.append,
		args: []any{
			c.entity, c.shard, c.token, c.holder, c.expected, c.namespace, c.keyOfEntity,
			c.number, c.version, c.payload, c.note,
		},
		row: func(rows pgx.Rows) error { return refuse(changes, rows) },
	}
}
