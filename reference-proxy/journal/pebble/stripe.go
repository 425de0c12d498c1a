package pebble

import (
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// stripe is the lock of the entities whose ids hash to it, and remembers the last
// sequence number of some of them.
type stripe struct {
	mu    sync.RWMutex
	last  map[journal.EntityID]uint64
	limit int
}

// init sets the stripe up for its share of the store's limit.
func (st *stripe) init(limit int) {
	st.limit = max(1, limit/stripeCount)
}

// remember keeps the last sequence number of id, at the cost of any other entity's if
// there is no room. The lock must be held for writing.
func (st *stripe) remember(id journal.EntityID, seq uint64) {
	if st.last == nil {
		st.last = make(map[journal.EntityID]uint64)
	}
	if _, known := st.last[id]; !known && len(st.last) >= st.limit {
		for other := range st.last {
			delete(st.last, other)
			break
		}
	}
	st.last[id] = seq
}
