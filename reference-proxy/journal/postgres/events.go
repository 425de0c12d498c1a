package postgres

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// sqlRead returns a chunk of the events of entity $1: those behind $2 up to $3, no more than $4 bytes of
// them but one at least. With each comes the same: what was pruned, and the number of the first event behind the
// chunk, wherever that is. So there is always a row.
//
// Most chunks hold all of their range; to see that takes one sum. Only for others it is counted, which takes
// several times as long, how far the bytes reach. The chunk is a range and not a LIMIT: a plan that does not know how
// many rows are wanted may decide to sort all events of the entity, for each chunk.
const sqlRead = `
WITH chunk AS MATERIALIZED (
	SELECT CASE WHEN coalesce(sum(octet_length(payload) + coalesce(octet_length(note), 0)), 0) <= $4 THEN $3 ELSE (
		SELECT max(seq)
		FROM (
			SELECT seq,
				row_number() OVER w AS place,
				sum(octet_length(payload) + coalesce(octet_length(note), 0)) OVER (w ROWS UNBOUNDED PRECEDING) AS bytes
			FROM {s}.events WHERE entity = $1 AND seq > $2 AND seq <= $3
			WINDOW w AS (ORDER BY seq)
		) AS measured
		WHERE place = 1 OR bytes <= $4
	) END AS through
	FROM {s}.events WHERE entity = $1 AND seq > $2 AND seq <= $3
)
SELECT
	coalesce((SELECT i.pruned FROM {s}.entities i WHERE i.entity = $1), 0),
	coalesce((SELECT e.seq FROM {s}.events e WHERE e.entity = $1 AND e.seq > (SELECT through FROM chunk) ORDER BY e.seq LIMIT 1), 0),
	coalesce(c.seq, 0), c.payload, c.note
FROM (SELECT) AS always LEFT JOIN (
	SELECT seq, payload, note FROM {s}.events
	WHERE entity = $1 AND seq > $2 AND seq <= (SELECT through FROM chunk)
	ORDER BY seq
) AS c ON true`

// maxChunkRecords bounds what one query returns, whatever the caller admits.
const maxChunkRecords = 1 << 20

// Read implements journal.Journal, with one query a chunk.
func (s *Store) Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) (recs []journal.Record, more bool, err error) {
	max = max.WithDefaults()
	behind := min(after, math.MaxInt64)
	through := min(behind+uint64(min(max.Records, maxChunkRecords)), math.MaxInt64) //nolint:gosec // above 0
	var pruned, following, seq int64
	var r journal.Record
	args := []any{int64(behind), int64(through), int64(max.Bytes)} //nolint:gosec // as the lines above say
	err = s.look(ctx, id, s.sql.read, args,
		func() { recs, following = nil, 0 },
		func(rows pgx.Rows) error {
			if err := rows.Scan(&pruned, &following, &seq, &r.Payload, &r.Note); err != nil {
				return err
			}
			if seq != 0 {
				r.Seq = uint64(seq) //nolint:gosec // above $2
				recs = append(recs, r)
			}
			return nil
		})
	if err != nil {
		return nil, false, err
	}
	if after < uint64(pruned) { //nolint:gosec // counts from 0
		return nil, false, &journal.PrunedError{ID: id, After: after, Through: uint64(pruned)} //nolint:gosec // counts from 0
	}
	// The rows come in order because of how they are found, not because the outer query asked for it.
	slices.SortFunc(recs, func(a, b journal.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	last := after
	for _, r := range recs {
		if r.Seq != last+1 {
			return nil, false, s.damage(id, "event %d is missing, the next is %d", last+1, r.Seq)
		}
		last = r.Seq
	}
	if following != 0 && uint64(following) != last+1 { //nolint:gosec // above last
		return nil, false, s.damage(id, "event %d is missing, the next is %d", last+1, following)
	}
	return recs, following != 0, nil
}

// sqlSnapshot finds the snapshot of entity $1, and whether its event is there or was pruned.
const sqlSnapshot = `
SELECT n.seq, n.payload,
	EXISTS (SELECT FROM {s}.events e WHERE e.entity = n.entity AND e.seq = n.seq)
	OR coalesce((SELECT i.pruned >= n.seq FROM {s}.entities i WHERE i.entity = n.entity), false)
FROM {s}.snapshots n WHERE n.entity = $1`

// LatestSnapshot implements journal.Snapshots. A snapshot whose event is not there is
// damage: events were lost that it was made from.
func (s *Store) LatestSnapshot(ctx context.Context, id journal.EntityID) (snap journal.Snapshot, found bool, err error) {
	var seq int64
	var founded bool
	err = s.look(ctx, id, s.sql.snapshot, nil,
		func() { snap, found = journal.Snapshot{}, false },
		func(rows pgx.Rows) error {
			found = true
			return rows.Scan(&seq, &snap.Payload, &founded)
		})
	if err == nil && found && (!founded || seq < 1) {
		err = s.damage(id, "there is a snapshot of event %d, but not the event", seq)
	}
	if err != nil || !found {
		return journal.Snapshot{}, false, err
	}
	snap.Seq = uint64(seq) //nolint:gosec // 1 or more
	return snap, true, nil
}

// fenced is a common table expression of one row: whether the fence $2 (shard), $3 (token), $4 (holder) holds, and what
// is known of entity $1.
const fenced = `
op AS MATERIALIZED (
	SELECT
		coalesce(o.token, 0) AS newest,
		coalesce(o.token = $3::bigint AND o.holder = $4::text AND EXISTS (SELECT FROM {s}.leases l WHERE l.holder = $4::text), false) AS holds,
		coalesce((SELECT e.seq FROM {s}.events e WHERE e.entity = $1 ORDER BY e.seq DESC LIMIT 1), i.pruned, 0) AS last,
		coalesce(n.seq, 0) AS snapshot,
		i.pruned
	FROM (VALUES (1)) AS one (row)
	LEFT JOIN {s}.owners o ON o.shard = $2::bigint
	LEFT JOIN {s}.entities i ON i.entity = $1::bytea
	LEFT JOIN {s}.snapshots n ON n.entity = $1::bytea
)`

// sqlSave keeps the snapshot of event $5 with the state $6.
const sqlSave = `
WITH ` + fenced + `, saved AS (
	INSERT INTO {s}.snapshots AS present (entity, seq, payload)
	SELECT $1, $5::bigint, $6::bytea FROM op WHERE holds AND last >= $5
	ON CONFLICT (entity) DO UPDATE SET seq = excluded.seq, payload = excluded.payload WHERE present.seq < excluded.seq
)
SELECT holds, newest, last, 0::bigint, 0::bigint FROM op, (SELECT ` + patient + `) AS settings`

// SaveSnapshot implements journal.Snapshots. It does not wait for the server's disk: what is
// committed after it brings it along, and what was committed before it is there.
func (s *Store) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
	if err := journal.CheckSnapshot(id, snap); err != nil {
		return err
	}
	payload := snap.Payload
	if payload == nil {
		payload = []byte{}
	}
	found, err := s.guarded(ctx, f, id, s.sql.save, true, int64(snap.Seq), payload) //nolint:gosec // CheckSnapshot
	if err != nil {
		return err
	}
	if found.last < snap.Seq {
		return &journal.ConflictError{ID: id, Expected: snap.Seq, Actual: found.last}
	}
	return nil
}

// sqlPrune removes events through $5, but no more than $6 of them at once, if a snapshot covers all.
const sqlPrune = `
WITH ` + fenced + `, bound AS MATERIALIZED (
	SELECT least($5::bigint, pruned + $6::bigint) AS through FROM op WHERE holds AND snapshot >= $5 AND pruned < $5
), removed AS (
	DELETE FROM {s}.events e USING bound b WHERE e.entity = $1 AND e.seq <= b.through
), marked AS (
	UPDATE {s}.entities i SET pruned = greatest(i.pruned, b.through) FROM bound b WHERE i.entity = $1
)
SELECT holds, newest, last, snapshot, coalesce((SELECT through FROM bound), pruned, -1) FROM op, (SELECT ` + patient + `) AS settings`

// pruneStep is how many events one transaction removes: a long history must not make one
// that takes longer than the time-out.
const pruneStep = 10_000

// Prune implements journal.Journal. A long history is removed in several transactions, the
// oldest events first; when it fails in between, what was removed stays so.
func (s *Store) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckWrite(id, through); err != nil {
		return err
	}
	for {
		found, err := s.guarded(ctx, f, id, s.sql.prune, false, int64(through), int64(pruneStep)) //nolint:gosec // CheckWrite
		if err != nil {
			return err
		}
		switch {
		case found.snapshot < through:
			return &journal.ConflictError{ID: id, Expected: through, Actual: found.snapshot}
		case through == 0 || found.pruned >= 0 && uint64(found.pruned) >= through: //nolint:gosec // looked at
			return nil
		case found.pruned < 0:
			return s.damage(id, "its row in the table entities is missing")
		}
	}
}

// facts are what a guarded statement tells.
type facts struct {
	last, snapshot uint64
	pruned         int64 // -1: the entity is not known
}

// guarded runs a statement under a fence, alone: sql with the entity, the fence and args. The
// statement writes nothing unless the fence holds.
func (s *Store) guarded(ctx context.Context, f journal.Fence, id journal.EntityID, sql string, lazy bool, args ...any) (facts, error) {
	leave, err := s.enter()
	if err != nil {
		return facts{}, err
	}
	defer leave()
	if !keepable(f.Holder) {
		return facts{}, &journal.FencedError{Fence: f}
	}
	done, err := s.wait(ctx)
	if err != nil {
		return facts{}, err
	}
	defer done()
	var (
		holds                          bool
		newest, last, snapshot, pruned int64
	)
	key := keyOf(id)
	size := 0
	for _, arg := range args {
		if b, ok := arg.([]byte); ok {
			size += len(b)
		}
	}
	err = s.transact(ctx, transaction{
		shared: s.writeLocks(f), lazy: lazy, size: size,
		steps: []step{{
			sql:  sql,
			args: append([]any{key[:], int64(f.Shard), tokenOf(f), string(f.Holder)}, args...),
			row:  func(rows pgx.Rows) error { return rows.Scan(&holds, &newest, &last, &snapshot, &pruned) },
		}},
	})
	if err != nil {
		return facts{}, fmt.Errorf("%s: %w", id, err)
	}
	if !holds {
		return facts{}, &journal.FencedError{Fence: f, Newest: journal.Token(newest)} //nolint:gosec // tokens count from 1
	}
	return facts{last: uint64(last), snapshot: uint64(snapshot), pruned: pruned}, nil //nolint:gosec // both count from 0
}

// look runs a query about one entity, whose key becomes $1.
func (s *Store) look(ctx context.Context, id journal.EntityID, sql string, args []any, restart func(), row func(pgx.Rows) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	done, err := s.wait(ctx)
	if err != nil {
		return err
	}
	defer done()
	key := keyOf(id)
	err = s.query(ctx, sql, append([]any{key[:]}, args...), restart, row)
	if isCode(err, codeDamagedData) || isCode(err, codeDamagedIndex) {
		return &journal.CorruptError{Path: s.place.String(), ID: id, What: "the server found damage", Cause: err}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	return nil
}

// damage is the error for what is stored of id being wrong.
func (s *Store) damage(id journal.EntityID, format string, args ...any) error {
	return &journal.CorruptError{Path: s.place.String(), ID: id, What: fmt.Sprintf(format, args...)}
}
