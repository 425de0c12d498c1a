package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// sqlEvict ends the sessions that have one of the advisory locks $1, wait for their client to say more, and began their
// transaction more than $2 milliseconds ago. The server allows it for sessions of the same role.
const sqlEvict = `
SELECT count(pg_terminate_backend(a.pid))
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
	AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
	AND (l.classid::bigint << 32 | l.objid::bigint) = ANY ($1::bigint[])
	AND a.usename = current_user AND a.wait_event = 'ClientRead'
	AND a.xact_start <= clock_timestamp() - $2::bigint * interval '1 millisecond'`

// A transaction that takes locks alone waits for them a part of its time, so that some is left after an eviction.
const (
	lockWaits = 2 // how often
	lockPart  = 3 // of its time each
)

// evict ends whoever has one of the locks and stands still: a proxy that was stopped halfway through sending a group
// keeps its connection, its transaction and its locks, and no time-out of the server's ends that (transaction_timeout
// came with version 17). Its transaction is rolled back. One whose COMMIT has arrived does not wait for its client.
func (s *Store) evict(ctx context.Context, locks []int64, still time.Duration) (ended int, err error) {
	err = s.query(ctx, sqlEvict, []any{locks, still.Milliseconds()}, func() { ended = 0 },
		func(rows pgx.Rows) error { return rows.Scan(&ended) })
	if ended > 0 {
		s.options.Logger.Warn("ended sessions that stood still in the midst of a write and kept a claim or the end of a lease waiting",
			"server", s.place.String(), "sessions", ended)
	}
	return ended, err
}
