package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// cursor is a place in a listing: the entity that came last, and for each kind of rows what
// could not be read behind it.
type cursor struct {
	last    []byte // its id as in a key; nil at the beginning
	blocked [len(listed)]block
}

// block says that rows of one kind cannot be read before a place, or at all.
type block struct {
	from  []byte // keys without their kind
	whole bool
}

// from is where to go on in the kind i, a key without its kind; nil: nowhere.
func (c *cursor) from(i int) []byte {
	at := []byte{}
	if len(c.last) > 0 {
		at = bytes.Clone(c.last)
		at[len(at)-1] = pastTerminator
	}
	b := c.blocked[i]
	switch {
	case b.whole:
		return nil
	case bytes.Compare(at, b.from) < 0:
		return b.from
	}
	return at
}

// missed says what a block costs, in words.
func (c *cursor) missed(i int, k kind) string {
	behind := "from the first on"
	if loc, err := parseKey(append([]byte{byte(kindValue)}, c.last...)); err == nil {
		behind = "behind " + loc.id.String()
	}
	if c.blocked[i].whole {
		return fmt.Sprintf("the entities with %ss %s cannot be listed", k, behind)
	}
	return fmt.Sprintf("some of the entities with %ss %s cannot be listed", k, behind)
}

// encode returns c for a caller: for each kind 0, or 1 and where it is blocked to, or 2; then the id.
func (c *cursor) encode() journal.Cursor {
	var b []byte
	for _, k := range c.blocked {
		switch {
		case k.whole:
			b = append(b, 2)
		case k.from != nil:
			b = binary.AppendUvarint(append(b, 1), uint64(len(k.from)))
			b = append(b, k.from...)
		default:
			b = append(b, 0)
		}
	}
	return journal.Cursor(append(b, c.last...))
}

var errCursor = fmt.Errorf("%w: a cursor of another store", journal.ErrInvalid)

func parseCursor(encoded journal.Cursor) (c cursor, err error) {
	if encoded == "" {
		return c, nil
	}
	b := []byte(encoded)
	for i := range c.blocked {
		if len(b) == 0 || b[0] > 2 {
			return cursor{}, errCursor
		}
		how := b[0]
		b = b[1:]
		switch how {
		case 1:
			n, size := binary.Uvarint(b)
			if size <= 0 || n > uint64(len(b)-size) {
				return cursor{}, errCursor
			}
			c.blocked[i].from, b = b[size:size+int(n)], b[size+int(n):] //nolint:gosec // within b
		case 2:
			c.blocked[i].whole = true
		}
	}
	if len(b) > 0 {
		c.last = b
	}
	return c, nil
}
