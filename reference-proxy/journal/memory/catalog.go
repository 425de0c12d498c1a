package memory

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// A cursor is the number of a stripe, two bytes, and the id of that stripe that came last: the
// length of its namespace, four bytes, and its parts.

// List implements journal.Catalog. Stripes come in turn, each in the order of its ids.
func (s *Store) List(ctx context.Context, after journal.Cursor, most int) (list []journal.Listed, next journal.Cursor, err error) {
	at, last, begun, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	if err := ctx.Err(); err != nil {
		return nil, "", fmt.Errorf("journal: listing not started: %w", err)
	}
	most = journal.PageSize(most)
	for ; at < stripes; at, begun = at+1, false {
		found, err := s.stripes[at].list(last, begun)
		if err != nil {
			return nil, "", err
		}
		room := most - len(list)
		list = append(list, found[:min(room, len(found))]...)
		if len(list) == most {
			return list, cursorOf(at, list[most-1].ID), nil
		}
	}
	return list, "", nil
}

// list returns what the stripe has, behind last if begun, in the order of ids.
func (st *stripe) list(last journal.EntityID, begun bool) ([]journal.Listed, error) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if st.closed {
		return nil, journal.ErrClosed
	}
	var list []journal.Listed
	for id, e := range st.entities {
		if !begun || compareIDs(last, id) < 0 {
			list = append(list, journal.Listed{ID: id, Journal: e.last() > 0 || e.snapshot.Seq > 0, Value: e.value.Found})
		}
	}
	slices.SortFunc(list, func(a, b journal.Listed) int { return compareIDs(a.ID, b.ID) })
	return list, nil
}

func compareIDs(a, b journal.EntityID) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Key, b.Key))
}

const (
	stripeBytes = 2
	lengthBytes = 4
)

func cursorOf(at int, last journal.EntityID) journal.Cursor {
	b := binary.BigEndian.AppendUint16(nil, uint16(at)) //nolint:gosec // a stripe's number
	b = binary.BigEndian.AppendUint32(b, uint32(len(last.Namespace)))
	return journal.Cursor(string(b) + last.Namespace + last.Key)
}

func parseCursor(c journal.Cursor) (at int, last journal.EntityID, begun bool, err error) {
	if c == "" {
		return 0, last, false, nil
	}
	if len(c) < stripeBytes+lengthBytes {
		return 0, last, false, errCursor
	}
	at = int(binary.BigEndian.Uint16([]byte(c[:stripeBytes])))
	length := binary.BigEndian.Uint32([]byte(c[stripeBytes : stripeBytes+lengthBytes]))
	rest := string(c[stripeBytes+lengthBytes:])
	if at >= stripes || uint64(length) > uint64(len(rest)) {
		return 0, last, false, errCursor
	}
	return at, journal.EntityID{Namespace: rest[:length], Key: rest[length:]}, true, nil
}

var errCursor = fmt.Errorf("%w: a cursor of another store", journal.ErrInvalid)
