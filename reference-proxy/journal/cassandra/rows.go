package cassandra

import (
	"context"
	"errors"
	"fmt"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	readTries = 4
	// tornTries is how often rows that do not fit together are read again before they
	// are damage.
	tornTries = 5
	// firstPage and lastPage bound how many rows are asked for at once; pageTarget is the
	// size in bytes aimed at.
	firstPage  = 16
	lastPage   = 2000
	pageTarget = 2 << 20
)

// retryRead repeats a read that failed, with a back-off.
func (s *Store) retryRead(ctx context.Context, do func(context.Context) error) error {
	for try, wait := 1, firstBackOff; ; try, wait = try+1, 4*wait {
		err := do(ctx)
		if err == nil || errors.As(err, new(*tornError)) || errors.Is(err, journal.ErrPruned) {
			return err
		}
		if try == readTries || hopeless(err) || !pause(ctx, wait) {
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return s.unavailable(err)
		}
	}
}

// untorn calls read again while it fails as the rows do not fit together: forget is called in between.
func (s *Store) untorn(ctx context.Context, id journal.EntityID, forget func(), read func() error) error {
	for try := 1; ; try++ {
		err := read()
		var t *tornError
		if !errors.As(err, &t) {
			return err
		}
		forget()
		if try == tornTries || !pause(ctx, time.Duration(try)*firstBackOff) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &journal.CorruptError{Path: "keyspace " + s.options.Keyspace, ID: id, What: t.what, Cause: t.cause}
		}
	}
}

// pages calls row for each row of a query in turn, as scan filled in its variables, until
// it returns false. It asks for pages of about pageTarget bytes; sized tells a row's. The first
// page has size rows, or firstPage for 0. It returns how many pages it asked for.
func (s *Store) pages(ctx context.Context, st statement, size int, dest []any, sized func() int, row func() (bool, error)) (asked int, err error) {
	var state []byte
	setDefault(&size, firstPage)
	for asked = 1; ; asked++ {
		bytes, rows := 0, 0
		var it *gocql.Iter
		stop := false
		err := s.retryRead(ctx, func(ctx context.Context) error {
			it = s.session.Query(st.cql, st.args...).Consistency(s.options.quorum()).Idempotent(true).PageSize(size).PageState(state).IterContext(ctx)
			if it.NumRows() == 0 { // then there may be an error
				return it.Close()
			}
			return nil
		})
		if err != nil {
			return asked, err
		}
		next := append([]byte(nil), it.PageState()...)
		for !stop && it.Scan(dest...) {
			rows++
			bytes += 64 + sized()
			goOn, err := row()
			if err != nil {
				_ = it.Close() // the row's error is the cause
				return asked, err
			}
			stop = !goOn
		}
		if err := it.Close(); err != nil {
			return asked, s.unavailable(err)
		}
		if stop || len(next) == 0 {
			return asked, nil
		}
		state = next
		size = max(firstPage/2, min(lastPage, 8*size, pageTarget/max(1, bytes/max(1, rows))))
	}
}

// assembly puts the newest whole body of a table together whose rows come newest first:
// snapshots and values.
type assembly struct {
	kind  kind
	open  bool
	at    spot
	head  head
	body  []byte
	parts uint64
}

// add takes the next row and says whether the body is whole. Rows before the first head
// belong to writes that were never finished.
func (a *assembly) add(at spot, part uint64, encoded, data []byte) (bool, error) {
	if !a.open {
		if part != 0 {
			return false, nil
		}
		h, err := decodeHead(a.kind, at, encoded)
		if err != nil {
			return false, &tornError{what: a.what(at), cause: err}
		}
		a.open, a.at, a.head = true, at, h
	}
	if at != a.at || part != a.parts {
		return false, torn("%s: part %d is missing", a.what(a.at), a.parts)
	}
	a.parts++
	a.body = append(a.body, data...)
	if a.parts < a.head.parts {
		return false, nil
	}
	if err := a.head.check(a.body); err != nil {
		return false, &tornError{what: a.what(at), cause: err}
	}
	return true, nil
}

// end says that there are no more rows.
func (a *assembly) end() error {
	if a.open && a.parts < a.head.parts {
		return torn("%s: part %d is missing", a.what(a.at), a.parts)
	}
	return nil
}

func (a *assembly) what(at spot) string {
	if a.kind == kindSnapshot {
		return fmt.Sprintf("snapshot of event %d", at.at[0])
	}
	return fmt.Sprintf("value written by generation %d.%d", at.at[0], at.at[1])
}
