package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// A transaction that failed and may work now is tried so often, with a pause that doubles,
// within the call's time.
const (
	maxAttempts = 8
	firstPause  = 2 * time.Millisecond
)

// transaction is what one round trip does: all of it, or nothing.
type transaction struct {
	// shared and exclusive are the advisory locks to take first, shared ones in ascending order.
	shared, exclusive []int64
	// lazy lets the transaction return before it is on the disk.
	lazy bool
	// size is roughly how many bytes it writes; 0 for few.
	size  int
	steps []step
	// reset, if set, is called before each attempt: it forgets what rows of an earlier one said.
	reset func()
}

// step is one statement and what becomes of its rows.
type step struct {
	sql  string
	args []any
	// row is called for each row.
	row func(pgx.Rows) error
}

// transact carries t out. A nil error means committed.
func (s *Store) transact(ctx context.Context, t transaction) error {
	bound, cancel := context.WithTimeout(ctx, s.limit(t))
	defer cancel()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		verdict, err := s.attempt(ctx, bound, t)
		if t.exclusive != nil && isCode(err, codeLockTimeout) && attempt < lockWaits {
			if _, evictErr := s.evict(bound, t.exclusive, s.options.Timeout); evictErr != nil {
				return err
			}
			continue
		}
		if err == nil || verdict != transient || attempt == maxAttempts || !wait(bound, pause) {
			return err
		}
		pause *= 2
	}
}

// slowest is how many bytes a second a server that works writes at the least.
const slowest = 1 << 20

// limit bounds t: by the store's time-out, and longer for what is larger than a group may be.
func (s *Store) limit(t transaction) time.Duration {
	more := time.Duration(max(0, t.size-maxGroupBytes)) * time.Second / slowest
	return s.options.Timeout + more.Truncate(time.Millisecond)
}

// wait returns after about d, and false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d)) //nolint:gosec // jitter
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errRolledBack stands for a COMMIT that the server answered by rolling back.
var errRolledBack = errors.New("the server rolled the transaction back")

// attempt sends t once, in one round trip, within bound; ctx is the caller's.
func (s *Store) attempt(ctx, bound context.Context, t transaction) (verdict, error) {
	conn, err := s.acquire(ctx, bound)
	if err != nil {
		// Whoever waits for the server to come back does so elsewhere, and for longer.
		return refused, err
	}
	defer conn.Release()
	defer forbidCancels(conn.Conn())()
	if t.reset != nil {
		t.reset()
	}
	committing, err := send(bound, conn.Conn(), s.batch(t))
	if err == nil {
		return refused, nil
	}
	verdict := judge(err, committing)
	if verdict == unknown {
		return unknown, fmt.Errorf("%w: %v: %w", journal.ErrUnknownOutcome, s.place, err)
	}
	if answer := refusal(err); answer != nil && !fatal(answer) {
		// A connection that this fails on is thrown away by the pool.
		_, _ = conn.Exec(bound, "ROLLBACK")
	}
	return verdict, s.place.explain(err)
}

func (s *Store) batch(t transaction) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	begin := s.sql.begin
	if t.lazy {
		begin = s.sql.beginLazy
	}
	limit, locks := s.limit(t), s.limit(t)
	if t.exclusive != nil {
		locks = max(limit/lockPart, time.Millisecond) // 0 would be no bound
	}
	b.Queue(begin, keys(t.shared), keys(t.exclusive), milliseconds(limit), milliseconds(locks))
	for _, st := range t.steps {
		q := b.Queue(st.sql, st.args...)
		if st.row != nil {
			q.Query(func(rows pgx.Rows) error { return each(rows, st.row) })
		}
	}
	b.Queue("COMMIT")
	return b
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// keys is a parameter that is never NULL.
func keys(k []int64) []int64 {
	if k == nil {
		return []int64{}
	}
	return k
}

// send carries the batch out. committing says that all but the last statement did well.
func send(ctx context.Context, conn *pgx.Conn, b *pgx.Batch) (committing bool, err error) {
	results := conn.SendBatch(ctx, b)
	for i, q := range b.QueuedQueries {
		committing = i == len(b.QueuedQueries)-1
		if q.Fn != nil {
			err = q.Fn(results)
		} else {
			tag, execErr := results.Exec()
			err = execErr
			if committing && err == nil && tag.String() == "ROLLBACK" {
				err = errRolledBack
			}
		}
		if err != nil {
			break
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return committing, err
}

// each calls row for each of rows.
func each(rows pgx.Rows, row func(pgx.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// query runs a statement that changes nothing and calls row for each of its rows. When
// the connection breaks, or the server asks for it, it starts again: restart forgets what row has seen.
func (s *Store) query(ctx context.Context, sql string, args []any, restart func(), row func(pgx.Rows) error) error {
	bound, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		conn, err := s.acquire(ctx, bound)
		if err != nil {
			return err
		}
		restart()
		rows, err := conn.Query(bound, sql, args...)
		if err == nil {
			err = each(rows, row)
		}
		conn.Release()
		if err == nil {
			return nil
		}
		if ended := ctx.Err(); ended != nil {
			return fmt.Errorf("journal: a read of %v was given up: %w", s.place, ended)
		}
		// Nothing was written: what would be unknown of a write may be asked again.
		if judge(err, true) == refused || attempt == maxAttempts || !wait(bound, pause) {
			return s.place.explain(err)
		}
		pause *= 2
	}
}
