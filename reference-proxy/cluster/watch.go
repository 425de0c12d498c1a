package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// watches knows what was seen of other holders, so that many shards of one holder wait
// for it once.
type watches struct {
	mu   sync.Mutex
	seen map[journal.Holder]*watch
}

type watch struct {
	sighting
	round *round // nil when nobody waits
}

// round is one look at a holder, until there is a verdict; err may be read when done is
// closed.
type round struct {
	done chan struct{}
	err  error
}

// forgotten is how many lengths of its lease an unasked-for holder is remembered.
const forgotten = 10

// outwait returns nil once the holder's lease has ended, which it brings about if the
// holder is silent for long enough. journal.ErrHeld: the holder is alive.
func (l *Local) outwait(ctx context.Context, h journal.Holder) error {
	r := l.watches.join(h, l.clock(), func(w *watch, r *round) {
		l.tasks.Go(func() { l.watch(h, w, r) })
	})
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the lease of %s: %w", h, context.Cause(ctx))
	}
}

// join gives the round about h that is under way, or starts one.
func (ws *watches) join(h journal.Holder, now time.Duration, start func(*watch, *round)) *round {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.seen[h]
	if w == nil {
		for other, o := range ws.seen {
			if o.round == nil && now-o.since > forgotten*o.lease.Length {
				delete(ws.seen, other)
			}
		}
		w = &watch{}
		ws.seen[h] = w
	}
	if w.round == nil {
		w.round = &round{done: make(chan struct{})}
		start(w, w.round)
	}
	return w.round
}

// leave ends a round; a holder that is gone for good is forgotten.
func (ws *watches) leave(h journal.Holder, w *watch, r *round, err error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.round = nil
	if err == nil {
		delete(ws.seen, h)
	}
	r.err = err
	close(r.done)
}

// watch carries one round out. Only one runs for a holder at a time, so the sighting is
// its own meanwhile.
func (l *Local) watch(h journal.Holder, w *watch, r *round) {
	l.watches.leave(h, w, r, func() error {
		for {
			gone, err := l.look(h, w)
			if gone || err != nil {
				return err
			}
		}
	}())
}

// look takes one look at the holder, and waits for the next if there has to be one.
func (l *Local) look(h journal.Holder, w *watch) (gone bool, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.patience())
	defer cancel()
	stored, found, err := l.store.ReadLease(ctx, h)
	if err != nil || !found {
		return err == nil, err
	}
	w.see(stored, l.clock()) // the time after the read: not later than any renewal that it does not show
	verdict, pause := w.judge(l.clock())
	switch verdict {
	case alive:
		return false, journal.ErrHeld
	case silent:
		err := l.store.EndLease(ctx, h, stored.Beat)
		if errors.Is(err, journal.ErrConflict) {
			return false, nil // it spoke at the last moment: the next look sees it
		}
		if err == nil {
			l.log.Warn("a node was silent for longer than its lease; its shards can be taken over", "holder", h, "lease", stored.Length)
		}
		return err == nil, err
	case undecided:
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-l.ctx.Done():
		return false, journal.ErrClosed
	}
}
