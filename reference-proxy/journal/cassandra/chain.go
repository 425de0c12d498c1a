package cassandra

import (
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// row is one row of the events table. Rows of a bucket come in the order of first
// ascending, generation descending, part ascending.
type row struct {
	first uint64
	gen   generation
	part  uint64
	head  []byte
	data  []byte
}

// chain picks the journal out of the rows. It is a pure machine: rows in, records out.
//
// The rule: begin at the root (or at an anchor). At each place take the record of
// the highest generation that is not below that of the record before; it says where the next
// place is. Where there is none, the journal ends. Everything else is dead: written by owners
// whose writes were never acknowledged.
//
// What the machine also sees, as every record was written on top of one of its own generation
// that was acknowledged: an original must follow its own generation, a copy must
// not follow one that is newer than itself or older than what it copies, and beyond the
// end nothing can be of the last record's generation or a newer one. Otherwise rows are missing.
// A read that ran beside a write may look like that; reading again tells which.
type chain struct {
	id     journal.EntityID
	bodies bool // whether rows bring their data

	next   place
	floor  generation // of the record before next; at the start the least for the first record
	begun  bool       // a record was found
	anchor bool       // began at an anchor, whose record must be there

	tail   record // the last record found
	stable anchor // the last record found that another follows: in the journal for good

	open  bool   // tail's parts are still coming
	body  []byte // so far
	parts uint64

	stray    generation // highest generation of rows that are not at any place
	strayAt  place
	hasStray bool
}

// newChain begins at a, or at the root if a is the zero anchor.
func newChain(id journal.EntityID, a anchor, bodies bool) *chain {
	return &chain{id: id, bodies: bodies, next: a.place, floor: a.gen, anchor: a != anchor{}, stable: a}
}

// tornError says that rows do not fit together: rows are missing, or the read ran
// beside a write.
type tornError struct {
	what  string
	cause error
}

func (e *tornError) Error() string {
	if e.cause != nil {
		return e.what + ": " + e.cause.Error()
	}
	return e.what
}

func (e *tornError) Unwrap() error { return e.cause }

func torn(format string, args ...any) error { return &tornError{what: fmt.Sprintf(format, args...)} }

// add takes the next row of bucket. It returns true when a record is complete: it is
// in tail, its body in body until the next call.
func (c *chain) add(bucket uint64, r row) (bool, error) {
	if c.open {
		return c.addPart(r)
	}
	if c.begun && r.first == c.tail.first && bucket == c.tail.bucket {
		return false, nil // a lower generation at a place that is taken
	}
	if r.first != c.next.first || bucket != c.next.bucket {
		if !c.hasStray || c.stray.before(r.gen) {
			c.hasStray, c.stray, c.strayAt = true, r.gen, place{bucket, r.first}
		}
		return false, nil
	}
	if r.part != 0 || r.gen.before(c.floor) {
		return false, nil // never completed, or dead
	}
	rec, err := openRecord(c.id, c.next, r.gen, r.head)
	if err != nil {
		return false, &tornError{what: fmt.Sprintf("event %d", r.first), cause: err}
	}
	if err := c.link(rec); err != nil {
		return false, err
	}
	if c.begun {
		c.stable = c.tail.anchor()
	}
	c.tail, c.begun, c.next, c.floor = rec, true, rec.next(), rec.gen
	if !c.bodies {
		return true, nil
	}
	c.open, c.parts, c.body = true, 0, nil
	return c.addPart(r)
}

// link checks that rec may follow the record before it.
func (c *chain) link(rec record) error {
	switch {
	case !c.begun && c.anchor:
		return nil // its generation is not below the anchor's
	case !c.begun:
		return nil // the root follows nothing
	case rec.gen == rec.origin && c.floor != rec.gen:
		return torn("event %d was written by generation %v behind one of its own, but before it is %v", rec.first, rec.gen, c.floor)
	case c.floor.before(rec.origin):
		return torn("event %d was first written by generation %v behind one of its own, but before it is %v", rec.first, rec.origin, c.floor)
	}
	return nil
}

func (c *chain) addPart(r row) (bool, error) {
	if r.first != c.tail.first || r.gen != c.tail.gen || r.part != c.parts {
		return false, torn("part %d of event %d by generation %v is missing", c.parts, c.tail.first, c.tail.gen)
	}
	c.parts++
	if c.tail.head.parts == 1 {
		c.body = r.data
	} else {
		c.body = append(c.body, r.data...)
	}
	if c.parts < c.tail.head.parts {
		return false, nil
	}
	c.open = false
	if err := c.tail.head.check(c.body); err != nil {
		return false, &tornError{what: fmt.Sprintf("event %d", r.first), cause: err}
	}
	return true, nil
}

// endBucket says that bucket has no more rows. It returns true if the journal goes on in
// the next bucket.
func (c *chain) endBucket(bucket uint64) (bool, error) {
	if c.open {
		return false, torn("part %d of event %d by generation %v is missing", c.parts, c.tail.first, c.tail.gen)
	}
	if c.next.bucket > bucket {
		return true, nil
	}
	return false, c.end()
}

// end says that there are no more rows.
func (c *chain) end() error {
	if c.anchor && !c.begun {
		return torn("event %d, which a snapshot or an earlier read rests on, is missing", c.next.first)
	}
	if c.hasStray && !c.stray.before(c.floor) {
		return torn("event %d is missing, but there is event %d (bucket %d) by generation %v", max(c.next.first, 1), c.strayAt.first, c.strayAt.bucket, c.stray)
	}
	return nil
}

// beyond is the bucket in which there can be nothing when the journal has ended.
func (c *chain) beyond() uint64 { return c.next.bucket + 1 }

// found says that there is something in the bucket beyond.
func (c *chain) found(first uint64) error {
	return torn("event %d is missing, but there is event %d in bucket %d", max(c.next.first, 1), first, c.beyond())
}
