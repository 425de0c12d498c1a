package cluster

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// SystemClock is CLOCK_BOOTTIME: steady, and it runs through suspend.
func SystemClock() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		// No kernel that Go runs on lacks it. If one does, no lease is ever relied on.
		return math.MaxInt64
	}
	return time.Duration(t.Nano())
}
