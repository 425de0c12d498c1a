package cassandra

import (
	"fmt"
	"math"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// record is what one append wrote, or what an adoption copied: the events first to
// first+events-1, all together. The root record has none.
type record struct {
	place
	gen generation
	// origin is the generation that wrote the events first; gen itself unless this is
	// a copy. Records at one place with one origin have the same events.
	origin generation
	events uint64
	// rolls says that the next record is the first of the next bucket.
	rolls bool
	// hollow says that the events are not there: the journal was made to begin behind them.
	hollow bool
	// used is what the bucket holds up to and including this record: records and bytes.
	usedRecords, usedBytes uint64

	head head
}

// last is the sequence number of the record's last event, 0 for the root.
func (r *record) last() uint64 {
	if r.events == 0 {
		return 0
	}
	return r.first + r.events - 1
}

// next is where the record behind r stands.
func (r *record) next() place {
	p := place{bucket: r.bucket, first: r.last() + 1}
	if r.rolls {
		p.bucket++
	}
	return p
}

// anchor is where a replay may begin if r is in the journal for good. It names the origin, as the copy that was met
// may be on one replica only. A root is where a replay begins anyway.
func (r *record) anchor() anchor {
	if r.events == 0 {
		return anchor{}
	}
	return anchor{r.place, r.origin}
}

func (r *record) spot(id journal.EntityID) spot {
	return spot{id: id, at: [4]uint64{r.bucket, r.first, uint64(r.gen.token), r.gen.attempt}}
}

// The flags of a record's head.
const (
	flagRolls  = 1
	flagHollow = 2
)

// seal fills in r's head for body, and encodes it.
func (r *record) seal(id journal.EntityID, body []byte) []byte {
	var flags uint64
	if r.rolls {
		flags |= flagRolls
	}
	if r.hollow {
		flags |= flagHollow
	}
	r.head = headOf(kindRecord, body, r.events, flags, uint64(r.origin.token), r.origin.attempt, r.usedRecords, r.usedBytes)
	return r.head.encode(r.spot(id))
}

// openRecord reads the head of the row at p that gen wrote.
func openRecord(id journal.EntityID, p place, gen generation, encoded []byte) (record, error) {
	r := record{place: p, gen: gen}
	h, err := decodeHead(kindRecord, r.spot(id), encoded)
	if err != nil {
		return record{}, err
	}
	n := h.numbers
	r.head, r.events, r.rolls, r.hollow = h, n[0], n[1]&flagRolls != 0, n[1]&flagHollow != 0
	r.origin = generation{journal.Token(n[2]), n[3]}
	r.usedRecords, r.usedBytes = n[4], n[5]
	most := uint64(journal.MaxAppendEvents)
	if r.hollow {
		most = math.MaxInt64
	}
	if n[1] > flagRolls|flagHollow || (r.events == 0) != (r.first == 0) || r.events > most || gen.before(r.origin) ||
		r.hollow && (r.first != 1 || h.size != 0) {
		return record{}, fmt.Errorf("%w: %d events at %d, written by %v, copied by %v", errHead, r.events, r.first, r.origin, gen)
	}
	return r, nil
}

// copyFor is r as the owner of gen adopts it.
func (r *record) copyFor(gen generation) record {
	c := *r
	c.gen = gen
	return c
}

// follow is the record of events many events in size bytes that gen writes behind r.
func (r *record) follow(gen generation, events int, size int, b bucketLimits) record {
	f := record{place: r.next(), gen: gen, origin: gen, events: uint64(events)}
	if !r.rolls {
		f.usedRecords, f.usedBytes = r.usedRecords, r.usedBytes
	}
	f.usedRecords++
	f.usedBytes += uint64(size)
	f.rolls = f.usedRecords >= b.records || f.usedBytes >= b.bytes
	return f
}

// bucketLimits say when a bucket is full.
type bucketLimits struct {
	records, bytes uint64
}
