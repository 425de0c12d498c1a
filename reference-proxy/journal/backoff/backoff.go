// Package backoff spaces the tries to reach a database that is away, so that a hundred proxies that lost it together do not come
// back to it together, and none of them hammers on it meanwhile.
//
// What enters: how tries ended. What leaves: how long to rest before the next. It makes no try and waits for nothing itself.
package backoff

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Backoff is the rest between tries of one proxy at one thing. The pause doubles with each failure from Shortest to
// Longest, and each is a half more or less, at random. Its methods may be called concurrently.
type Backoff struct {
	// Shortest and Longest bound the pause, before chance; both are positive.
	Shortest, Longest time.Duration
	// Random gives numbers from 0 up to, but not including, 1; math/rand by default.
	Random func() float64

	mu    sync.Mutex
	pause time.Duration // the last; 0 after a success
	until time.Time
}

// Failed says that a try ended without success, and returns how long to rest. Tries that were made at the same time count as
// one: those that end during a rest do not lengthen it.
func (b *Backoff) Failed() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if left := b.until.Sub(now); left > 0 {
		return left
	}
	b.pause = min(max(2*b.pause, b.Shortest), b.Longest)
	random := rand.Float64 //nolint:gosec // it only spreads
	if b.Random != nil {
		random = b.Random
	}
	rest := time.Duration(float64(b.pause) * (0.5 + random()))
	b.until = now.Add(rest)
	return rest
}

// Succeeded says that a try succeeded: the next rest is a short one again.
func (b *Backoff) Succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pause, b.until = 0, time.Time{}
}

// Rest is how long to rest from now, 0 or less for not at all.
func (b *Backoff) Rest() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Until(b.until)
}
