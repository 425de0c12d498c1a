package metered

import (
	"context"
	"errors"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// The kinds of error, as the label "error" has them.
const (
	unknownOutcome = "unknown_outcome"
	other          = "other"
)

// kinds are looked through in this order; an error of several kinds counts as the first. An unknown outcome comes
// first, whatever caused it: it is what somebody has to deal with.
var kinds = []struct {
	err  error
	kind string
}{
	{journal.ErrUnknownOutcome, unknownOutcome},
	{journal.ErrFenced, "fenced"},
	{journal.ErrConflict, "conflict"},
	{journal.ErrHeld, "held"},
	{journal.ErrPruned, "pruned"},
	{journal.ErrFull, "full"},
	{journal.ErrTooLarge, "too_large"},
	{journal.ErrInvalid, "invalid"},
	{journal.ErrCorrupt, "corrupt"},
	{journal.ErrFormat, "format"},
	{journal.ErrSchema, "schema"},
	{journal.ErrClosed, "closed"},
	{journal.ErrUnavailable, "unavailable"},
	{context.DeadlineExceeded, "deadline_exceeded"},
	{context.Canceled, "cancelled"},
}

// expected are the kinds whose counters are there before the first of them happens, since alerts are on them.
var expected = []string{unknownOutcome, "unavailable", "corrupt", "full", "schema", other}

// kindOf is the kind of err, "" for nil.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return other
}
