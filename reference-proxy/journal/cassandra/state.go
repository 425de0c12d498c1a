package cassandra

import (
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// journalState is what this handle remembers of an entity's journal. None of it is
// needed; it saves reads, but for the mark, which ties an adoption to what was read.
type journalState struct {
	// anchors are records in the journal for good, in the order in which they became known.
	anchors []anchor
	// pruned is the last event known to be removed.
	pruned uint64
	// saved is the last event of the newest snapshot that this handle wrote and that was acknowledged.
	saved uint64
	// tail is the last record, if the owner with the token adopted it or wrote it.
	tail  record
	owner journal.Token

	mark mark

	// eventBytes is what an event of the last chunk took, on the average; 0: none was read yet.
	eventBytes int
}

// aroundChunk is how many rows a chunk's query meets beside the chunk's own: the records that it begins at, and
// one behind it.
const aroundChunk = 4

// pageFor is the size of the first page for a chunk that is expected to be like the last: all of it in one answer.
func (st *journalState) pageFor(most journal.Chunk) int {
	if st.eventBytes == 0 {
		return 0
	}
	rows := min(most.Records, most.Bytes/st.eventBytes, pageTarget/(st.eventBytes+64))
	return min(max(rows, firstPage/2)+aroundChunk, lastPage)
}

const keptAnchors = 8

// keep remembers a.
func (st *journalState) keep(a anchor) {
	if a == (anchor{}) {
		return
	}
	kept := make([]anchor, 0, keptAnchors)
	for _, old := range st.anchors {
		if old.place != a.place {
			kept = append(kept, old)
		}
	}
	if len(kept) == keptAnchors {
		kept = kept[1:]
	}
	kept = append(kept, a)
	st.anchors = kept
}

// best returns the anchor nearest to the event seq that is not behind it.
func (st *journalState) best(seq uint64) (a anchor) {
	for _, k := range st.anchors {
		if k.first <= seq && k.first >= a.first {
			a = k
		}
	}
	return a
}

// mark is the record of which a read returned something last. What comes last in a journal
// may have been written by an owner that is gone, without having been acknowledged, and
// something else may show up in its place. So an adoption must find what the reads found: the
// caller acts on that.
type mark struct {
	set    bool
	place  place
	origin generation
	// read is when, by the handle's count, it was read last; mixed is when something else
	// was read last that turned into this, without having been in the journal for good.
	read, mixed uint64
}

// sighting is what one read saw, for the mark.
type sighting struct {
	// from is where it began.
	from place
	// at is the record met at the mark's place, if met.
	met    bool
	origin generation
	// last is the last record of which it returned something, or that it saw to be the last.
	last    mark
	hasLast bool
	// ended is whether it came to the journal's end.
	ended bool
}

// see notes a record on the way of a read.
func (g *sighting) see(m mark, r record) {
	if m.set && r.place == m.place {
		g.met, g.origin = true, markOf(r).origin
	}
}

// markOf is the mark that a read of r leaves. All roots are alike, present or not.
func markOf(r record) mark {
	if r.events == 0 {
		return mark{set: true}
	}
	return mark{set: true, place: r.place, origin: r.origin}
}

// after returns the mark behind a read that saw g at the time now.
func (m mark) after(g sighting, now uint64) mark {
	if !g.hasLast {
		return m
	}
	next := g.last
	next.read, next.mixed = now, m.mixed
	if m.set && m.place != (place{}) && g.from.first <= m.place.first && (g.ended || g.last.place.first >= m.place.first) {
		if !g.met || g.origin != m.origin {
			next.mixed = m.read
		}
	}
	return next
}

// allows says whether rec may be adopted by one who acts on what was read since it claimed the
// shard at the time claimed. Before that, others may have been at work.
func (m mark) allows(rec record, claimed uint64) bool {
	is := markOf(rec)
	return !m.set || m.place == is.place && m.origin == is.origin && m.mixed <= claimed
}
