package journaltest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	racers     = 16
	racerWrite = 30 // successful writes of each racer
)

// race runs f in many goroutines at once and fails with the first error.
func race(t *testing.T, f func(racer int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, racers)
	for i := range racers {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// testRacingAppends: of all who append at the same place one wins, and the journal holds
// exactly what the winners were told.
func (su *suite) testRacingAppends(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	var mu sync.Mutex
	acknowledged := map[uint64]string{}
	race(t, func(racer int) error {
		last := uint64(0)
		for n := range racerWrite {
			pair := []string{fmt.Sprintf("%d/%d/a", racer, n), fmt.Sprintf("%d/%d/b", racer, n)}
			for {
				err := b.Append(b.ctx, f, cart, last, raw(pair))
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
			mu.Lock()
			for i, p := range pair {
				seq := last + uint64(i) + 1
				if other, taken := acknowledged[seq]; taken {
					mu.Unlock()
					return fmt.Errorf("event %d was acknowledged as %s and as %s", seq, other, p)
				}
				acknowledged[seq] = p
			}
			mu.Unlock()
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
	if len(got) != len(acknowledged) || len(got) != 2*racers*racerWrite {
		t.Fatalf("%d events, %d acknowledged, want %d", len(got), len(acknowledged), 2*racers*racerWrite)
	}
	for i, p := range got {
		if want := acknowledged[uint64(i)+1]; p != want {
			t.Fatalf("event %d is %s, acknowledged was %s", i+1, p, want)
		}
	}
}

// testRacingPuts: a counter that everybody increments loses no increment.
func (su *suite) testRacingPuts(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	race(t, func(int) error {
		for range racerWrite {
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
				_, err = b.PutValue(b.ctx, f, cart, v.Version, binary.BigEndian.AppendUint64(nil, count+1))
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
	if err != nil || v.Version != racers*racerWrite || binary.BigEndian.Uint64(v.Payload) != racers*racerWrite {
		t.Fatalf("counter is %+v, %v; want %d", v, err, racers*racerWrite)
	}
}

// testRacingOwners: owners that keep taking a shard from each other get different tokens,
// and no event follows one of a newer token.
func (su *suite) testRacingOwners(t *testing.T) {
	b := su.bench(t)
	var mu sync.Mutex
	claimed := map[journal.Token]bool{}
	race(t, func(int) error {
		for range racerWrite {
			f, err := b.Claim(b.ctx, 5)
			if err != nil {
				return err
			}
			mu.Lock()
			twice := claimed[f.Token]
			claimed[f.Token] = true
			mu.Unlock()
			if twice {
				return fmt.Errorf("token %d was handed out twice", f.Token)
			}
			// What is there when the claim returned is all that older owners will have written.
			last := uint64(0)
			for {
				err := b.Append(b.ctx, f, cart, last, raw([]string{fmt.Sprint(f.Token)}))
				var conflict *journal.ConflictError
				if errors.As(err, &conflict) {
					last = conflict.Actual
					continue
				}
				if err != nil && !errors.Is(err, journal.ErrFenced) {
					return err
				}
				break
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
