package journal

import (
	"context"
	"errors"
	"fmt"
)

// Errors of a store. A write that failed with one marked *not written* has written
// nothing and will not; after any other error the outcome of a write is unknown.
// NotWritten decides, so callers need not know the list.
var (
	// ErrFenced (not written): the shard was claimed by somebody else, or never by
	// this writer. Drop every entity of the shard. Detail: *FencedError.
	ErrFenced = errors.New("journal: fenced off")
	// ErrConflict (not written): the expected sequence number or version is not the
	// one present. Drop the entity and read it anew. Detail: *ConflictError.
	ErrConflict = errors.New("journal: conflict")
	// ErrHeld (not written): the shard belongs to a holder whose lease has not ended.
	// Detail: *HeldError.
	ErrHeld = errors.New("journal: shard held by another")
	// ErrPruned: the events asked for were removed, as a snapshot stands for them.
	// Detail: *PrunedError.
	ErrPruned = errors.New("journal: events pruned")
	// ErrFull (not written): the store has no room. It heals when room is made; reads
	// go on. Detail: *FullError.
	ErrFull = errors.New("journal: store full")
	// ErrTooLarge (not written): an id or a write beyond the limits of this package.
	ErrTooLarge = errors.New("journal: too large")
	// ErrInvalid (not written): arguments that no store can serve: a mistake of the caller.
	ErrInvalid = errors.New("journal: invalid")
	// ErrUnavailable (not written): the store cannot be reached, or has more to do than it
	// takes on. Try again later.
	ErrUnavailable = errors.New("journal: store unavailable")
	// ErrClosed (not written): the store was closed.
	ErrClosed = errors.New("journal: store closed")
	// ErrCorrupt: what is stored is damaged. Nothing is mended by itself. From a write
	// it means not written: the damage was met before. Detail: *CorruptError.
	ErrCorrupt = errors.New("journal: store damaged")
	// ErrUnknownOutcome: a write was started and did not finish in an orderly way. It may
	// or may not take effect, now or later, until the shard is claimed again.
	ErrUnknownOutcome = errors.New("journal: outcome unknown")
	// ErrInUse: the store's directory is held by another process.
	ErrInUse = errors.New("journal: store in use")
	// ErrFormat (not written): the store was written by a newer version, or is not one of ours.
	ErrFormat = errors.New("journal: unknown store format")
	// ErrSchema (not written): the database has no tables of ours, or older ones. Somebody has to
	// make or upgrade them; then the same try succeeds.
	ErrSchema = errors.New("journal: store not set up")
)

// NotWritten reports whether a write that returned err surely wrote nothing and
// never will. A context's own error counts: it stands for a write that was not started.
// It is false for nil.
func NotWritten(err error) bool {
	if err == nil || errors.Is(err, ErrUnknownOutcome) {
		return false
	}
	for _, sure := range []error{
		ErrFenced, ErrConflict, ErrHeld, ErrPruned, ErrFull, ErrTooLarge, ErrInvalid, ErrUnavailable, ErrClosed, ErrCorrupt, ErrFormat, ErrSchema,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, sure) {
			return true
		}
	}
	return false
}

// FencedError is the detail of ErrFenced.
type FencedError struct {
	// Fence is what the writer held.
	Fence Fence
	// Newest is the token that was claimed last; 0 if none was. It may be the fence's own:
	// then its holder released the shard, or its lease has ended.
	Newest Token
}

func (e *FencedError) Error() string {
	if e.Newest == e.Fence.Token && e.Newest > 0 {
		return fmt.Sprintf("%v: %s with token %d in shard %d released it, or its lease has ended", ErrFenced, e.Fence.Holder, e.Fence.Token, e.Fence.Shard)
	}
	return fmt.Sprintf("%v: %s with token %d in shard %d, newest is %d", ErrFenced, e.Fence.Holder, e.Fence.Token, e.Fence.Shard, e.Newest)
}

// Unwrap returns ErrFenced.
func (e *FencedError) Unwrap() error { return ErrFenced }

// ConflictError is the detail of ErrConflict.
type ConflictError struct {
	ID EntityID
	// Expected and Actual are sequence numbers of events, or versions of a value.
	Expected, Actual uint64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: %s is at %d, the writer expected %d", ErrConflict, e.ID, e.Actual, e.Expected)
}

// Unwrap returns ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// HeldError is the detail of ErrHeld.
type HeldError struct {
	Shard Shard
	Owner Owner
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%v: shard %d, token %d, by %s", ErrHeld, e.Shard, e.Owner.Token, e.Owner.Holder)
}

// Unwrap returns ErrHeld.
func (e *HeldError) Unwrap() error { return ErrHeld }

// PrunedError is the detail of ErrPruned.
type PrunedError struct {
	ID EntityID
	// After is what the read asked for, Through the last event that was removed.
	After, Through uint64
}

func (e *PrunedError) Error() string {
	return fmt.Sprintf("%v: %s was asked for what follows event %d, but %d and those before it are removed; begin at its snapshot",
		ErrPruned, e.ID, e.After, e.Through)
}

// Unwrap returns ErrPruned.
func (e *PrunedError) Unwrap() error { return ErrPruned }

// FullError is the detail of ErrFull.
type FullError struct {
	// Path is the directory whose file system has too little room.
	Path string
	// Free and Reserve are in bytes: what is left, and what must be.
	Free, Reserve uint64
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%v: %s has %d bytes free, writes need %d; free some space or lower the reserve", ErrFull, e.Path, e.Free, e.Reserve)
}

// Unwrap returns ErrFull.
func (e *FullError) Unwrap() error { return ErrFull }

// CorruptError is the detail of ErrCorrupt.
type CorruptError struct {
	// Path is the store's directory, if it has one.
	Path string
	// ID is the entity that is damaged; the zero EntityID if the damage is not one
	// entity's.
	ID EntityID
	// What says what was found, and where.
	What string
	// Cause is the underlying error, if any.
	Cause error
}

func (e *CorruptError) Error() string {
	msg := ErrCorrupt.Error()
	if e.Path != "" {
		msg += " at " + e.Path
	}
	if e.ID != (EntityID{}) {
		msg += ": " + e.ID.String()
	}
	msg += ": " + e.What
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	return msg + "; what is stored was left as it is: restore it from a backup"
}

// Unwrap returns ErrCorrupt and the cause.
func (e *CorruptError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrCorrupt}
	}
	return []error{ErrCorrupt, e.Cause}
}

// maxShown is how many bytes of an id's part a message shows.
const maxShown = 64

// String returns id for messages: both parts quoted and cut to a readable length.
func (id EntityID) String() string {
	return "entity " + shown(id.Namespace) + " " + shown(id.Key)
}

func shown(s string) string {
	if len(s) <= maxShown {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:maxShown], len(s))
}
