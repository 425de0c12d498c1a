package cluster

import "time"

// Clock tells the time since some fixed moment. It must run while the machine is
// suspended and must not be set: neither Go's monotonic clock nor the wall clock will
// do. It is called on every command's way, concurrently.
type Clock func() time.Duration

// driftShare is the margin for clocks that run at different speeds: a holder counts on
// its lease for a twentieth less than its length, and whoever waits it out waits a
// twentieth longer. So two clocks may differ by ten percent and more; those of real
// machines differ by less than a thousandth.
const driftShare = 20

// relied is for how long a holder counts on a lease of this length.
func relied(length time.Duration) time.Duration { return length - length/driftShare }

// waited is for how long nothing may be heard of a holder before its lease is ended.
func waited(length time.Duration) time.Duration { return length + length/driftShare }
