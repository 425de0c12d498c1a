package cassandra

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	insertEvent = "INSERT INTO events (ns, key, bucket, first, fence, attempt, part, head, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1"
	deleteOlder = "DELETE FROM events USING TIMESTAMP 2 WHERE ns = ? AND key = ? AND bucket = ? AND first = ? AND (fence, attempt) < (?, ?)"
	selectHeads = "SELECT first, fence, attempt, part, head FROM events WHERE ns = ? AND key = ? AND bucket = ? AND first >= ?"
	selectAny   = "SELECT first FROM events WHERE ns = ? AND key = ? AND bucket = ? LIMIT 1"
	selectRows  = "SELECT first, fence, attempt, part, head, data FROM events WHERE ns = ? AND key = ? AND bucket = ? AND first >= ?"
)

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	if err := journal.CheckAppend(id, expected, events); err != nil {
		return err
	}
	return s.writing(ctx, f, kindRecord, id, func(ctx context.Context) error {
		tail, err := s.own(ctx, f, id, &expected)
		if err != nil {
			return err
		}
		body := encodeEntries(events)
		rec := tail.follow(tail.gen, len(events), len(body), s.options.buckets())
		return s.add(ctx, f, id, tail, rec, body)
	})
}

// Adopt implements journal.Journal.
func (s *Store) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.writing(ctx, f, kindRecord, id, func(ctx context.Context) error {
		if _, err := s.own(ctx, f, id, &expected); err != nil {
			return err
		}
		return s.stillHeld(ctx, f)
	})
}

// stillHeld is confirm for what writes nothing.
func (s *Store) stillHeld(ctx context.Context, f journal.Fence) error {
	err := s.confirm(ctx, f)
	if err == nil || errors.Is(err, journal.ErrFenced) {
		return err
	}
	return s.unavailable(err)
}

// writing runs do as a call of the store that holds the entity's lock, for an owner.
func (s *Store) writing(ctx context.Context, f journal.Fence, k kind, id journal.EntityID, do func(context.Context) error) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	release, err := s.locks.acquire(ctx, k, id)
	if err != nil {
		return err
	}
	defer release()
	if err := s.mayWrite(ctx, f); err != nil {
		return err
	}
	return do(ctx)
}

// disown is called when a write to the journal may or may not take effect: the next
// write has another generation, and adopts what is there first.
func (s *Store) disown(id journal.EntityID) {
	s.doubt()
	s.journals.update(id, func(st *journalState) { st.tail, st.owner = record{}, 0 })
}

// own returns the last record of id, of a generation of f's own and acknowledged: what
// the next append is written on top of. If there is none yet, it adopts the last record: it
// writes a copy. If expected is given, the last event must be that one. It is called
// under the entity's lock. Its errors say that nothing was written, since a copy does not
// change what the journal says.
func (s *Store) own(ctx context.Context, f journal.Fence, id journal.EntityID, expected *uint64) (record, error) {
	st, complete := s.journals.get(id)
	check := func(r record) error {
		if expected != nil && *expected != r.last() {
			return &journal.ConflictError{ID: id, Expected: *expected, Actual: r.last()}
		}
		return nil
	}
	if st.owner == f.Token {
		return st.tail, check(st.tail)
	}
	gen := generation{f.Token, s.attempt.Load()}
	var tail record
	var body []byte
	err := s.untorn(ctx, id, func() { s.forgetAnchors(id) }, func() error {
		found, before, err := s.findTail(ctx, id)
		if err != nil {
			return err
		}
		tail, body = found, nil
		if bodied := check(tail) == nil && tail.gen != gen && tail.events > 0; bodied {
			tail, body, err = s.readTail(ctx, id, before)
		}
		return err
	})
	if err != nil {
		return record{}, err
	}
	if err := check(tail); err != nil {
		return record{}, err
	}
	if gen.before(tail.gen) {
		// A newer owner wrote it. A copy under an older generation would count for nothing, but what
		// goes with it removes rows.
		return record{}, &journal.FencedError{Fence: f, Newest: tail.gen.token}
	}
	acts := st.mark.allows(tail, s.fences.since(f)) && (complete || tail.events == 0)
	if tail.gen == gen {
		acts = true // nothing else can have been seen here since it was acknowledged
	} else if tail, err = s.adopt(ctx, f, id, tail, gen, body); err != nil {
		return record{}, err
	}
	s.journals.update(id, func(st *journalState) { st.tail, st.owner, st.mark = tail, f.Token, mark{} })
	if !acts {
		return record{}, fmt.Errorf("%w: %s: what was read of its last append is not what is there now; read it anew", journal.ErrConflict, id)
	}
	return tail, nil
}

// adopt writes a copy of tail as the owner of f, under gen.
func (s *Store) adopt(ctx context.Context, f journal.Fence, id journal.EntityID, tail record, gen generation, body []byte) (record, error) {
	adopted := tail.copyFor(gen)
	if tail.events == 0 {
		adopted.origin = gen
	}
	ctx, cancel := s.lasting(ctx, len(body))
	defer cancel()
	// What is older than the record that is copied can be chosen no more wherever the copy is, and
	// goes with the same mutation.
	var older []statement
	if tail.gen != (generation{}) {
		older = append(older, statement{deleteOlder, []any{
			[]byte(id.Namespace), []byte(id.Key), int64(tail.bucket), int64(tail.first), int64(tail.gen.token), int64(tail.gen.attempt),
		}})
	}
	err := s.writeRecord(ctx, id, &adopted, body, older...)
	doubtful := errors.Is(err, journal.ErrUnknownOutcome)
	if err == nil {
		err = s.confirm(ctx, f)
		doubtful = err != nil // a copy that is there and not confirmed must not pass for one that is
	}
	if err == nil {
		return adopted, nil
	}
	if doubtful {
		s.disown(id)
	}
	if errors.Is(err, journal.ErrFenced) {
		return record{}, err
	}
	return record{}, fmt.Errorf("%w: %s was not taken over: %v", journal.ErrUnavailable, id, err) //nolint:errorlint // no event was written, whatever became of the copy
}

// writeRecord writes rec, and more with its head.
func (s *Store) writeRecord(ctx context.Context, id journal.EntityID, rec *record, body []byte, more ...statement) error {
	encoded := rec.seal(id, body)
	return writeParts(ctx, s.exec, body, rec.head.parts, func(n int, data []byte) statement {
		var h []byte
		if n == 0 {
			h = encoded
		}
		return statement{insertEvent, []any{
			[]byte(id.Namespace), []byte(id.Key), int64(rec.bucket), int64(rec.first),
			int64(rec.gen.token), int64(rec.gen.attempt), n, h, data,
		}}
	}, more...)
}

// notRemoved is asked when a replay of more than one answer found nothing at p: it fails if a prune that ran beside it has
// removed what was there. Where a prune removes several buckets, the journal seems to end before them.
func (s *Store) notRemoved(ctx context.Context, id journal.EntityID, p place) error {
	top, err := s.readTop(ctx, id)
	if low := top.mark.low; err == nil && (p.bucket < low.bucket || p.bucket == low.bucket && p.first < low.first) {
		err = torn("event %d was removed while it was read", max(p.first, 1))
	}
	return err
}

// readTail reads the last record of id and its events. It begins at a, the record before the last: another quorum may not
// have the last one that was found.
func (s *Store) readTail(ctx context.Context, id journal.EntityID, a anchor) (tail record, body []byte, err error) {
	_, _, err = s.replay(ctx, id, a, true, 0, func(c *chain) (bool, error) {
		tail, body = c.tail, slices.Clone(c.body)
		return true, nil
	})
	return tail, body, err
}

// replay feeds the rows of id from a on to a chain, and calls visit with each record
// until it returns false. The first page has size rows. ended is whether the journal's end was reached.
func (s *Store) replay(ctx context.Context, id journal.EntityID, a anchor, bodies bool, size int, visit func(*chain) (bool, error)) (c *chain, ended bool, err error) {
	c = newChain(id, a, bodies)
	var r row
	var first, token, attempt int64
	var part int
	dest := []any{&first, &token, &attempt, &part, &r.head}
	cql := selectHeads
	if bodies {
		cql, dest = selectRows, append(dest, &r.data)
	}
	for bucket, from := a.bucket, a.first; ; bucket, from = bucket+1, c.next.first {
		stopped := false
		asked, err := s.pages(ctx, statement{cql, []any{[]byte(id.Namespace), []byte(id.Key), int64(bucket), int64(from)}}, size, dest,
			func() int { return len(r.head) + len(r.data) },
			func() (bool, error) {
				r.first, r.gen, r.part = uint64(first), generation{journal.Token(token), uint64(attempt)}, uint64(part)
				whole, err := c.add(bucket, r)
				if err != nil || !whole {
					return err == nil, err
				}
				goOn, err := visit(c)
				stopped = !goOn
				return goOn, err
			})
		if err != nil || stopped {
			return c, false, err
		}
		goOn, err := c.endBucket(bucket)
		if err != nil {
			return c, false, err
		}
		if !goOn {
			var beyond int64
			there, err := s.quorumRow(ctx, statement{selectAny, []any{[]byte(id.Namespace), []byte(id.Key), int64(c.beyond())}}, &beyond)
			if err == nil && there {
				err = c.found(uint64(beyond))
			}
			if err == nil && (asked > 1 || bucket > a.bucket || !c.begun) {
				err = s.notRemoved(ctx, id, c.next)
			}
			return c, err == nil, err
		}
	}
}

// findTail returns the last record of id, one without events if there is none, and the record before it.
func (s *Store) findTail(ctx context.Context, id journal.EntityID) (record, anchor, error) {
	a, _, err := s.start(ctx, id, math.MaxInt64)
	if err != nil {
		return record{}, anchor{}, err
	}
	c, _, err := s.replay(ctx, id, a, false, 0, func(*chain) (bool, error) { return true, nil })
	if err != nil {
		return record{}, anchor{}, err
	}
	s.journals.update(id, func(st *journalState) { st.keep(c.stable) })
	return c.tail, c.stable, nil
}

func (s *Store) forgetAnchors(id journal.EntityID) {
	s.journals.update(id, func(st *journalState) { st.anchors, st.pruned = nil, 0 })
}

// start returns where to begin so that the event after, or the record that holds it, is met
// on the way; the last event that is pruned comes with it.
func (s *Store) start(ctx context.Context, id journal.EntityID, after uint64) (anchor, uint64, error) {
	st, _ := s.journals.get(id)
	if a := st.best(after); a != (anchor{}) && after >= st.pruned {
		return a, st.pruned, nil
	}
	top, err := s.readTop(ctx, id)
	if err != nil {
		return anchor{}, 0, err
	}
	s.journals.update(id, func(st *journalState) { st.pruned = max(st.pruned, top.mark.through) })
	switch {
	case top.found && top.anchor != (anchor{}) && top.anchor.first <= after && top.anchor.first >= top.mark.low.first:
		return top.anchor, top.mark.through, nil
	default:
		return top.mark.low, top.mark.through, nil
	}
}

// Read implements journal.Journal.
func (s *Store) Read(ctx context.Context, id journal.EntityID, after uint64, most journal.Chunk) (recs []journal.Record, more bool, err error) {
	if err := journal.CheckWrite(id, 0); err != nil {
		return nil, false, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	most = most.WithDefaults()
	err = s.untorn(ctx, id, func() { s.forgetAnchors(id) }, func() (err error) {
		recs, more, err = s.readChunk(ctx, id, after, most)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return recs, more, nil
}

func (s *Store) readChunk(ctx context.Context, id journal.EntityID, after uint64, most journal.Chunk) (recs []journal.Record, more bool, err error) {
	from, pruned, err := s.start(ctx, id, after)
	if err != nil {
		return nil, false, err
	}
	if after < pruned {
		return nil, false, &journal.PrunedError{ID: id, After: after, Through: pruned}
	}
	st, _ := s.journals.get(id)
	seen, size := sighting{from: from.place}, 0
	c, ended, err := s.replay(ctx, id, from, true, st.pageFor(most), func(c *chain) (bool, error) {
		rec := c.tail
		var entries []journal.Entry
		if rec.last() > after {
			if rec.hollow {
				return false, &journal.PrunedError{ID: id, After: after, Through: rec.last()}
			}
			if entries, err = decodeEntries(c.body, rec.events); err != nil {
				return false, &tornError{what: fmt.Sprintf("event %d", rec.first), cause: err}
			}
		}
		for i, e := range entries {
			seq := rec.first + uint64(i)
			if seq <= after {
				continue
			}
			if len(recs) > 0 && (len(recs) == most.Records || size+e.Size() > most.Bytes) {
				more = true
				if i > 0 && recs[len(recs)-1].Seq >= rec.first {
					seen.see(st.mark, rec)
					seen.last, seen.hasLast = markOf(rec), true
				}
				return false, nil
			}
			recs = append(recs, journal.Record{Seq: seq, Entry: e})
			size += e.Size()
		}
		seen.see(st.mark, rec)
		seen.last, seen.hasLast = markOf(rec), true
		return true, nil
	})
	if err != nil {
		return nil, false, err
	}
	seen.ended = ended
	if ended && !c.begun {
		seen.last, seen.hasLast = mark{set: true}, true
	}
	now := s.fences.tick()
	s.journals.update(id, func(st *journalState) {
		st.keep(c.stable)
		st.mark = st.mark.after(seen, now)
		if len(recs) > 0 {
			st.eventBytes = size/len(recs) + 1
		}
	})
	return recs, more, nil
}
