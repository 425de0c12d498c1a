package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/group"
)

// Bounds of a group: what the server holds in memory for one statement.
const (
	maxGroupChanges = 512
	maxGroupBytes   = 4 << 20
	// changeOverhead is roughly what a change takes beside its entries and its id, and an event beside its content.
	changeOverhead = 128
)

// kind says which statement carries a change out.
type kind uint8

const (
	appendEvents kind = iota
	changeValue
)

// change is a write of one entity, as it goes through a group.
type change struct {
	kind     kind
	put      int32 // of changeValue
	fence    journal.Fence
	id       journal.EntityID
	key      entityKey
	expected uint64
	entries  []journal.Entry

	// err is the outcome, once its statement was answered.
	err error
}

// slot is what changes must not meet at: one entity's events, or its value.
type slot struct {
	kind kind
	key  entityKey
}

func (c *change) slot() slot { return slot{c.kind, c.key} }

func (c *change) size() int {
	n := changeOverhead*(1+len(c.entries)) + len(c.id.Namespace) + len(c.id.Key)
	for _, e := range c.entries {
		n += e.Size()
	}
	return n
}

func (s *Store) newQueue() *group.Queue[slot, *change] {
	return group.New(group.Options[slot, *change]{
		Run: s.run, Key: (*change).slot, Size: (*change).size,
		Running: s.options.Groups, MaxItems: maxGroupChanges, MaxBytes: maxGroupBytes,
		Observe: s.options.ObserveGroup,
	})
}

// group has c carried out along with others.
func (s *Store) group(ctx context.Context, c *change) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if !keepable(c.fence.Holder) {
		return &journal.FencedError{Fence: c.fence}
	}
	return s.queue.Do(ctx, c)
}

// run carries a group out. Callers of the group have let go of their contexts.
func (s *Store) run(changes []*change) []error {
	ctx := context.Background()
	errs := make([]error, len(changes))
	err := s.apply(ctx, changes)
	// Where something is wrong with one of them, the others must not suffer for it.
	apart := err != nil && len(changes) > 1 && s.oneByOne(err)
	var lost error // why those that are left are not tried
	for i, c := range changes {
		switch {
		case err != nil && len(changes) == 1:
			errs[i] = s.again(ctx, c, err)
		case err != nil && !apart:
			errs[i] = err
		case err == nil && !errors.Is(c.err, errRaced):
			errs[i] = c.err
		case lost != nil:
			errs[i] = fmt.Errorf("%w: %s was not tried, as a write before it failed: %v", journal.ErrUnavailable, c.id, lost) //nolint:errorlint // its outcome is another's
		default:
			if errs[i] = s.alone(ctx, c); s.concernsAll(errs[i]) {
				lost = errs[i]
			}
		}
	}
	return errs
}

// apply carries changes out in one transaction. nil means committed; then each has its outcome.
func (s *Store) apply(ctx context.Context, changes []*change) error {
	var events, values []*change
	fences := make([]journal.Fence, 0, len(changes))
	size := 0
	for _, c := range changes {
		fences = append(fences, c.fence)
		size += c.size()
		if c.kind == appendEvents {
			events = append(events, c)
		} else {
			values = append(values, c)
		}
	}
	t := transaction{shared: s.writeLocks(fences...), size: size, reset: func() {
		for _, c := range changes {
			c.err = nil
		}
	}}
	if events != nil {
		t.steps = append(t.steps, s.appendStep(events))
	}
	if values != nil {
		t.steps = append(t.steps, s.putStep(values))
	}
	return s.transact(ctx, t)
}

// maxRaces is how often a change is tried that others were faster with. Each time somebody else got
// through, so a second time is rare.
const maxRaces = 5

// alone carries one change out.
func (s *Store) alone(ctx context.Context, c *change) error {
	return s.again(ctx, c, s.apply(ctx, []*change{c}))
}

// again is for a change that was carried out alone, with what came of it: as long as
// another writer was faster it is tried anew, which will tell where that one has got to.
func (s *Store) again(ctx context.Context, c *change, err error) error {
	for range maxRaces {
		raced := err != nil && isCode(err, codeUnique) || err == nil && errors.Is(c.err, errRaced)
		if !raced {
			break
		}
		err = s.apply(ctx, []*change{c})
	}
	if err == nil {
		err = c.err
	}
	var damaged *journal.CorruptError
	switch {
	case errors.Is(err, errRaced):
		return fmt.Errorf("%w: %s is written to by others all the time: %w", journal.ErrUnavailable, c.id, errRaced)
	case errors.As(err, &damaged) && damaged.ID == (journal.EntityID{}):
		named := *damaged
		named.ID = c.id
		return &named
	}
	return err
}

// oneByOne reports whether a group failed for what may be the fault of one of its changes.
func (s *Store) oneByOne(err error) bool {
	answer := refusal(err)
	if answer == nil || fatal(answer) || errors.Is(err, journal.ErrUnknownOutcome) {
		return false
	}
	switch answer.Code {
	case codeDiskFull, codeReadOnly, codeNoRights, codeNoSchema, codeNoTable, codeLockTimeout, codeCancelled, codeSerialization, codeDeadlock:
		return false
	}
	return true
}

// concernsAll reports whether what came of a change that was carried out alone will come of others, too.
func (s *Store) concernsAll(err error) bool {
	for _, own := range []error{journal.ErrFenced, journal.ErrConflict, errRaced} {
		if errors.Is(err, own) {
			return false
		}
	}
	return err != nil && !s.oneByOne(err)
}

func isCode(err error, code string) bool {
	answer := refusal(err)
	return answer != nil && answer.Code == code
}

// refuse gives a change the outcome that a row of sqlAppend or sqlPut tells.
func refuse(changes []*change, rows pgx.Rows) error {
	var (
		number         int32
		holds          bool
		newest, actual int64
	)
	if err := rows.Scan(&number, &holds, &newest, &actual); err != nil {
		return err
	}
	if number < 1 || int(number) > len(changes) {
		return fmt.Errorf("an answer to change %d of %d", number, len(changes))
	}
	c := changes[number-1]
	switch {
	case !holds:
		c.err = &journal.FencedError{Fence: c.fence, Newest: journal.Token(newest)} //nolint:gosec // tokens count from 1
	case uint64(actual) != c.expected: //nolint:gosec // so do these
		c.err = &journal.ConflictError{ID: c.id, Expected: c.expected, Actual: uint64(actual)} //nolint:gosec // see above
	default:
		c.err = errRaced
	}
	return nil
}

// keepable reports whether PostgreSQL can keep h as text. A holder that it cannot keep has no
// lease and owns nothing.
func keepable(h journal.Holder) bool {
	return utf8.ValidString(string(h)) && !strings.ContainsRune(string(h), 0)
}
