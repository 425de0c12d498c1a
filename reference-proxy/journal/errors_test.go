package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

func TestNotWritten(t *testing.T) {
	id := journal.EntityID{Namespace: "n", Key: "k"}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{&journal.FencedError{}, true},
		{&journal.ConflictError{ID: id}, true},
		{&journal.FullError{}, true},
		{&journal.CorruptError{ID: id, Cause: errors.New("bad block")}, true},
		{journal.CheckSnapshot(id, journal.Snapshot{}), true},
		{journal.CheckWrite(journal.EntityID{Key: strings.Repeat("x", journal.MaxIDBytes+1)}, 0), true},
		{journal.ErrClosed, true},
		{journal.ErrUnavailable, true},
		{fmt.Errorf("waiting: %w", context.Canceled), true},
		{fmt.Errorf("waiting: %w", context.DeadlineExceeded), true},
		{fmt.Errorf("%w: %w", journal.ErrUnknownOutcome, context.DeadlineExceeded), false},
		{fmt.Errorf("%w: %w", journal.ErrUnknownOutcome, journal.ErrConflict), false},
		{errors.New("connection reset"), false},
	} {
		if got := journal.NotWritten(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

func TestMessagesNameTheEntity(t *testing.T) {
	id := journal.EntityID{Namespace: "cart\n", Key: strings.Repeat("k", 1000)}
	cause := errors.New("bad block")
	err := error(&journal.CorruptError{Path: "/data", ID: id, What: "event 3", Cause: cause})
	for _, say := range []string{"/data", `"cart\n"`, "(1000 bytes)", "event 3", "bad block", "backup"} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("the message lacks %q: %v", say, err)
		}
	}
	if !errors.Is(err, journal.ErrCorrupt) || !errors.Is(err, cause) {
		t.Errorf("%v hides what it is", err)
	}
	if len(err.Error()) > 400 || strings.Contains(err.Error(), "\n") {
		t.Errorf("the message is unwieldy: %q", err)
	}
}
