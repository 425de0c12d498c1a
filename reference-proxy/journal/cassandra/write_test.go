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
