package cluster

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// life plays the keeper of a tenure with a lease of 12 s: relied on for 11.4 s, renewed every 4 s.
type life struct {
	*tenure
	t *testing.T
}

func newLife(t *testing.T) life {
	return life{&tenure{holder: "h", length: 12 * time.Second}, t}
}

func (l life) wants(now time.Duration, want deed, pause time.Duration) {
	l.t.Helper()
	if got, p := l.next(now); got != want || p != pause {
		l.t.Fatalf("at %v: deed %d, pause %v; want %d, %v", now, got, p, want, pause)
	}
}

// try makes a try that takes until the second time.
func (l life) try(from, to time.Duration, err error) {
	l.t.Helper()
	if d, _ := l.next(from); d != begin && d != renew {
		l.t.Fatalf("at %v there is nothing to try, but %d", from, d)
	}
	l.began(from)
	l.tried(err, to, 0.5)
}

func (l life) reliesUntil(want time.Duration) {
	l.t.Helper()
	if got := l.until(); got != want {
		l.t.Fatalf("relied on until %v, want %v", got, want)
	}
}

var errCut = errors.New("connection reset") // outcome unknown

const s = time.Second

func TestLeaseCountsFromBeforeItWasAskedFor(t *testing.T) {
	l := newLife(t)
	l.reliesUntil(never)
	l.try(10*s, 13*s, nil)
	l.reliesUntil(10*s + 11400*time.Millisecond)
	l.wants(13*s, rest, 600*time.Millisecond) // by chance a tenth early
	l.try(14*s, 15*s, nil)
	l.reliesUntil(14*s + 11400*time.Millisecond)
	if l.beat != 2 {
		t.Errorf("beat %d, want 2", l.beat)
	}
}

// A renewal whose outcome is unknown may have been the one that others saw: from it the lease counts.
func TestUnknownRenewalIsReadAndCountsFromItsFirstTry(t *testing.T) {
	l := newLife(t)
	l.try(0, 0, nil)
	l.try(4*s, 6*s, errCut)
	l.reliesUntil(11400 * time.Millisecond)
	l.wants(6*s, rest, 125*time.Millisecond)
	l.wants(7*s, read, 0)
	l.looked(journal.Lease{Beat: 1}, true, nil, 7*s, 0.5) // not there yet
	l.try(8*s, 9*s, journal.ErrConflict)                  // now it was
	l.wants(10*s, read, 0)
	l.looked(journal.Lease{Beat: 2}, true, nil, 10*s, 0.5)
	l.reliesUntil(4*s + 11400*time.Millisecond)

	l = newLife(t)
	l.try(0, 0, nil)
	l.try(4*s, 6*s, errCut)
	l.looked(journal.Lease{Beat: 1}, true, nil, 7*s, 0.5)
	l.try(8*s, 9*s, nil) // this one was told to be it, but a store may mistake the first for it
	l.reliesUntil(4*s + 11400*time.Millisecond)
}

// A renewal that surely was not written leaves no trace.
func TestRefusedRenewalDoesNotCount(t *testing.T) {
	l := newLife(t)
	l.try(0, 0, nil)
	l.try(4*s, 5*s, journal.ErrUnavailable)
	l.try(6*s, 7*s, nil)
	l.reliesUntil(6*s + 11400*time.Millisecond)
}

// A lease that has lapsed and that nobody ended is good again when it is renewed.
func TestLapseHeals(t *testing.T) {
	l := newLife(t)
	l.try(0, 0, nil)
	l.wants(100*s, renew, 0)
	l.try(100*s, 101*s, nil)
	l.reliesUntil(100*s + 11400*time.Millisecond)
}

func TestEndedLeaseIsOver(t *testing.T) {
	for name, end := range map[string]func(l life){
		"renewal refused": func(l life) { l.try(4*s, 5*s, journal.ErrFenced) },
		"found gone": func(l life) {
			l.try(4*s, 5*s, errCut)
			l.looked(journal.Lease{}, false, nil, 6*s, 0.5)
		},
		"somebody else renews it": func(l life) {
			l.try(4*s, 5*s, errCut)
			l.looked(journal.Lease{Beat: 3}, true, nil, 6*s, 0.5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			l.try(0, 0, nil)
			end(l)
			l.reliesUntil(never)
			l.wants(7*s, finish, 0)
		})
	}
}

// A beginning that was cut off is read too; it must not leave a second lease behind.
func TestUnknownBeginning(t *testing.T) {
	l := newLife(t)
	l.try(1*s, 2*s, errCut)
	l.wants(3*s, read, 0)
	l.looked(journal.Lease{}, false, nil, 3*s, 0.5)
	l.try(4*s, 5*s, journal.ErrConflict)
	l.looked(journal.Lease{Beat: 1}, true, nil, 6*s, 0.5)
	l.reliesUntil(1*s + 11400*time.Millisecond)
}

func TestRetriesBackOff(t *testing.T) {
	l := newLife(t)
	now := time.Duration(0)
	var last time.Duration
	for i := range 8 {
		l.try(now, now, journal.ErrUnavailable)
		_, pause := l.next(now)
		if pause < last || pause > 4*s {
			t.Fatalf("pause %d is %v after %v", i, pause, last)
		}
		last = pause
		now += pause
	}
	if last != 4*s {
		t.Errorf("the longest pause is %v, want 4s", last)
	}
	l.try(now, now, nil)
	if l.failures != 0 {
		t.Error("a success does not end the row of failures")
	}
}

// TestNotInStep: a hundred nodes whose renewals were all answered at the same moment, since the store had stood still, spread
// theirs; and those that failed together do not come back together.
func TestNotInStep(t *testing.T) {
	const nodes = 100
	var renewals, retries [nodes]time.Duration
	for i := range nodes {
		l := newLife(t)
		now := time.Duration(0)
		for range 10 { // renewals, each when it is due
			l.began(now)
			l.tried(nil, now, rand.Float64())
			_, pause := l.next(now)
			if pause > 4*s || pause < 3*s {
				t.Fatalf("a renewal after %v", pause)
			}
			now += pause
		}
		renewals[i] = now
		for range 4 {
			l.began(now)
			l.tried(journal.ErrUnavailable, now, rand.Float64())
			_, pause := l.next(now)
			now += pause
		}
		retries[i] = now - renewals[i]
	}
	for what, times := range map[string][nodes]time.Duration{"renewals": renewals, "retries": retries} {
		bins := map[time.Duration]int{}
		for _, at := range times {
			if bins[at/(200*time.Millisecond)]++; bins[at/(200*time.Millisecond)] > nodes/3 {
				t.Errorf("%s: more than a third of the nodes come within 200 ms: %v", what, bins)
			}
		}
	}
}

func TestSightingsAreJudged(t *testing.T) {
	var g sighting
	look := func(beat uint64, now time.Duration, want verdict, pause time.Duration) {
		t.Helper()
		g.see(journal.Lease{Beat: beat, Length: 12 * s}, now)
		if got, p := g.judge(now); got != want || p != pause {
			t.Fatalf("at %v: verdict %d, pause %v; want %d, %v", now, got, p, want, pause)
		}
	}
	look(7, 100*s, undecided, 2*s)
	look(7, 102*s, undecided, 2*s)
	look(8, 104*s, alive, 0) // it moved
	look(8, 115*s, alive, 0)
	look(8, 116*s, undecided, 600*time.Millisecond)
	look(8, 116600*time.Millisecond, silent, 0)
	look(9, 117*s, alive, 0) // after all
}
