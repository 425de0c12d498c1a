package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// sqlPut checks and carries out many changes of values. Its arguments have one element a
// change:
//
//	$1 entity  $2 shard  $3 token  $4 holder  $5 expected  $6 namespace and $7 key, NULL unless it is the first put
//	$8 kind  $9 payload  $10 note
//
// What is refused comes back. So does, as what would have been allowed, a change that another
// writer was faster with after this statement began: the row was not what it had been.
const sqlPut = `
WITH op AS MATERIALIZED (
	SELECT op.n, op.entity, op.namespace, op.key, op.expected, op.kind, op.payload, op.note,
		coalesce(o.token, 0) AS newest,
		coalesce(o.token = op.token AND o.holder = op.holder AND EXISTS (SELECT FROM {s}.leases l WHERE l.holder = op.holder), false) AS holds,
		coalesce((SELECT v.version FROM {s}.vals v WHERE v.entity = op.entity), 0) AS version
	FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::int[], $9::bytea[], $10::bytea[])
		WITH ORDINALITY AS op (entity, shard, token, holder, expected, namespace, key, kind, payload, note, n)
	LEFT JOIN {s}.owners o ON o.shard = op.shard
), good AS MATERIALIZED (
	SELECT * FROM op WHERE holds AND version = expected
), named AS (
	INSERT INTO {s}.entities (entity, namespace, key)
	SELECT entity, namespace, key FROM good WHERE namespace IS NOT NULL
	ON CONFLICT DO NOTHING
), made AS (
	INSERT INTO {s}.vals (entity, version, payload, note)
	SELECT entity, 1, payload, note FROM good WHERE kind = 1 AND expected = 0
	ON CONFLICT DO NOTHING
	RETURNING entity
), replaced AS (
	UPDATE {s}.vals v SET version = g.expected + 1, payload = g.payload, note = g.note
	FROM good g WHERE g.kind = 1 AND g.expected > 0 AND v.entity = g.entity AND v.version = g.expected
	RETURNING v.entity
), removed AS (
	DELETE FROM {s}.vals v USING good g
	WHERE g.kind = 2 AND g.expected > 0 AND v.entity = g.entity AND v.version = g.expected
	RETURNING v.entity
), done AS (
	SELECT entity FROM made UNION ALL SELECT entity FROM replaced UNION ALL SELECT entity FROM removed
)
SELECT n::int, holds, newest, version
FROM op, (SELECT ` + patient + `) AS settings
WHERE NOT (holds AND version = expected)
	OR (kind = 1 OR kind = 2 AND expected > 0) AND entity NOT IN (SELECT entity FROM done)`

// The kinds that sqlPut knows.
const (
	putOnlyCheck int32 = iota
	putValue
	putDelete
)

const sqlGetValue = `SELECT version, payload, note FROM {s}.vals WHERE entity = $1`

// GetValue implements journal.Values.
func (s *Store) GetValue(ctx context.Context, id journal.EntityID) (v journal.Value, err error) {
	err = s.look(ctx, id, s.sql.getValue, nil, func() { v = journal.Value{} }, func(rows pgx.Rows) error {
		v.Found = true
		var version int64
		err := rows.Scan(&version, &v.Payload, &v.Note)
		v.Version = uint64(version) //nolint:gosec // looked at below
		return err
	})
	if err == nil && v.Found && int64(v.Version) <= 0 { //nolint:gosec // that is the question
		err = s.damage(id, "its value has the version %d, versions begin at 1", int64(v.Version)) //nolint:gosec // as it is
	}
	if err != nil {
		return journal.Value{}, err
	}
	return v, nil
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (version uint64, err error) {
	if err := journal.CheckWrite(id, expected, e); err != nil {
		return 0, err
	}
	err = s.group(ctx, &change{kind: changeValue, put: putValue, fence: f, id: id, key: keyOf(id), expected: expected, entries: []journal.Entry{e}})
	if err != nil {
		return 0, err
	}
	return expected + 1, nil
}

// DeleteValue implements journal.Values.
func (s *Store) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.group(ctx, &change{kind: changeValue, put: putDelete, fence: f, id: id, key: keyOf(id), expected: expected})
}

// AdoptValue implements journal.Values; see Adopt.
func (s *Store) AdoptValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.group(ctx, &change{kind: changeValue, put: putOnlyCheck, fence: f, id: id, key: keyOf(id), expected: expected})
}

// errRaced means that another writer changed a value in the midst of our statement.
var errRaced = errors.New("another writer was faster")

// putStep is the statement for changes of the kind changeValue.
func (s *Store) putStep(changes []*change) step {
	var c columns
	var kinds []int32
	for _, ch := range changes {
		c.add(ch, ch.expected == 0 && ch.put == putValue)
		kinds = append(kinds, ch.put)
		var e journal.Entry
		if ch.put == putValue {
			e = ch.entries[0]
		}
		c.entry(0, 0, e)
	}
	return step{
		sql: s.sql.put,
		args: []any{
			c.entity, c.shard, c.token, c.holder, c.expected, c.namespace, c.keyOfEntity,
			kinds, c.payload, c.note,
		},
		row: func(rows pgx.Rows) error { return refuse(changes, rows) },
	}
}
