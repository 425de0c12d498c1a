package userfunction

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// lane is a set of connections whose streams compete with each other for room, and with nobody else. Everything in it
// is guarded by the pool's lock.
type lane struct {
	pool *Pool
	name string
	// base is how many connections are used before any is full, and kept when idle; most is the bound.
	base, most int

	// links are the usable connections, in the order in which they are filled: so the last ones run empty and can be
	// trimmed.
	links []*link
	// held are connected too, but wait to be let through the gate, which only a gated lane has.
	held  []*link
	gated bool
	// all holds the retired ones too.
	all     map[*link]struct{}
	waiters list.List // of *waiter, in the order of arrival

	dialling int
	// failures counts attempts to connect that failed in a row; lastErr is the latest one's reason.
	failures int
	lastErr  error
	retryAt  time.Time
	retrying bool
	// lastLimit is what the latest connection allowed: the guess for the next one.
	lastLimit uint32
	trimming  bool
}

// A user function that appears must be reached soon, and one that is away must not cost much.
const (
	firstRetry   = 10 * time.Millisecond
	longestRetry = 100 * time.Millisecond
	// assumedLimit is the guess for the streams of a connection before any was made.
	assumedLimit = 100
	// dialsAtOnce bounds the connections that a lane makes at the same time.
	dialsAtOnce = 16
)

// waiter is an attempt that waits for room. ready has room for its one value: nil, or why there will be no room.
type waiter struct {
	attempt *attempt
	ready   chan error
}

// reserve finds a place for the attempt, waiting while there is none: for as long as ctx lasts when connections are
// full, for as long as patience lasts when there are none.
func (ln *lane) reserve(ctx context.Context, a *attempt, patience time.Duration) error {
	p := ln.pool
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return closedError()
	}
	if ln.waiters.Len() == 0 {
		if l := ln.pick(); l != nil {
			l.take(a)
			ln.spread(l)
			p.mu.Unlock()
			return nil
		}
	}
	w := &waiter{attempt: a, ready: make(chan error, 1)}
	place := ln.waiters.PushBack(w)
	ln.serve()
	p.mu.Unlock()
	return ln.await(ctx, w, place, patience)
}

func (ln *lane) await(ctx context.Context, w *waiter, place *list.Element, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case err := <-w.ready:
			return err
		case <-timer.C:
			if err := ln.giveUp(w, place, func() error {
				if len(ln.links) > 0 {
					return nil // reachable, only full
				}
				return ln.unreachable(nil)
			}); !errors.Is(err, errStillWaiting) {
				return err
			}
			timer.Reset(patience)
		case <-ctx.Done():
			return ln.giveUp(w, place, func() error {
				if len(ln.links) == 0 {
					return ln.unreachable(ctx.Err())
				}
				return noRoom(fmt.Sprintf("%v: all %d connections are full", ErrNoRoom, len(ln.links)), ctx.Err())
			})
		}
	}
}

var errStillWaiting = errors.New("still waiting")

// giveUp ends a wait with the error that reason gives, unless it was answered in the meantime.
func (ln *lane) giveUp(w *waiter, place *list.Element, reason func() error) error {
	ln.pool.mu.Lock()
	defer ln.pool.mu.Unlock()
	select {
	case err := <-w.ready:
		return err
	default:
	}
	err := reason()
	if err == nil {
		return errStillWaiting
	}
	ln.waiters.Remove(place)
	return err
}

func (ln *lane) unreachable(cause error) error {
	text := fmt.Sprintf("%v: cannot connect to %s", ErrUnavailable, ln.pool.cfg.address())
	switch {
	case len(ln.held) > 0:
		text = fmt.Sprintf("%v: it was lost, and what now answers at %s must first say what it serves", ErrUnavailable, ln.pool.cfg.address())
	case ln.lastErr != nil:
		text += ": " + ln.lastErr.Error()
	}
	return unavailable(text, cause)
}

// pick chooses the connection for the next stream: the least used of the first ones, or else the first with room.
func (ln *lane) pick() *link {
	var best *link
	for i, l := range ln.links {
		if i >= ln.base && best != nil {
			break
		}
		if l.room() && (best == nil || l.active < best.active) {
			best = l
		}
	}
	return best
}

// take books a place on the connection. The pool's lock is held.
func (l *link) take(a *attempt) {
	a.link = l
	a.opening = true
	l.active++
	l.opening = append(l.opening, a)
}

// release gives a place back.
func (ln *lane) release(a *attempt) {
	p, l := ln.pool, a.link
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.opening {
		l.removeOpening(a)
	}
	if !a.moved {
		l.active--
	}
	ln.emptied(l)
	ln.serve()
}

// emptied does what is due when the last stream of a connection has ended.
func (ln *lane) emptied(l *link) {
	if l.active > 0 {
		return
	}
	l.idleSince = time.Now()
	switch {
	case l.state == retired:
		ln.discard(l)
	case len(ln.links) > ln.base:
		ln.scheduleTrim(ln.pool.cfg.IdleTimeout)
	}
}

// refused learns from a stream that the user function turned away although its limit allowed it.
func (ln *lane) refused(l *link) {
	ln.pool.mu.Lock()
	defer ln.pool.mu.Unlock()
	if others := max(l.active-1, 1); uint32(others) < l.limit {
		l.limit = uint32(others)
	}
}

// serve gives places to those who wait, first come first served, and opens connections for the rest.
func (ln *lane) serve() {
	for ln.waiters.Len() > 0 {
		l := ln.pick()
		if l == nil {
			ln.grow()
			return
		}
		w := ln.nextWaiter()
		l.take(w.attempt)
		w.ready <- nil
	}
}

// nextWaiter takes the longest waiting one out. There must be one.
func (ln *lane) nextWaiter() *waiter {
	return ln.waiters.Remove(ln.waiters.Front()).(*waiter) //nolint:errcheck // reserve, the only one that adds, adds waiters
}

// spread opens the first connections ahead of need.
func (ln *lane) spread(l *link) {
	if l.active > 1 && len(ln.links)+len(ln.held)+ln.dialling < ln.base && ln.failures == 0 {
		ln.dial()
	}
}

// grow opens as many connections as those who wait probably need.
func (ln *lane) grow() {
	if ln.pool.closed || len(ln.held) > 0 {
		return // not reachable by another connection either
	}
	if wait := time.Until(ln.retryAt); wait > 0 {
		ln.retryIn(wait)
		return
	}
	guess := int(min(max(ln.lastLimit, 1), uint32(ln.waiters.Len())))
	wanted := min((ln.waiters.Len()+guess-1)/guess, dialsAtOnce)
	if len(ln.links) == 0 {
		wanted = 1 // one tells whether the user function is there, and what it allows
	}
	for ln.dialling < wanted && len(ln.links)+ln.dialling < ln.most {
		ln.dial()
	}
}

func (ln *lane) retryIn(wait time.Duration) {
	if ln.retrying {
		return
	}
	ln.retrying = true
	ln.pool.after(wait, func() {
		ln.retrying = false
		ln.serve()
	})
}

// dial starts one attempt to connect.
func (ln *lane) dial() {
	p := ln.pool
	ln.dialling++
	p.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, p.cfg.ConnectTimeout)
		defer cancel()
		_, err := ln.connect(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil {
			ln.dialling--
			ln.dialFailed(err)
		}
	})
}

// add takes a connection into use.
func (ln *lane) add(l *link) {
	p := ln.pool
	ln.dialling--
	l.state, l.idleSince = held, time.Now()
	ln.all[l] = struct{}{}
	p.place(l)
	ln.held = append(ln.held, l)
	ln.promote()
	p.cfg.Logger.Debug("connected to the user function", "lane", ln.name, "connections", len(ln.links), "limit", l.limit)
	p.reached()
	ln.serve()
	if l.active == 0 && len(ln.links) > ln.base {
		ln.scheduleTrim(p.cfg.IdleTimeout)
	}
}

// promote takes held connections into use that may be used.
func (ln *lane) promote() {
	p := ln.pool
	ln.held = slices.DeleteFunc(ln.held, func(l *link) bool {
		if ln.gated && (l.epoch != p.epoch || !p.admitted) {
			return false
		}
		l.state = usable
		ln.links = append(ln.links, l)
		return true
	})
}

func (ln *lane) dialFailed(err error) {
	p := ln.pool
	if p.closed {
		return
	}
	pause := min(firstRetry<<min(ln.failures, 10), longestRetry)
	ln.failures++
	ln.lastErr = err
	ln.retryAt = time.Now().Add(pause)
	if ln == p.control && ln.failures == 1 {
		// At once and once: discovery tells again, at growing intervals.
		p.cfg.Logger.Warn("cannot connect to the user function and will go on trying: start it, or check the proxy's settings user-function-host and user-function-port",
			"address", p.cfg.address(), "error", err)
	} else {
		p.cfg.Logger.Debug("cannot connect to the user function", "lane", ln.name, "error", err, "tries", ln.failures)
	}
	if p.probing {
		p.probing = false
		p.gone()
	}
	ln.serve()
}

// retire takes a connection out of use; its streams may go on. It is false when it was out of use already.
func (ln *lane) retire(l *link) bool {
	var from *[]*link
	switch l.state {
	case usable:
		from = &ln.links
	case held:
		from = &ln.held
	case connecting, retired:
		return false
	}
	l.state = retired
	if i := slices.Index(*from, l); i >= 0 {
		*from = slices.Delete(*from, i, i+1)
	}
	for len(l.opening) > 0 {
		l.move(l.opening[0])
	}
	if l.active == 0 {
		ln.discard(l)
	}
	return true
}

// discard closes a retired connection that has no streams left.
func (ln *lane) discard(l *link) {
	if _, present := ln.all[l]; !present || ln.pool.closed {
		return
	}
	delete(ln.all, l)
	// Not here: the connection's own reader may be what brought us here, and closing waits for it.
	ln.pool.tasks.Go(func() { _ = l.client.Close() })
}

func (ln *lane) scheduleTrim(wait time.Duration) {
	if ln.trimming {
		return
	}
	ln.trimming = true
	ln.pool.after(wait, func() {
		ln.trimming = false
		ln.trim()
	})
}

// trim closes connections beyond the first ones that have had no stream for long enough.
func (ln *lane) trim() {
	next := time.Duration(-1)
	for i := len(ln.links) - 1; i >= 0 && len(ln.links) > ln.base; i-- {
		l := ln.links[i]
		if ended, _ := socketEnded(l.raw); l.active > 0 || ended {
			continue // an end must be noticed as such
		}
		if left := ln.pool.cfg.IdleTimeout - time.Since(l.idleSince); left > 0 {
			if next < 0 || left < next {
				next = left
			}
			continue
		}
		ln.retire(l)
	}
	if next >= 0 {
		ln.scheduleTrim(next)
	}
}
