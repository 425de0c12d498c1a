package cluster

import (
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// sighting is what this node has seen of another holder's lease: pure, like tenure.
type sighting struct {
	lease journal.Lease
	since time.Duration // when this beat was first seen, after the read that brought it returned
	moved bool          // it came in the place of an earlier one, so the holder was alive
}

// see takes what a read brought.
func (s *sighting) see(l journal.Lease, now time.Duration) {
	if s.lease.Beat != l.Beat {
		s.moved = s.lease.Beat != 0
		s.since = now
	}
	s.lease = l
}

// verdict is what a sighting says of a holder.
type verdict uint8

const (
	undecided verdict = iota // look again
	alive                    // its lease was renewed not long ago
	silent                   // its lease is relied on no more, and may be ended
)

// judge gives the verdict, and for undecided how long to wait before the next look.
func (s *sighting) judge(now time.Duration) (verdict, time.Duration) {
	unheard := now - s.since
	limit := waited(s.lease.Length)
	switch {
	case unheard >= limit:
		return silent, 0
	case s.moved && unheard < s.lease.Length:
		return alive, 0
	default:
		return undecided, min(limit-unheard, s.lease.Length/6)
	}
}
