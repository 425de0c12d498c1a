package cassandra

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/errgroup"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Every write of data is the insertion of a row that is written once, or a deletion
// of such rows: repeating either, at once or an hour later, changes nothing. So a statement
// that failed is repeated, with a back-off, while the call's time lasts.
const (
	writeTries   = 4
	firstBackOff = 20 * time.Millisecond
	partsAtOnce  = 4
)

// refused says that the server, or the driver, surely did nothing with a write.
func refused(err error) bool {
	if errors.Is(err, journal.ErrUnknownOutcome) {
		return false
	}
	return errors.Is(err, errNotSent) || errors.As(err, new(*gocql.RequestErrUnavailable)) || // too few replicas alive, seen before any was asked
		errors.As(err, new(*gocql.RequestErrInvalid)) || errors.As(err, new(*gocql.RequestErrSyntax)) ||
		errors.As(err, new(*gocql.RequestErrUnauthorized)) || errors.As(err, new(*gocql.RequestErrBootstrapping)) ||
		errors.Is(err, gocql.ErrNoConnections) || errors.Is(err, gocql.ErrNoStreams) || errors.Is(err, gocql.ErrUnavailable)
}

// refusedTransaction is refused for a lightweight transaction. The answer that too few replicas are alive
// comes from its last phase, too, when a majority has accepted it already.
func refusedTransaction(err error) bool {
	return refused(err) && !errors.As(err, new(*gocql.RequestErrUnavailable))
}

// hopeless says that repeating a statement cannot help.
func hopeless(err error) bool {
	return errors.As(err, new(*gocql.RequestErrInvalid)) || errors.As(err, new(*gocql.RequestErrSyntax)) ||
		errors.As(err, new(*gocql.RequestErrUnauthorized)) || errors.Is(err, gocql.ErrSessionClosed)
}

// repeat calls do until it succeeds. Its error is journal.ErrUnavailable if nothing was done
// in any try, otherwise journal.ErrUnknownOutcome.
func (s *Store) repeat(ctx context.Context, do func(context.Context) error) error {
	sure, err := insist(ctx, do)
	switch {
	case err == nil:
		return nil
	case sure:
		return s.unavailable(err)
	}
	return unknown(err)
}

// insist calls do until it succeeds, cannot, or was tried often enough. sure says that nothing was done in any try.
func insist(ctx context.Context, do func(context.Context) error) (sure bool, err error) {
	sure = true
	for try, wait := 1, firstBackOff; ; try, wait = try+1, 4*wait {
		if err = do(ctx); err == nil {
			return false, nil
		}
		sure = sure && refused(err)
		if try == writeTries || hopeless(err) || !pause(ctx, wait/2+rand.N(wait)) {
			return sure, err
		}
	}
}

// unavailable marks an error after which surely nothing was written. The cause's own mark, if it has
// one, is not taken over.
func (s *Store) unavailable(err error) error {
	if errors.As(err, new(*gocql.RequestErrUnauthorized)) || errors.As(err, new(*gocql.RequestErrInvalid)) {
		return fmt.Errorf("%w: %w", journal.ErrUnavailable, explain(s.options, "use", err))
	}
	return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
}

// pause waits and says whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// statement is one CQL statement with its arguments.
type statement struct {
	cql  string
	args []any
}

// exec carries statements out as one mutation; they must be about one partition.
func (s *Store) exec(ctx context.Context, list ...statement) error {
	if len(list) > 1 {
		return s.repeat(ctx, s.batch(list).ExecContext)
	}
	first := list[0].size() <= togetherBytes/2
	return s.repeat(ctx, func(ctx context.Context) error {
		if !first {
			return s.alone(list[0]).ExecContext(ctx)
		}
		first = false
		err := s.writer.Do(ctx, list[0])
		if journal.NotWritten(err) {
			err = fmt.Errorf("%w: %w", errNotSent, err)
		}
		return err
	})
}

// writeParts writes body by exec and insert, which gives the statement for one part: the others
// first, and when they are acknowledged, part 0 with the head, together with more. When
// the error is not journal.ErrUnknownOutcome nothing at all was written.
func writeParts(ctx context.Context, exec func(context.Context, ...statement) error, body []byte, parts uint64, insert func(n int, data []byte) statement, more ...statement) error {
	head := append([]statement{insert(0, part(body, 0))}, more...)
	if parts == 1 {
		return exec(ctx, head...)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for n := 1; n < int(parts); n++ {
		g.Go(func() error { return exec(gctx, insert(n, part(body, n))) })
	}
	err := g.Wait()
	if err == nil {
		err = exec(ctx, head...)
	}
	if err != nil {
		// Without a head it will never count, but parts of it may be there: its generation is used up.
		return unknown(err)
	}
	return nil
}
