package cassandra

import (
	"context"
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	selectValue  = "SELECT fence, attempt, part, head, data FROM vals WHERE ns = ? AND key = ? LIMIT 1"
	selectValues = "SELECT fence, attempt, part, head, data FROM vals WHERE ns = ? AND key = ?"
	insertValue  = "INSERT INTO vals (ns, key, fence, attempt, part, head, data) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1"
	deleteValues = "DELETE FROM vals USING TIMESTAMP 2 WHERE ns = ? AND key = ? AND (fence, attempt) < (?, ?)"
)

// A value is the newest of its rows: the one of the highest generation. The second half of
// a value's generation is different for each put of a handle. A put is written on top of
// one of its own owner that was acknowledged, as an append is, so what an owner adopted or
// wrote is never overtaken by what an earlier one wrote. A removed value has a row that says so.

// storedValue is one row, or several, of vals.
type storedValue struct {
	gen, origin generation
	// version is 0 where the value is absent.
	version uint64
	body    []byte
}

// valueState is what this handle remembers of a value.
type valueState struct {
	// tail is the newest, without its body, if the owner with the token adopted or wrote it.
	tail  storedValue
	owner journal.Token
	// mark is what a read found last.
	mark valueMark
}

// valueMark is for a value what mark is for a journal.
type valueMark struct {
	set         bool
	version     uint64
	origin      generation
	read, mixed uint64
}

// markOfValue is the mark that a read of v leaves. All absent values are alike.
func markOfValue(v storedValue) valueMark {
	if v.version == 0 {
		return valueMark{set: true}
	}
	return valueMark{set: true, version: v.version, origin: v.origin}
}

func (m valueMark) is(v storedValue) bool {
	other := markOfValue(v)
	return m.version == other.version && m.origin == other.origin
}

// after returns the mark behind a read that found v at the time now.
func (m valueMark) after(v storedValue, now uint64) valueMark {
	next := markOfValue(v)
	next.read, next.mixed = now, m.mixed
	if m.set && !m.is(v) {
		next.mixed = m.read
	}
	return next
}

// allows says whether v may be adopted by one who acts on what was read since the time claimed.
func (m valueMark) allows(v storedValue, claimed uint64) bool {
	return !m.set || m.is(v) && m.mixed <= claimed
}

// readValue reads the newest value; the zero storedValue if there never was one.
func (s *Store) readValue(ctx context.Context, id journal.EntityID) (v storedValue, err error) {
	var token, attempt int64
	var part int
	var encoded, data []byte
	a := assembly{kind: kindValue}
	whole := false
	dest := []any{&token, &attempt, &part, &encoded, &data}
	add := func() (bool, error) {
		var err error
		whole, err = a.add(valueSpot(id, generation{journal.Token(token), uint64(attempt)}), uint64(part), encoded, data)
		return !whole, err
	}
	st := statement{selectValue, []any{[]byte(id.Namespace), []byte(id.Key)}}
	found, err := s.quorumRow(ctx, st, dest...)
	if err == nil && found {
		_, err = add()
	}
	if err == nil && found && !whole { // of many parts, or never finished
		a = assembly{kind: kindValue}
		st.cql = selectValues
		if _, err = s.pages(ctx, st, 0, dest, func() int { return len(data) }, add); err == nil && !whole {
			err = a.end()
		}
	}
	if err != nil || !whole {
		return storedValue{}, err
	}
	n := a.head.numbers
	return storedValue{
		gen:    generation{journal.Token(a.at.at[0]), a.at.at[1]},
		origin: generation{journal.Token(n[1]), n[2]}, version: n[0], body: a.body,
	}, nil
}

func valueSpot(id journal.EntityID, gen generation) spot {
	return spot{id: id, at: [4]uint64{uint64(gen.token), gen.attempt}}
}

// GetValue implements journal.Values.
func (s *Store) GetValue(ctx context.Context, id journal.EntityID) (v journal.Value, err error) {
	if err := journal.CheckWrite(id, 0); err != nil {
		return journal.Value{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return journal.Value{}, err
	}
	defer leave()
	err = s.untorn(ctx, id, func() {}, func() error {
		found, err := s.readValue(ctx, id)
		if err != nil {
			return err
		}
		v = journal.Value{}
		if found.version > 0 {
			entries, err := decodeEntries(found.body, 1)
			if err != nil {
				return &tornError{what: "value", cause: err}
			}
			v = journal.Value{Version: found.version, Entry: entries[0], Found: true}
		}
		now := s.fences.tick()
		s.values.update(id, func(st *valueState) { st.mark = st.mark.after(found, now) })
		return nil
	})
	if err != nil {
		return journal.Value{}, err
	}
	return v, nil
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (version uint64, err error) {
	if err := journal.CheckWrite(id, expected, e); err != nil {
		return 0, err
	}
	err = s.writing(ctx, f, kindValue, id, func(ctx context.Context) error {
		return s.put(ctx, f, id, expected, expected+1, encodeEntries([]journal.Entry{e}))
	})
	if err != nil {
		return 0, err
	}
	return expected + 1, nil
}

// DeleteValue implements journal.Values.
func (s *Store) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.writing(ctx, f, kindValue, id, func(ctx context.Context) error {
		if expected == 0 {
			if _, err := s.ownValue(ctx, f, id, expected); err != nil {
				return err
			}
			return s.stillHeld(ctx, f)
		}
		return s.put(ctx, f, id, expected, 0, nil)
	})
}

// AdoptValue implements journal.Values.
func (s *Store) AdoptValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.writing(ctx, f, kindValue, id, func(ctx context.Context) error {
		if _, err := s.ownValue(ctx, f, id, expected); err != nil {
			return err
		}
		return s.stillHeld(ctx, f)
	})
}

// put writes the next value under f, on top of one of f's own.
func (s *Store) put(ctx context.Context, f journal.Fence, id journal.EntityID, expected, version uint64, body []byte) error {
	tail, err := s.ownValue(ctx, f, id, expected)
	if err != nil {
		return err
	}
	ctx, cancel := s.lasting(ctx, len(body))
	defer cancel()
	next := storedValue{gen: generation{f.Token, s.version.Add(1)}, version: version, body: body}
	next.origin = next.gen
	if err := s.writeValue(ctx, id, next, tail.gen); err != nil {
		if errors.Is(err, journal.ErrUnknownOutcome) {
			s.disownValue(id)
		}
		return err
	}
	if err := s.confirm(ctx, f); err != nil {
		s.disownValue(id)
		return unknown(err)
	}
	s.rememberValue(id, f, next)
	return nil
}

func (s *Store) disownValue(id journal.EntityID) {
	s.doubt()
	s.values.update(id, func(st *valueState) { st.tail, st.owner = storedValue{}, 0 })
}

func (s *Store) rememberValue(id journal.EntityID, f journal.Fence, v storedValue) {
	v.body = nil
	s.values.update(id, func(st *valueState) { *st = valueState{tail: v, owner: f.Token} })
}

// writeValue writes v, and removes what is older than confirmed, which v's owner
// knows to be there.
func (s *Store) writeValue(ctx context.Context, id journal.EntityID, v storedValue, confirmed generation) error {
	h := headOf(kindValue, v.body, v.version, uint64(v.origin.token), v.origin.attempt)
	encoded := h.encode(valueSpot(id, v.gen))
	var more []statement
	if confirmed != (generation{}) {
		more = append(more, statement{deleteValues, []any{[]byte(id.Namespace), []byte(id.Key), int64(confirmed.token), int64(confirmed.attempt)}})
	}
	return writeParts(ctx, s.exec, v.body, h.parts, func(n int, data []byte) statement {
		var e []byte
		if n == 0 {
			e = encoded
		}
		return statement{insertValue, []any{[]byte(id.Namespace), []byte(id.Key), int64(v.gen.token), int64(v.gen.attempt), n, e, data}}
	}, more...)
}

// ownValue is own for values: it returns the newest, written by the owner of f and
// acknowledged, and writes a copy first if need be.
func (s *Store) ownValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) (storedValue, error) {
	st, complete := s.values.get(id)
	conflict := func(v storedValue) error {
		if v.version != expected {
			return &journal.ConflictError{ID: id, Expected: expected, Actual: v.version}
		}
		return nil
	}
	if st.owner == f.Token {
		return st.tail, conflict(st.tail)
	}
	var found storedValue
	err := s.untorn(ctx, id, func() {}, func() (err error) {
		found, err = s.readValue(ctx, id)
		return err
	})
	if err != nil {
		return storedValue{}, err
	}
	if err := conflict(found); err != nil {
		return storedValue{}, err
	}
	acts := complete && st.mark.allows(found, s.fences.since(f))
	if found.gen.token == f.Token && found.gen.attempt > s.doubted.Load() {
		s.rememberValue(id, f, found)
		return found, nil
	}
	if f.Token < found.gen.token {
		return storedValue{}, &journal.FencedError{Fence: f, Newest: found.gen.token}
	}
	older := found.gen
	found.gen = generation{f.Token, s.version.Add(1)}
	if older == (generation{}) {
		found.origin = found.gen
	}
	wctx, cancel := s.detached(ctx)
	defer cancel()
	err = s.writeValue(wctx, id, found, generation{})
	doubtful := errors.Is(err, journal.ErrUnknownOutcome)
	if err == nil {
		err = s.confirm(wctx, f)
		doubtful = err != nil // see adopt
	}
	if err != nil {
		if doubtful {
			s.disownValue(id)
		}
		if errors.Is(err, journal.ErrFenced) {
			return storedValue{}, err
		}
		return storedValue{}, fmt.Errorf("%w: %s was not taken over: %v", journal.ErrUnavailable, id, err) //nolint:errorlint // no value was changed, whatever became of the copy
	}
	s.rememberValue(id, f, found)
	if !acts {
		return storedValue{}, fmt.Errorf("%w: %s: the value that was read is not the one that is there now; read it anew", journal.ErrConflict, id)
	}
	return found, nil
}
