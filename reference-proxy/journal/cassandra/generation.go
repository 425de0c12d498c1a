package cassandra

import (
	"cmp"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// generation orders what was written to one entity at one place, by whom it was
// written and not by when: first the fencing token of the owner, then the owner's attempt,
// a counter that is raised after every write whose outcome is unknown. No two writes to one
// place have the same generation.
type generation struct {
	token   journal.Token
	attempt uint64
}

func (g generation) compare(other generation) int {
	return cmp.Or(cmp.Compare(g.token, other.token), cmp.Compare(g.attempt, other.attempt))
}

func (g generation) before(other generation) bool { return g.compare(other) < 0 }

func (g generation) String() string { return fmt.Sprintf("%d.%d", g.token, g.attempt) }

// place is where a record of an entity's journal stands: the partition (bucket) that holds
// it, and the sequence number of its first event. The zero place is the root, the record
// before the first event, which has no events.
type place struct {
	bucket, first uint64
}

// anchor is a record from which a replay may begin: one that is in the journal for good, at
// whatever generation of at least gen.
type anchor struct {
	place
	gen generation
}
