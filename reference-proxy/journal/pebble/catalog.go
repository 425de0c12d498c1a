package pebble

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// listed are the kinds of rows that make an entity one that is there.
var listed = [...]kind{kindEvent, kindPruned, kindSnapshot, kindValue}

// List implements journal.Catalog. The order is that of the keys. Each kind of rows is gone
// through from entity to entity, with a seek for each, and the kinds are merged.
//
// Where a file is damaged nobody knows which entities it holds. The listing of that kind of
// rows goes on at the next place that can be read.
func (s *Store) List(ctx context.Context, after journal.Cursor, most int) (list []journal.Listed, next journal.Cursor, err error) {
	c, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	leave, err := s.enter()
	if err != nil {
		return nil, "", err
	}
	defer leave()
	if err := s.failed(); err != nil {
		return nil, "", err
	}
	l := &lister{store: s, cursor: c}
	defer l.close()
	for i, k := range listed {
		if err := l.open(i, k); err != nil {
			return nil, l.cursor.encode(), err
		}
	}
	for most = journal.PageSize(most); ; {
		encoded, found := l.least()
		if encoded == nil {
			return list, "", nil
		}
		if len(list) == most {
			return list, l.cursor.encode(), nil
		}
		if err := ctx.Err(); err != nil {
			return nil, "", fmt.Errorf("journal: listing given up: %w", err)
		}
		list = append(list, found)
		l.cursor.last = encoded
		if err := l.pass(encoded); err != nil {
			return list, l.cursor.encode(), err
		}
	}
}

// lister stands, in each kind of rows, at the next entity that has one.
type lister struct {
	store  *Store
	cursor cursor
	at     [len(listed)]place
}

// place is where a lister stands in one kind of rows.
type place struct {
	kind    kind
	it      *pebble.Iterator
	id      journal.EntityID
	encoded []byte // id as in a key; nil: no more
}

func (l *lister) open(i int, k kind) error {
	it, err := l.store.db.NewIter(&pebble.IterOptions{LowerBound: []byte{byte(k)}, UpperBound: []byte{byte(k) + 1}})
	if err != nil {
		return l.store.trouble(journal.EntityID{}, err)
	}
	l.at[i] = place{kind: k, it: it}
	return l.seek(i)
}

// seek goes to the first entity of a kind that is behind the cursor.
func (l *lister) seek(i int) error {
	p := &l.at[i]
	p.encoded = nil
	from := l.cursor.from(i)
	if from == nil {
		return nil
	}
	if !p.it.SeekGE(append([]byte{byte(p.kind)}, from...)) {
		err := p.it.Error()
		if err == nil {
			return nil
		}
		l.cursor.blocked[i] = l.readable(p, from)
		return l.store.trouble(journal.EntityID{}, fmt.Errorf("%s: %w", l.cursor.missed(i, p.kind), err))
	}
	loc, err := parseKey(p.it.Key())
	if err != nil {
		l.cursor.blocked[i] = block{from: append(bytes.Clone(p.it.Key()[1:]), 0)}
		return l.store.damage(journal.EntityID{}, err, "a key among the %ss", p.kind)
	}
	p.id, p.encoded = loc.id, entityKey(p.kind, loc.id)[1:]
	return nil
}

// finer is how many bytes more than those of the key before it the place is looked for where rows can be
// read again.
const finer = 16

// readable looks for the first place behind from at which rows can be read: what lies between is
// one damaged block, or a few. Keys that begin with more and more of from are tried from the longest beginning
// on, until the last of them can be read; where between them reading begins is then found by halving, byte after byte.
func (l *lister) readable(p *place, from []byte) block {
	readable := func(key []byte) bool {
		// One that failed may do so again for what it did not look at.
		it, err := l.store.db.NewIter(&pebble.IterOptions{LowerBound: []byte{byte(p.kind)}, UpperBound: []byte{byte(p.kind) + 1}})
		if err != nil {
			return false
		}
		_ = it.SeekGE(append([]byte{byte(p.kind)}, key...))
		return it.Close() == nil
	}
	for n := max(1, len(from)); n > 0; n-- {
		prefix, low := []byte(nil), -1 // low cannot be read, as far as is known
		if len(from) > 0 {
			prefix, low = bytes.Clone(from[:n-1]), int(from[n-1])
		}
		if low == 0xFF || !readable(append(prefix, 0xFF)) {
			continue
		}
		var found []byte
		for range finer {
			high := 0xFF // can be read
			for high-low > 1 {
				if middle := (low + high) / 2; readable(append(prefix, byte(middle))) {
					high = middle
				} else {
					low = middle
				}
			}
			found = append(bytes.Clone(prefix), byte(high))
			if low < 0 {
				break // all that begins with prefix can be read
			}
			prefix = append(prefix, byte(low))
			if low = -1; !readable(append(prefix, 0xFF)) {
				break
			}
		}
		if bytes.Compare(found, from) > 0 {
			return block{from: found}
		}
	}
	return block{whole: true}
}

// least returns the first of the entities that the lister stands at; nil: there is none.
func (l *lister) least() (encoded []byte, found journal.Listed) {
	for i := range l.at {
		p := &l.at[i]
		if p.encoded == nil {
			continue
		}
		order := bytes.Compare(p.encoded, encoded)
		if encoded == nil || order < 0 {
			encoded, found = p.encoded, journal.Listed{ID: p.id}
		} else if order > 0 {
			continue
		}
		if p.kind == kindValue {
			found.Value = true
		} else {
			found.Journal = true
		}
	}
	return encoded, found
}

// pass moves on all that stand at the entity.
func (l *lister) pass(encoded []byte) error {
	for i := range l.at {
		if p := &l.at[i]; p.encoded != nil && bytes.Equal(p.encoded, encoded) {
			if err := l.seek(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lister) close() {
	for i := range l.at {
		if it := l.at[i].it; it != nil {
			_ = it.Close() // its error was met where it was read
		}
	}
}
