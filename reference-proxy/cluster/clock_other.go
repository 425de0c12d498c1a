//go:build !linux

package cluster

import "time"

var started = time.Now()

// SystemClock is Go's monotonic clock here, which may stand still while the machine is
// suspended: good enough to develop with, but after a suspend an answer could leave
// that another node has made out of date. Several nodes on one store need Linux.
func SystemClock() time.Duration { return time.Since(started) }
