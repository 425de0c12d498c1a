package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// endedLease is how long, in seconds, it is remembered that a lease ended, so that a
// request to begin it that was delayed does nothing: thirty days.
const endedLease = 30 * 24 * 60 * 60

// fences is what this handle knows of the shards that it claimed: the one thing beside
// the lease that an acknowledgement needs. A fence leaves it before the request that gives it
// up, by a release or by another claim, is sent.
type fences struct {
	mu   sync.Mutex
	held map[journal.Shard]heldFence
	// now counts claims and reads, which is all the time that there is.
	now uint64
}

type heldFence struct {
	journal.Fence
	since uint64
}

// tick returns a time later than all before.
func (fs *fences) tick() uint64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.now++
	return fs.now
}

// since returns when f was claimed.
func (fs *fences) since(f journal.Fence) uint64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.held[f.Shard].since
}

func (fs *fences) holds(f journal.Fence) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return f.Token != 0 && fs.held[f.Shard].Fence == f
}

func (fs *fences) set(f journal.Fence) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.held == nil {
		fs.held = map[journal.Shard]heldFence{}
	}
	fs.now++
	fs.held[f.Shard] = heldFence{f, fs.now}
}

// drop takes the shard's fence out and returns it.
func (fs *fences) drop(shard journal.Shard) (journal.Fence, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, had := fs.held[shard]
	delete(fs.held, shard)
	return f.Fence, had
}

// dropHolder takes out all fences of h, whose lease has ended.
func (fs *fences) dropHolder(h journal.Holder) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for shard, f := range fs.held {
		if f.Holder == h {
			delete(fs.held, shard)
		}
	}
}

// conditional carries out a lightweight transaction, once. row is filled with the row as it is
// when the condition does not hold. Its error is journal.ErrUnavailable or of unknown outcome.
func (s *Store) conditional(ctx context.Context, row map[string]any, cql string, args ...any) (applied bool, err error) {
	ctx, cancel := s.detached(ctx)
	defer cancel()
	applied, err = s.session.Query(cql, args...).Consistency(s.options.quorum()).SerialConsistency(s.options.serial()).
		MapScanCASContext(ctx, row)
	switch {
	case err == nil:
		return applied, nil
	case refusedTransaction(err):
		return false, s.unavailable(err)
	default:
		return false, unknown(err)
	}
}

// serially reads a row as lightweight transactions see it; found is false if there is none.
func (s *Store) serially(ctx context.Context, cql string, arg any, dest ...any) (found bool, err error) {
	err = s.retryRead(ctx, func(ctx context.Context) error {
		err := s.session.Query(cql, arg).Consistency(s.options.serial()).Idempotent(true).ScanContext(ctx, dest...)
		if found = err == nil; errors.Is(err, gocql.ErrNotFound) {
			err = nil
		}
		return err
	})
	return found, err
}

// leaseRow is a row of leases. Beat 0: none, or ended.
type leaseRow struct {
	journal.Lease
	handle []byte
}

const selectLease = "SELECT beat, length_ms, handle FROM leases WHERE holder = ?"

// readLease reads a lease as lightweight transactions see it.
func (s *Store) readLease(ctx context.Context, h journal.Holder) (leaseRow, error) {
	return leaseBy(h, func(dest ...any) (bool, error) { return s.serially(ctx, selectLease, string(h), dest...) })
}

// glanceLease reads a lease as plain quorum reads do. It may be behind readLease, but never behind
// an earlier glance of anybody's: that is what blocking read repair is for.
func (s *Store) glanceLease(ctx context.Context, h journal.Holder) (leaseRow, error) {
	return leaseBy(h, func(dest ...any) (bool, error) {
		return s.quorumRow(ctx, statement{selectLease, []any{string(h)}}, dest...)
	})
}

// endReached is asked when a SERIAL read found that the lease of h has ended: it returns nil if every later glance
// will find that, too, so that nothing of h is confirmed any more.
func (s *Store) endReached(ctx context.Context, h journal.Holder) error {
	l, err := s.glanceLease(ctx, h)
	if err == nil && l.Beat != 0 {
		err = fmt.Errorf("%w: the end of the lease of %s has not reached a quorum", journal.ErrUnavailable, h)
	}
	return err
}

func leaseBy(h journal.Holder, read func(dest ...any) (bool, error)) (leaseRow, error) {
	if h == "" {
		return leaseRow{}, nil // nobody has no lease
	}
	var beat, length int64
	var handle []byte
	found, err := read(&beat, &length, &handle)
	if err != nil || !found || beat == 0 {
		return leaseRow{}, err
	}
	return leaseRow{Lease: journal.Lease{Beat: uint64(beat), Length: time.Duration(length) * time.Millisecond}, handle: handle}, nil
}

// BeginLease implements journal.Ownership.
func (s *Store) BeginLease(ctx context.Context, h journal.Holder, length time.Duration) error {
	if err := journal.CheckLease(h, length); err != nil {
		return err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	applied, err := s.conditional(ctx, map[string]any{},
		"UPDATE leases SET beat = 1, length_ms = ?, handle = ? WHERE holder = ? IF beat = null", length.Milliseconds(), s.handle, string(h))
	if err == nil && !applied {
		return fmt.Errorf("%w: %s has a lease, or had one", journal.ErrConflict, h)
	}
	if errors.Is(err, journal.ErrUnknownOutcome) {
		if l, again := s.readLease(ctx, h); again == nil && l.Beat == 1 && bytes.Equal(l.handle, s.handle) {
			return nil
		}
	}
	return err
}

// beatOf is the beat in the answer to a condition that did not hold; 0 if there is none.
func beatOf(row map[string]any) uint64 {
	beat, _ := row["beat"].(int64) // what is null is 0
	return uint64(beat)
}

// RenewLease implements journal.Ownership.
func (s *Store) RenewLease(ctx context.Context, h journal.Holder, beat uint64) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var present uint64
	row := map[string]any{}
	if beat > 0 && beat < 1<<63-1 { // beyond that no lease can be
		applied, err := s.conditional(ctx, row, "UPDATE leases SET beat = ? WHERE holder = ? IF beat = ?", int64(beat+1), string(h), int64(beat))
		if applied {
			return nil
		}
		if err != nil {
			if l, again := s.readLease(ctx, h); again == nil && l.Beat == beat+1 && errors.Is(err, journal.ErrUnknownOutcome) {
				return nil
			}
			return err
		}
		present = beatOf(row)
	} else {
		l, err := s.readLease(ctx, h)
		if err != nil {
			return err
		}
		present = l.Beat
	}
	if present == 0 {
		s.fences.dropHolder(h)
		return fmt.Errorf("%w: the lease of %s has ended", journal.ErrFenced, h)
	}
	return fmt.Errorf("%w: the lease of %s is at beat %d, not %d", journal.ErrConflict, h, present, beat)
}

// ReadLease implements journal.Ownership.
func (s *Store) ReadLease(ctx context.Context, h journal.Holder) (journal.Lease, bool, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return journal.Lease{}, false, err
	}
	defer leave()
	l, err := s.readLease(ctx, h)
	return l.Lease, l.Beat > 0, err
}

// EndLease implements journal.Ownership.
func (s *Store) EndLease(ctx context.Context, h journal.Holder, beat uint64) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var present uint64
	row := map[string]any{}
	if beat > 0 && beat < 1<<63 {
		applied, err := s.conditional(ctx, row,
			fmt.Sprintf("UPDATE leases USING TTL %d SET beat = 0, length_ms = null, handle = null WHERE holder = ? IF beat = ?", endedLease),
			string(h), int64(beat))
		if applied {
			s.fences.dropHolder(h)
			return nil
		}
		if err != nil {
			if l, again := s.readLease(ctx, h); again == nil && l.Beat == 0 && s.endReached(ctx, h) == nil {
				return nil
			}
			return err
		}
		present = beatOf(row)
	} else {
		l, err := s.readLease(ctx, h)
		if err != nil {
			return err
		}
		present = l.Beat
	}
	if present == 0 {
		return s.endReached(ctx, h)
	}
	return fmt.Errorf("%w: the lease of %s is at beat %d, not %d", journal.ErrConflict, h, present, beat)
}

// ReadOwner implements journal.Ownership.
func (s *Store) ReadOwner(ctx context.Context, shard journal.Shard) (journal.Owner, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return journal.Owner{}, err
	}
	defer leave()
	return s.readOwner(ctx, shard)
}

func (s *Store) readOwner(ctx context.Context, shard journal.Shard) (journal.Owner, error) {
	var token int64
	var holder string
	_, err := s.serially(ctx, "SELECT fence, holder FROM owners WHERE shard = ?", int64(shard), &token, &holder)
	return journal.Owner{Token: journal.Token(token), Holder: journal.Holder(holder)}, err
}

// Claim implements journal.Ownership. Its conditions hold at the time of the conditional write
// though they are read before it: the newest token and its holder are in the write's condition, and
// a lease that has ended stays so.
func (s *Store) Claim(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return journal.Fence{}, err
	}
	defer leave()
	release, err := s.locks.acquire(ctx, 0, journal.EntityID{Key: fmt.Sprint(shard)})
	if err != nil {
		return journal.Fence{}, err
	}
	defer release()
	owner, err := s.readOwner(ctx, shard)
	if err != nil {
		return journal.Fence{}, err
	}
	if owner.Token != was {
		return journal.Fence{}, fmt.Errorf("%w: the newest token of shard %d is %d, not %d", journal.ErrConflict, shard, owner.Token, was)
	}
	mine, err := s.readLease(ctx, h)
	if err != nil {
		return journal.Fence{}, err
	}
	if mine.Beat == 0 {
		return journal.Fence{}, fmt.Errorf("%w: %s has no lease", journal.ErrFenced, h)
	}
	if !bytes.Equal(mine.handle, s.handle) {
		return journal.Fence{}, fmt.Errorf("%w: the lease of %s was begun through another handle of the store; begin one of your own", journal.ErrFenced, h)
	}
	if owner.Holder != "" && owner.Holder != h {
		theirs, err := s.readLease(ctx, owner.Holder)
		if err != nil {
			return journal.Fence{}, err
		}
		if theirs.Beat != 0 {
			return journal.Fence{}, &journal.HeldError{Shard: shard, Owner: owner}
		}
		// From here on, the holder's confirmations must see that it has ended; they glance.
		if err := s.endReached(ctx, owner.Holder); err != nil {
			return journal.Fence{}, err
		}
	}
	return s.claim(ctx, shard, owner, h)
}

func (s *Store) claim(ctx context.Context, shard journal.Shard, owner journal.Owner, h journal.Holder) (journal.Fence, error) {
	f := journal.Fence{Shard: shard, Token: owner.Token + 1, Holder: h}
	before, had := s.fences.drop(shard)
	var applied bool
	var err error
	if owner.Token == 0 {
		applied, err = s.conditional(ctx, map[string]any{},
			"UPDATE owners SET fence = ?, holder = ? WHERE shard = ? IF fence = null", int64(f.Token), string(h), int64(shard))
	} else {
		applied, err = s.conditional(ctx, map[string]any{},
			"UPDATE owners SET fence = ?, holder = ? WHERE shard = ? IF fence = ? AND holder = ?",
			int64(f.Token), string(h), int64(shard), int64(owner.Token), string(owner.Holder))
	}
	if applied {
		s.fences.set(f)
		return f, nil
	}
	now, again := s.readOwner(ctx, shard)
	switch {
	case again == nil && now == journal.Owner{Token: f.Token, Holder: h} && errors.Is(err, journal.ErrUnknownOutcome):
		s.fences.set(f)
		return f, nil
	case again == nil && had && now == journal.Owner{Token: before.Token, Holder: before.Holder} && (err == nil || errors.Is(err, journal.ErrUnavailable)):
		s.fences.set(before) // nothing came of it
	case again == nil && now.Token > owner.Token:
		err = nil // whatever became of the request, its condition can hold no more
	}
	if err != nil {
		return journal.Fence{}, err
	}
	return journal.Fence{}, fmt.Errorf("%w: shard %d was claimed by somebody else", journal.ErrConflict, shard)
}

// Release implements journal.Ownership.
func (s *Store) Release(ctx context.Context, f journal.Fence) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if s.fences.holds(f) {
		s.fences.drop(f.Shard)
	}
	if f.Token == 0 {
		return nil
	}
	_, err = s.conditional(ctx, map[string]any{},
		"UPDATE owners SET holder = '' WHERE shard = ? IF fence = ? AND holder = ?", int64(f.Shard), int64(f.Token), string(f.Holder))
	if errors.Is(err, journal.ErrUnknownOutcome) {
		if now, again := s.readOwner(ctx, f.Shard); again == nil && (now.Holder != f.Holder || now.Token != f.Token) {
			return nil
		}
	}
	return err
}
