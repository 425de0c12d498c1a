package fuzz

import (
	"context"
	"time"
)

// DefaultWarmUp is after how many conversations a target has taken what memory it needs.
const DefaultWarmUp = 2000

// What a target's memory may grow by after the warm-up: a fixed part, for what is in flight and what a runtime has not given back yet; a part of
// what it had, for a collector that lets a heap double; and a few times what it was given to keep.
const (
	memoryFixed   = 192 << 20
	memoryStored  = 6
	memoryDoubles = 2
)

// memoryBound is how much memory a target may hold, in bytes.
func memoryBound(baseline, stored int64) int64 {
	return memoryDoubles*baseline + memoryFixed + memoryStored*stored
}

// resident is a process whose memory can be seen.
type resident interface{ Resident() (int64, error) }

// watch ends the round when the process ends or holds more memory than it may.
func (r *round) watch(ctx context.Context) {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	process, visible := r.rig.process.(resident)
	stored := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.rig.process.Exited():
			r.stop()
			return
		case <-ticker.C:
		}
		if !visible {
			continue
		}
		now, err := process.Resident()
		if err != nil {
			continue // it has ended, which the next turn sees
		}
		r.peak = max(r.peak, now)
		switch {
		case r.held.Load() < r.rig.config.WarmUp:
		case r.baseline == 0:
			r.baseline, stored = r.peak, r.rig.side.stored()
		case now > memoryBound(r.baseline, r.rig.side.stored()-stored):
			r.end(ctx, broken("", "the target holds %d MiB; after %d conversations it was %d MiB, and it was given %d MiB to keep since",
				now>>20, r.rig.config.WarmUp, r.baseline>>20, (r.rig.side.stored()-stored)>>20), r.all(), true)
			return
		}
	}
}
