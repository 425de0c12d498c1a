package cluster

import (
	"sync/atomic"
	"time"
)

// State is how a node stands with its store, for people and for alerts.
type State struct {
	// Held says that the node can rely on its lease, for Left from now.
	Held bool
	Left time.Duration
	// Shards is how many shards the node owns under the lease.
	Shards int
	// Renewals counts the tries to begin or renew a lease that succeeded, Failures those that did not, and Losses the
	// leases that other nodes ended.
	Renewals, Failures, Losses uint64
	// Err is why the last try failed; nil if it did not.
	Err error
}

// tally is what State counts.
type tally struct{ renewals, failures, losses atomic.Uint64 }

func (c *tally) tried(err error) {
	if err == nil {
		c.renewals.Add(1)
	} else {
		c.failures.Add(1)
	}
}

// State tells how the node stands now.
func (l *Local) State() State {
	mine, now := l.mine.Load(), l.clock()
	s := State{
		Held:     mine.valid(now),
		Renewals: l.tally.renewals.Load(), Failures: l.tally.failures.Load(), Losses: l.tally.losses.Load(),
	}
	if s.Held {
		s.Left = time.Duration(mine.until.Load()) - now
	}
	for i := range l.shards {
		if c := l.shards[i].claim.Load(); c != nil && c.lease == mine {
			s.Shards++
		}
	}
	l.mu.Lock()
	s.Err = l.lastErr
	l.mu.Unlock()
	return s
}
