package journaltest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// race runs f in many goroutines at once. The first error ends the race, by way of b.ctx,
// and fails.
func (b *bench) race(f func(racer int) error) {
	b.Helper()
	before := b.ctx
	ctx, cancel := context.WithCancelCause(before)
	defer cancel(nil)
	b.ctx = ctx
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range b.su.effort.Racers {
		wg.Go(func() {
			<-start
			if err := f(i); err != nil {
				cancel(err)
			}
		})
	}
	close(start)
	wg.Wait()
	b.ctx = before
	if err := context.Cause(ctx); err != nil {
		b.Fatal(err)
	}
}

// ledger is what many goroutines were told about one sequence.
type ledger struct {
	mu   sync.Mutex
	told map[uint64]string
}

// note writes down what place was acknowledged as.
func (l *ledger) note(place uint64, what ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == nil {
		l.told = map[uint64]string{}
	}
	for i, w := range what {
		at := place + uint64(i)
		if other, taken := l.told[at]; taken {
			return fmt.Errorf("%d was acknowledged as %s and as %s", at, other, w)
		}
		l.told[at] = w
	}
	return nil
}

// testRacingAppends: of all who append at the same place one wins, and the journal holds
// exactly what the winners were told.
func (su *suite) testRacingAppends(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	var acknowledged ledger
	writes := su.effort.Writes
	b.race(func(racer int) error {
		last := uint64(0)
		for n := range writes {
			pair := []string{fmt.Sprintf("%d/%d/a", racer, n), fmt.Sprintf("%d/%d/b", racer, n)}
			for {
				err := b.Append(b.ctx, f, cart, last, entries(pair...))
				if err == nil {
					break
				}
				var conflict *journal.ConflictError
				if !errors.As(err, &conflict) {
					return err
				}
				if conflict.Actual%2 != 0 {
					return fmt.Errorf("half an append is visible: %w", err)
				}
				last = conflict.Actual
			}
			if err := acknowledged.note(last+1, pair...); err != nil {
				return fmt.Errorf("event %w", err)
			}
			last += 2
			recs, _, err := b.Read(b.ctx, cart, last-2, journal.Chunk{Records: 2})
			if err != nil {
				return err
			}
			if len(recs) != 2 || string(recs[0].Payload) != pair[0] || string(recs[1].Payload) != pair[1] {
				return fmt.Errorf("read after the acknowledgement gives %d events that are not %q", len(recs), pair)
			}
		}
		return nil
	})
	got := b.all(cart, 0, journal.Chunk{})
	if want := 2 * su.effort.Racers * writes; len(got) != len(acknowledged.told) || len(got) != want {
		t.Fatalf("%d events, %d acknowledged, want %d", len(got), len(acknowledged.told), want)
	}
	for i, p := range got {
		if want := acknowledged.told[uint64(i)+1]; p != want {
			t.Fatalf("event %d is %s, acknowledged was %s", i+1, p, want)
		}
	}
}

// testRacingPuts: a counter that everybody increments loses no increment.
func (su *suite) testRacingPuts(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	b.race(func(int) error {
		for range su.effort.Writes {
			for {
				v, err := b.GetValue(b.ctx, cart)
				if err != nil {
					return err
				}
				count := uint64(0)
				if v.Found {
					count = binary.BigEndian.Uint64(v.Payload)
				}
				if count != v.Version {
					return fmt.Errorf("version %d says %d", v.Version, count)
				}
				_, err = b.PutValue(b.ctx, f, cart, v.Version, journal.Entry{Payload: binary.BigEndian.AppendUint64(nil, count+1)})
				if err == nil {
					break
				}
				if !errors.Is(err, journal.ErrConflict) {
					return err
				}
			}
		}
		return nil
	})
	v, err := b.GetValue(b.ctx, cart)
	if want := uint64(su.effort.Racers * su.effort.Writes); err != nil || v.Version != want || binary.BigEndian.Uint64(v.Payload) != want {
		t.Fatalf("counter is %+v, %v; want %d", v, err, want)
	}
}

// testRacingClaims: of all who claim after the same token one wins.
func (su *suite) testRacingClaims(t *testing.T) {
	b := su.bench(t)
	var won ledger
	rounds := su.effort.Writes
	b.race(func(racer int) error {
		h := newHolder()
		if err := b.BeginLease(b.ctx, h, leaseLength); err != nil {
			return err
		}
		for was := journal.Token(0); int(was) < rounds; {
			f, err := b.Claim(b.ctx, 5, was, h)
			switch {
			case err == nil:
				if f.Token != was+1 {
					return fmt.Errorf("claim after %d gave %d", was, f.Token)
				}
				if err := won.note(uint64(f.Token), fmt.Sprintf("racer %d's", racer)); err != nil {
					return fmt.Errorf("token %w", err)
				}
				if err := b.Release(b.ctx, f); err != nil {
					return err
				}
			case errors.Is(err, journal.ErrConflict), errors.Is(err, journal.ErrHeld):
			default:
				return err
			}
			o, err := b.ReadOwner(b.ctx, 5)
			if err != nil {
				return err
			}
			if o.Token < was {
				return fmt.Errorf("the newest token is %d, it was %d", o.Token, was)
			}
			was = o.Token
		}
		return nil
	})
	newest, err := b.ReadOwner(b.ctx, 5)
	if err != nil || int(newest.Token) != len(won.told) || len(won.told) < rounds {
		t.Fatalf("the newest is %+v, %v; %d claims were acknowledged", newest, err, len(won.told))
	}
}

// testRacingOwners: owners that keep taking a shard from each other get different tokens,
// and no event follows one of a newer token.
func (su *suite) testRacingOwners(t *testing.T) {
	b := su.bench(t)
	var claimed ledger
	b.race(func(racer int) error {
		for range su.effort.Writes {
			h := newHolder()
			if err := b.BeginLease(b.ctx, h, leaseLength); err != nil {
				return err
			}
			f, err := claim(b.ctx, b.Store, 5, h)
			if errors.Is(err, journal.ErrConflict) || errors.Is(err, journal.ErrHeld) {
				continue // somebody was faster
			}
			if errors.Is(err, journal.ErrFenced) {
				return fmt.Errorf("nobody ended the lease of %s before it owned anything: %w", h, err)
			}
			if err != nil {
				return err
			}
			if err := claimed.note(uint64(f.Token), fmt.Sprintf("racer %d's", racer)); err != nil {
				return fmt.Errorf("token %w", err)
			}
			if err := ownOnce(b, f); err != nil {
				return err
			}
		}
		return nil
	})
	newest := uint64(0)
	for i, p := range b.all(cart, 0, journal.Chunk{}) {
		var token uint64
		if _, err := fmt.Sscan(p, &token); err != nil {
			t.Fatal(err)
		}
		if token <= newest {
			t.Fatalf("event %d has token %d, the one before %d", i+1, token, newest)
		}
		newest = token
	}
	if newest == 0 {
		t.Fatal("no owner wrote anything")
	}
}

// ownOnce reads the entity, adopts it and writes one event, unless the fence is lost
// meanwhile.
func ownOnce(b *bench, f journal.Fence) error {
	lost := func(err error) bool {
		return errors.Is(err, journal.ErrFenced) || !journal.NotWritten(err)
	}
	got, err := readAll(b.ctx, b.Store, cart, 0, journal.Chunk{})
	if err != nil {
		return err
	}
	last := uint64(len(got))
	if err := b.Adopt(b.ctx, f, cart, last); err != nil {
		if lost(err) || errors.Is(err, journal.ErrConflict) {
			return nil
		}
		return err
	}
	err = b.Append(b.ctx, f, cart, last, entries(fmt.Sprint(f.Token)))
	if err != nil && !lost(err) {
		return fmt.Errorf("token %d adopted the entity at %d: %w", f.Token, last, err)
	}
	return nil
}

// testRacingRenewals: each beat is one renewal's.
func (su *suite) testRacingRenewals(t *testing.T) {
	b := su.bench(t)
	h := b.begin()
	var won ledger
	beats := uint64(su.effort.Writes)
	b.race(func(racer int) error {
		for beat := uint64(1); beat < beats; {
			switch err := b.RenewLease(b.ctx, h, beat); {
			case err == nil:
				if err := won.note(beat, fmt.Sprintf("racer %d's", racer)); err != nil {
					return fmt.Errorf("beat %w", err)
				}
			case !errors.Is(err, journal.ErrConflict):
				return err
			}
			l, alive, err := b.ReadLease(b.ctx, h)
			if err != nil || !alive || l.Beat < beat {
				return fmt.Errorf("lease %+v, %v, %w after beat %d", l, alive, err, beat)
			}
			beat = l.Beat
		}
		return nil
	})
	if l, _, err := b.ReadLease(b.ctx, h); err != nil || l.Beat != beats || uint64(len(won.told)) != beats-1 {
		t.Fatalf("beat %d, %v; %d renewals were acknowledged", l.Beat, err, len(won.told))
	}
}

// testRenewAgainstEnd: of a renewal and an end of the same beat one wins.
func (su *suite) testRenewAgainstEnd(t *testing.T) {
	b := su.bench(t)
	renewals, ends := 0, 0
	for range su.effort.Writes {
		h := b.begin()
		var mu sync.Mutex
		renewed, ended := 0, 0
		b.race(func(racer int) error {
			var err error
			won := &renewed
			if racer%2 == 0 {
				err = b.RenewLease(b.ctx, h, 1)
			} else {
				err = b.EndLease(b.ctx, h, 1)
				won = &ended
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				*won++
			case !errors.Is(err, journal.ErrConflict) && !errors.Is(err, journal.ErrFenced):
				return err
			}
			return nil
		})
		l, alive, err := b.ReadLease(b.ctx, h)
		switch {
		case err != nil:
			t.Fatal(err)
		case renewed > 1 || renewed > 0 && ended > 0 || renewed+ended == 0:
			t.Fatalf("beat 1 was renewed by %d and ended by %d", renewed, ended)
		case alive != (renewed == 1), alive && l.Beat != 2:
			t.Fatalf("beat 1 was renewed by %d and ended by %d, the lease is %+v, %v", renewed, ended, l, alive)
		}
		renewals, ends = renewals+min(1, renewed), ends+min(1, ended)
	}
	t.Logf("%d leases were renewed, %d ended", renewals, ends)
}
