package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// never is before every time of a clock.
const never = time.Duration(math.MinInt64)

// lease is what the rest of the node knows of its tenure: until when it may rely on it.
type lease struct {
	holder journal.Holder
	until  atomic.Int64 // a time of the clock; never once the lease is over
}

func newLease(h journal.Holder) *lease {
	l := &lease{holder: h}
	l.end()
	return l
}

func (l *lease) valid(now time.Duration) bool { return int64(now) < l.until.Load() }

func (l *lease) end() { l.until.Store(int64(never)) }

// errLate is a renewal that took longer than the lease.
var errLate = errors.New("the store took longer to renew the lease than the lease is long; is it overloaded, or --lease-duration too short?")

// keep holds one lease after the other until ctx ends, then ends the last.
func (l *Local) keep(ctx context.Context) {
	defer l.cancel() // also when the store was closed: nobody is to wait for a lease then
	for ctx.Err() == nil {
		t := &tenure{holder: l.newHolder(), length: l.length}
		mine := newLease(t.holder)
		l.mine.Store(mine)
		if errors.Is(l.serve(ctx, t, mine), journal.ErrClosed) {
			return
		}
		if ctx.Err() == nil {
			l.tally.losses.Add(1)
			l.log.Warn("the lease of this node was ended by another node, which found it silent; every entity is loaded anew", "holder", t.holder)
		}
	}
}

// serve keeps the lease of one tenure for as long as it lasts.
func (l *Local) serve(ctx context.Context, t *tenure, mine *lease) error {
	defer mine.end()
	told := never
	var failure error // of the last try
	for ctx.Err() == nil {
		if l.doubted.Swap(false) && t.beat > 0 {
			t.unsure = true
		}
		now := l.clock()
		deed, pause := t.next(now)
		switch deed {
		case finish:
			return nil
		case rest:
			if left := t.until() - now; t.until() != never && left > 0 {
				pause = min(pause, left) // to tell a lapse when it happens
			}
			l.pause(ctx, pause)
			// What a try is due for is told after it: a process that was stopped for a while
			// finds its lease lapsed, and mends that at once.
			if next, _ := t.next(l.clock()); next == rest {
				l.tell(mine, failure)
			}
			continue
		case begin, renew, read:
		}
		err := l.do(ctx, t, deed)
		if until := t.until(); until != told {
			mine.until.Store(int64(until))
			told = until
		}
		if ctx.Err() != nil {
			continue
		}
		if deed != read {
			l.tally.tried(err)
		}
		if t.over {
			continue
		}
		if err == nil && l.clock()-now > relied(l.length) {
			err = errLate
		}
		if t.failures == 1 {
			l.log.Warn("the lease of this node was not renewed; trying again", "holder", t.holder, "error", err)
		}
		failure = err
		l.tell(mine, err)
		l.attempted(err)
		if errors.Is(err, journal.ErrClosed) {
			return err
		}
	}
	l.renounce(t, mine)
	return nil
}

// do does one deed with the store.
func (l *Local) do(ctx context.Context, t *tenure, d deed) error {
	ctx, cancel := context.WithTimeout(ctx, l.patience())
	defer cancel()
	if d == read {
		stored, found, err := l.store.ReadLease(ctx, t.holder)
		t.looked(stored, found, err, l.clock(), l.chance())
		return err
	}
	t.began(l.clock())
	var err error
	if d == begin {
		err = l.store.BeginLease(ctx, t.holder, t.length)
	} else {
		err = l.store.RenewLease(ctx, t.holder, t.beat)
	}
	t.tried(err, l.clock(), l.chance())
	return err
}

// patience bounds one call to the store about a lease, so that several tries fit into
// its length.
func (l *Local) patience() time.Duration { return min(renewEvery(l.length), maxPatience) }

const (
	maxPatience = 10 * time.Second
	// lastPatience bounds the end of the lease in an orderly stop (OPS-13).
	lastPatience = time.Second
)

// pause waits, unless there is news.
func (l *Local) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.wake:
	case <-ctx.Done():
	}
}

// tell says, in the log and to whoever asked for it, when the node begins and ceases to
// be able to rely on its lease.
func (l *Local) tell(mine *lease, err error) {
	usable := mine.valid(l.clock())
	if usable == l.usable {
		return
	}
	l.usable = usable
	if usable {
		l.log.Info("this node holds a lease with the store", "holder", mine.holder, "length", l.length)
	} else {
		l.log.Error("the lease of this node has lapsed: calls to entities are answered UNAVAILABLE until it is renewed",
			"holder", mine.holder, "error", err)
	}
	l.notify(usable)
}

// renounce ends the lease in order, so that a successor need not wait.
func (l *Local) renounce(t *tenure, mine *lease) {
	mine.end() // first: from here on nothing is answered
	if t.beat == 0 && !t.stray {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(l.patience(), lastPatience))
	defer cancel()
	const tries = 3 // a renewal that was cut off may still move the beat
	beat, err := t.beat, error(nil)
	for range tries {
		if err = l.store.EndLease(ctx, t.holder, beat); !errors.Is(err, journal.ErrConflict) {
			break
		}
		stored, found, readErr := l.store.ReadLease(ctx, t.holder)
		if err = readErr; err != nil || !found {
			break
		}
		beat = stored.Beat
	}
	if err != nil && !errors.Is(err, journal.ErrClosed) {
		l.log.Warn("the lease of this node was not ended; whoever wants its shards waits until it has lapsed", "holder", t.holder, "error", err)
	}
}

// attempted wakes whoever waits for the lease.
func (l *Local) attempted(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastErr = err
	close(l.attempt)
	l.attempt = make(chan struct{})
}

// held returns the node's lease once it is valid, after waiting for at most one try to
// make it so.
func (l *Local) held(ctx context.Context) (*lease, error) {
	for {
		l.mu.Lock()
		next := l.attempt
		l.mu.Unlock()
		if mine := l.mine.Load(); mine.valid(l.clock()) {
			return mine, nil
		}
		l.rouse()
		select {
		case <-next:
		case <-l.ctx.Done():
			return nil, journal.ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lease of this node: %w", context.Cause(ctx))
		}
		l.mu.Lock()
		err := l.lastErr
		l.mu.Unlock()
		if mine := l.mine.Load(); err != nil && !mine.valid(l.clock()) {
			return nil, fmt.Errorf("the lease of this node: %w", err)
		}
	}
}

// rouse makes the keeper look what there is to do now.
func (l *Local) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// doubt makes the keeper read the store: somebody was told that the lease is over.
func (l *Local) doubt() {
	l.doubted.Store(true)
	l.rouse()
}
