package cluster

import (
	"errors"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// tenure is the life of one lease of our own, from its beginning to its end, as a pure
// machine: next says what to do, and what came of it is told with began, tried or
// looked. Times are of the node's clock.
type tenure struct {
	holder journal.Holder
	length time.Duration

	beat    uint64        // the newest that is known to be stored; 0 before the lease has begun
	counted time.Duration // the lease counts from here: before the first try that may have brought beat
	first   time.Duration // before the first try that may bring the next
	stray   bool          // a try for it has an unknown outcome, and may take effect now or later
	unsure  bool          // the store must be read before the next try
	over    bool          // for good

	early    time.Duration // how much sooner than every third of the length the next renewal is made
	failures int           // in a row
	resume   time.Duration // nothing is done before, after a failure
}

// deed is what is to be done next about a lease.
type deed uint8

const (
	rest   deed = iota // wait
	begin              // BeginLease
	renew              // RenewLease from beat
	read               // ReadLease
	finish             // the lease is over
)

// renewEvery is how often a lease of this length is renewed.
func renewEvery(length time.Duration) time.Duration { return length / 3 }

// renewSpread is the part of the time between renewals by which one may be early.
const renewSpread = 5

// next says what to do now, and for rest how long at most to wait.
func (t *tenure) next(now time.Duration) (deed, time.Duration) {
	due := t.counted + renewEvery(t.length) - t.early
	switch {
	case t.over:
		return finish, 0
	case now < t.resume:
		return rest, t.resume - now
	case t.unsure:
		return read, 0
	case t.beat == 0:
		return begin, 0
	case now < due:
		return rest, due - now
	default:
		return renew, 0
	}
}

// began says that a try to begin or renew is made, before it is.
func (t *tenure) began(now time.Duration) {
	if !t.stray {
		t.first = now
	}
}

// tried says how a try ended. chance, from 0 to 1, spreads what comes after it.
func (t *tenure) tried(err error, now time.Duration, chance float64) {
	switch {
	case err == nil:
		t.advance()
		// Nodes that a store answered at the same moment, because it had stood still, must not renew in step for ever.
		t.early = time.Duration(float64(renewEvery(t.length)) / renewSpread * chance)
	case errors.Is(err, journal.ErrFenced):
		t.over = true
	default:
		// At a conflict only a try of ours can have been faster.
		if errors.Is(err, journal.ErrConflict) || !journal.NotWritten(err) {
			t.stray, t.unsure = true, true
		}
		t.backOff(now, chance)
	}
}

// looked says what the store holds.
func (t *tenure) looked(l journal.Lease, found bool, err error, now time.Duration, chance float64) {
	switch {
	case err != nil:
		t.backOff(now, chance)
	case !found && t.beat > 0:
		t.over = true
	case !found, l.Beat == t.beat:
		t.unsure = false // a try has not arrived; if it still does, the next one meets a conflict
	case l.Beat == t.beat+1 && t.stray:
		t.advance()
	default:
		t.over = true // somebody else goes by our name
	}
}

// advance takes the next beat for stored. Which try brought it cannot be told, so the
// lease counts from the first.
func (t *tenure) advance() {
	t.beat++
	t.counted = t.first
	t.stray, t.unsure = false, false
	t.failures, t.resume = 0, 0
}

// until is the time up to which the lease is relied on.
func (t *tenure) until() time.Duration {
	if t.over || t.beat == 0 {
		return never
	}
	return t.counted + relied(t.length)
}

// backOff waits longer with each failure in a row, up to the time between renewals, a
// half more or less.
func (t *tenure) backOff(now time.Duration, chance float64) {
	longest := renewEvery(t.length)
	pause := longest
	if t.failures < 5 {
		pause = longest >> (5 - t.failures)
	}
	t.failures++
	t.resume = now + time.Duration(float64(pause)*(0.5+chance))
}
