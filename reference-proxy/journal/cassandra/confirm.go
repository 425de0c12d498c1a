package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/group"
)

// confirmer asks, for all writes that were acknowledged before it asks, whether
// their owner still has its lease. A read that began before a write was acknowledged never
// counts for it.
type confirmer = group.Queue[struct{}, journal.Holder]

// errLeaseGone says that the lease is gone: since when, nobody knows.
var errLeaseGone = errors.New("the lease has ended")

func (s *Store) newConfirmer() *confirmer {
	return group.New(group.Options[struct{}, journal.Holder]{
		Run:        s.askLeases,
		Patience:   patience,
		MaxItems:   1 << 16,
		MaxWaiting: 1 << 20,
		Observe:    s.options.ObserveConfirmation,
	})
}

func (s *Store) askLeases(holders []journal.Holder) []error {
	ctx, cancel := s.detached(context.Background())
	defer cancel()
	answers := map[journal.Holder]error{}
	errs := make([]error, len(holders))
	for i, h := range holders {
		answer, asked := answers[h]
		if !asked {
			answer = s.askLease(ctx, h)
			answers[h] = answer
		}
		errs[i] = answer
	}
	return errs
}

// askLease is a plain quorum read, which is several times cheaper than a SERIAL one. It is enough:
// whoever claims has read the lease in the same way before, and found it ended, and no such read
// that begins later finds it there again. So a read that finds it began before that one was
// over, and so did everything acknowledged before it began.
func (s *Store) askLease(ctx context.Context, h journal.Holder) error {
	l, err := s.glanceLease(ctx, h)
	switch {
	case err != nil:
		return err
	case l.Beat == 0 || !bytes.Equal(l.handle, s.handle):
		s.fences.dropHolder(h)
		return errLeaseGone
	}
	return nil
}

// confirm returns nil if nobody can have claimed the shard of f before confirm was called.
// Then whatever was acknowledged before is seen by every later owner.
func (s *Store) confirm(ctx context.Context, f journal.Fence) error {
	if !s.fences.holds(f) {
		return &journal.FencedError{Fence: f}
	}
	if err := s.confirmer.Do(ctx, f.Holder); err != nil {
		if errors.Is(err, errLeaseGone) {
			return &journal.FencedError{Fence: f}
		}
		return err
	}
	return nil
}

// mayWrite is asked before a write: it fails with journal.ErrFenced if f is not one that this
// handle claimed and still holds, as far as it knows.
func (s *Store) mayWrite(ctx context.Context, f journal.Fence) error {
	if s.fences.holds(f) {
		return nil
	}
	owner, err := s.readOwner(ctx, f.Shard)
	if err != nil {
		return fmt.Errorf("%w: shard %d is not held by this handle, and its owner cannot be read: %v", journal.ErrFenced, f.Shard, err) //nolint:errorlint // the cause's mark is not taken over
	}
	return &journal.FencedError{Fence: f, Newest: owner.Token}
}
