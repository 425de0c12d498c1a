package driver

import (
	"sync"
	"time"
)

// complainEvery is how often a trouble that may befall every command is logged.
const complainEvery = time.Second

// complaints keeps a store that is away from filling the log with a line a command.
type complaints struct {
	mu   sync.Mutex
	next time.Time
	left int // how many were not logged since the last
}

// admit says whether to log one now, and how many were left out before it.
func (c *complaints) admit(now time.Time) (leftOut int, admitted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.next) {
		c.left++
		return 0, false
	}
	leftOut, c.left = c.left, 0
	c.next = now.Add(complainEvery)
	return leftOut, true
}
