package cassandra

import (
	"context"
	"errors"
	"fmt"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/group"
)

// Small statements of different entities that come at the same time go to the server in one unlogged batch: one message and one wait
// for many rows, each still a mutation of its own. `make bench` holds it against bare inserts;
// ARCHITECTURE.md has figures.
//
// A batch is all in the coordinator's hands, so it is kept below what Cassandra warns of (10 partitions, 5 KiB), and one that is not
// acknowledged says nothing about a single row in it: each is then tried alone.
const (
	togetherRows  = 10
	togetherBytes = 4 << 10
	// partialAtOnce is how many such batches may be under way whatever they hold, and fullAtOnce while a full one waits: a batch is
	// one message and one wait with one row as with ten, so the few that may be small leave the others time to fill.
	partialAtOnce = 3
	fullAtOnce    = 16
	// patience is after what time a batch, or a confirming read, at a slow node does not hold up the next.
	patience = 100 * time.Millisecond
)

// errNotSent marks an error after which a statement was not sent.
var errNotSent = errors.New("not sent")

type writer = group.Queue[struct{}, statement]

func (s *Store) newWriter() *writer {
	return group.New(group.Options[struct{}, statement]{
		Run: s.writeTogether, Size: statement.size, Observe: s.options.ObserveWrites,
		Running: partialAtOnce, RunningFull: fullAtOnce, Patience: patience,
		MaxItems: togetherRows, MaxBytes: togetherBytes, MaxWaiting: 1 << 20,
	})
}

// writeTogether carries out statements about any partitions. Its errors are for refused and hopeless, or marked as unknown.
func (s *Store) writeTogether(list []statement) []error {
	ctx, cancel := s.detached(context.Background())
	defer cancel()
	var err error
	if len(list) == 1 {
		err = s.alone(list[0]).ExecContext(ctx)
	} else {
		err = s.batch(list).ExecContext(ctx)
	}
	err = ofEach(err, len(list))
	if err == nil {
		return nil
	}
	errs := make([]error, len(list))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// ofEach is what the outcome of a batch says of each of its rows. What is wrong with one of several, or with the batch, is no news of the
// others; and some were sent before the coordinator found too few replicas for the next.
func ofEach(err error, rows int) error {
	switch {
	case rows == 1 && refused(err), refusedTransaction(err) && !hopeless(err):
		return err
	case rows == 1 || err == nil:
		return unknown(err)
	}
	return fmt.Errorf("%w: a batch of %d: %v", journal.ErrUnknownOutcome, rows, err) //nolint:errorlint // the cause's marks are the batch's
}

func (s *Store) alone(st statement) *gocql.Query {
	return s.session.Query(st.cql, st.args...).Consistency(s.options.quorum()).Idempotent(true)
}

func (s *Store) batch(list []statement) *gocql.Batch {
	b := s.session.Batch(gocql.UnloggedBatch).Consistency(s.options.quorum())
	for _, st := range list {
		b.Entries = append(b.Entries, gocql.BatchEntry{Stmt: st.cql, Args: st.args, Idempotent: true})
	}
	return b
}

// size is about how many bytes the statement's mutation has.
func (st statement) size() int {
	size := 0
	for _, arg := range st.args {
		size += 16 // a number, or what surrounds a value
		if b, ok := arg.([]byte); ok {
			size += len(b)
		}
	}
	return size
}
