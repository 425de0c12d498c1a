package cassandra

import (
	"context"
	"errors"
	"fmt"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// TestPartsThenRefused: a write of one part that is refused has done nothing; one of which parts may be there has used up its
// generation, whether the head was refused or another part.
func TestPartsThenRefused(t *testing.T) {
	insert := func(n int, _ []byte) statement { return statement{cql: fmt.Sprint(n)} }
	for _, c := range []struct {
		parts   int
		refused string
		want    error
	}{
		{1, "", nil}, {1, "0", journal.ErrUnavailable},
		{3, "", nil}, {3, "0", journal.ErrUnknownOutcome}, {3, "1", journal.ErrUnknownOutcome}, {3, "2", journal.ErrUnknownOutcome},
	} {
		exec := func(_ context.Context, list ...statement) error {
			if list[0].cql == c.refused {
				return fmt.Errorf("%w: part %s", journal.ErrUnavailable, c.refused)
			}
			return nil
		}
		err := writeParts(t.Context(), exec, make([]byte, c.parts*partBytes), uint64(c.parts), insert)
		if !errors.Is(err, c.want) || journal.NotWritten(err) != (c.want == journal.ErrUnavailable) { //nolint:errorlint // the table's own
			t.Errorf("%d parts, %q refused: %v", c.parts, c.refused, err)
		}
	}
}

// TestRefused: which answers say that nothing was done. Too few replicas alive is such a one for a plain write only.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		err                error
		plain, transaction bool
	}{
		{&gocql.RequestErrUnavailable{}, true, false},
		{&gocql.RequestErrUnauthorized{}, true, true},
		{&gocql.RequestErrInvalid{}, true, true},
		{gocql.ErrNoConnections, true, true},
		{&gocql.RequestErrWriteTimeout{}, false, false},
		{&gocql.RequestErrCASWriteUnknown{}, false, false},
		{context.DeadlineExceeded, false, false},
	} {
		err := fmt.Errorf("at a node: %w", c.err)
		if refused(err) != c.plain || refusedTransaction(err) != c.transaction {
			t.Errorf("%v: %v, as a transaction %v", c.err, refused(err), refusedTransaction(err))
		}
	}
}

// TestOfEach: what is known of a row after a batch. A row that was alone is told what a statement is told; of several, only what holds for
// all of them, and nothing that keeps them from being tried again alone.
func TestOfEach(t *testing.T) {
	for _, c := range []struct {
		err              error
		alone, ofSeveral bool // surely not written
	}{
		{&gocql.RequestErrUnavailable{}, true, false},
		{&gocql.RequestErrInvalid{}, true, false},
		{&gocql.RequestErrUnauthorized{}, true, false},
		{gocql.ErrNoConnections, true, true},
		{&gocql.RequestErrWriteTimeout{}, false, false},
		{context.DeadlineExceeded, false, false},
	} {
		err := fmt.Errorf("at a node: %w", c.err)
		if got := ofEach(err, 1); refused(got) != c.alone || hopeless(got) != hopeless(err) {
			t.Errorf("%v of a row alone: %v", c.err, got)
		}
		if got := ofEach(err, 2); refused(got) != c.ofSeveral || hopeless(got) || !c.ofSeveral && !errors.Is(got, journal.ErrUnknownOutcome) {
			t.Errorf("%v of one of two: %v", c.err, got)
		}
	}
	if ofEach(nil, 1) != nil || ofEach(nil, 2) != nil {
		t.Error("an error where there was none")
	}
}
