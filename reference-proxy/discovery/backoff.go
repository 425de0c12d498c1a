package discovery

import "time"

// backoff gives the pauses between tries: growing to twice the one before, each spread at random (DISC-22, DISC-60).
type backoff struct {
	max    time.Duration
	factor float64        // how far, as a part of itself, a pause is moved up or down at random: 0 to 1
	random func() float64 // 0 up to, but not including, 1

	first, current time.Duration
}

// next is the pause after one more failure. first is the pause after the first failure of this sort; another sort of failure
// begins anew.
func (b *backoff) next(first time.Duration) time.Duration {
	if first != b.first {
		b.first, b.current = first, first
	}
	pause := min(b.current, b.max)
	b.current = min(2*b.current, b.max)
	return time.Duration(float64(pause) * (1 + b.factor*(2*b.random()-1)))
}

// reset begins anew after a success.
func (b *backoff) reset() { b.first, b.current = 0, 0 }
