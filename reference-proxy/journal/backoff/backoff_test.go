package backoff_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/backoff"
)

// pass lets d of the bubble's virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // waits for nothing: in a synctest bubble this is how the clock is moved
}

func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chance := 0.5
		b := &backoff.Backoff{Shortest: 10 * time.Millisecond, Longest: 65 * time.Millisecond, Random: func() float64 { return chance }}
		if rest := b.Rest(); rest > 0 {
			t.Errorf("a rest of %v before any failure", rest)
		}
		for i, ms := range []int{10, 20, 40, 65, 65} {
			want := time.Duration(ms) * time.Millisecond
			got := b.Failed()
			if got != want || b.Rest() != want {
				t.Errorf("after failure %d: %v, then %v, want %v", i+1, got, b.Rest(), want)
			}
			pass(want / 2)
			if again := b.Failed(); again != want-want/2 {
				t.Errorf("a failure during the rest: %v", again)
			}
			pass(want)
			if rest := b.Rest(); rest > 0 {
				t.Errorf("still %v", rest)
			}
		}
		b.Succeeded()
		chance = 0
		if got := b.Failed(); got != 5*time.Millisecond {
			t.Errorf("the shortest is %v, want 5ms", got)
		}
		b.Succeeded()
		if rest := b.Rest(); rest > 0 {
			t.Errorf("a rest of %v after a success", rest)
		}
		chance = 0.999999
		if got := b.Failed(); got > 15*time.Millisecond || got < 14999*time.Microsecond {
			t.Errorf("the longest first is %v, want 15ms", got)
		}
	})
}

// TestNotInStep: a hundred proxies lose a database at the same moment. From the third try on, no twentieth of a pause sees more
// than a fifth of them.
func TestNotInStep(t *testing.T) {
	const proxies = 100
	var at [proxies][6]time.Duration
	for i := range at {
		synctest.Test(t, func(t *testing.T) {
			b := &backoff.Backoff{Shortest: 20 * time.Millisecond, Longest: 500 * time.Millisecond}
			began := time.Now()
			for try := range at[i] {
				pass(b.Failed())
				at[i][try] = time.Since(began)
			}
		})
	}
	for try := 2; try < len(at[0]); try++ {
		pause := min(20*time.Millisecond<<try, 500*time.Millisecond)
		busiest, bins := 0, map[time.Duration]int{}
		for i := range at {
			bin := at[i][try] / (pause / 20)
			bins[bin]++
			busiest = max(busiest, bins[bin])
		}
		if busiest > proxies/5 {
			t.Errorf("try %d: %d of %d proxies come within %v", try+1, busiest, proxies, pause/20)
		}
	}
}
