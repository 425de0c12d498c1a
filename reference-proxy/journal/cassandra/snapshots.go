package cassandra

import (
	"context"
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	selectTop       = "SELECT pruned, swept, seq, fence, attempt, part, head FROM snapshots WHERE ns = ? AND key = ? LIMIT 1"
	selectSnapshots = "SELECT seq, fence, attempt, part, head, data FROM snapshots WHERE ns = ? AND key = ?"
	insertSnapshot  = "INSERT INTO snapshots (ns, key, seq, fence, attempt, part, head, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1"
	deleteSnapshots = "DELETE FROM snapshots USING TIMESTAMP 2 WHERE ns = ? AND key = ? AND seq < ?"
)

// top is the newest snapshot's head, and what is known of pruning.
type top struct {
	found  bool
	seq    uint64
	anchor anchor
	mark   pruneMark
	swept  uint64
}

// readTop reads it. A newest snapshot that was never completed counts as none: it only
// shortens the way.
func (s *Store) readTop(ctx context.Context, id journal.EntityID) (t top, err error) {
	var pruned, encoded []byte
	var swept, seq, token, attempt *int64
	var part *int
	found, err := s.quorumRow(ctx, statement{selectTop, []any{[]byte(id.Namespace), []byte(id.Key)}},
		&pruned, &swept, &seq, &token, &attempt, &part, &encoded)
	if err != nil || !found {
		return top{}, err
	}
	if swept != nil {
		t.swept = uint64(*swept)
	}
	if len(pruned) > 0 {
		if t.mark, err = decodePruneMark(id, pruned); err != nil {
			return top{}, &tornError{what: "mark of what is pruned", cause: err}
		}
	}
	if seq == nil || part == nil || *part != 0 {
		return t, nil
	}
	at := snapshotSpot(id, uint64(*seq), generation{journal.Token(*token), uint64(*attempt)})
	h, err := decodeHead(kindSnapshot, at, encoded)
	if err != nil {
		return top{}, &tornError{what: fmt.Sprintf("snapshot of event %d", *seq), cause: err}
	}
	t.found, t.seq, t.anchor = true, uint64(*seq), anchorOf(h.numbers)
	return t, nil
}

func snapshotSpot(id journal.EntityID, seq uint64, gen generation) spot {
	return spot{id: id, at: [4]uint64{seq, uint64(gen.token), gen.attempt}}
}

func anchorOf(n []uint64) anchor {
	return anchor{place{n[0], n[1]}, generation{journal.Token(n[2]), n[3]}}
}

func (a anchor) numbers() []uint64 {
	return []uint64{a.bucket, a.first, uint64(a.gen.token), a.gen.attempt}
}

// SaveSnapshot implements journal.Snapshots. A snapshot is a state behind events that
// are in the journal for good, so whoever writes it and however late it arrives, it is right.
func (s *Store) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snap journal.Snapshot) error {
	if err := journal.CheckSnapshot(id, snap); err != nil {
		return err
	}
	var tail record
	err := s.writing(ctx, f, kindRecord, id, func(ctx context.Context) (err error) {
		tail, err = s.own(ctx, f, id, nil)
		return err
	})
	if err != nil {
		return err
	}
	if tail.last() < snap.Seq {
		return &journal.ConflictError{ID: id, Expected: snap.Seq, Actual: tail.last()}
	}
	return s.writing(ctx, f, kindSnapshot, id, func(ctx context.Context) error {
		before, err := s.readTop(ctx, id)
		if err != nil {
			return s.damaged(id, err)
		}
		if before.found && before.seq >= snap.Seq {
			return s.stillHeld(ctx, f)
		}
		st, _ := s.journals.get(id)
		from := st.best(snap.Seq)
		if tail.first <= snap.Seq {
			from = anchor{tail.place, tail.gen}
		}
		if from == (anchor{}) {
			from = before.anchor
		}
		if from.first < before.mark.low.first {
			from = before.mark.low
		}
		ctx, cancel := s.lasting(ctx, len(snap.Payload))
		defer cancel()
		var more []statement
		if before.found && before.seq > 0 {
			// The one before stays until this one is known to be there.
			more = append(more, statement{deleteSnapshots, []any{[]byte(id.Namespace), []byte(id.Key), int64(before.seq)}})
		}
		at := snapshotSpot(id, snap.Seq, generation{f.Token, s.version.Add(1)})
		h := headOf(kindSnapshot, snap.Payload, from.numbers()...)
		err = s.writeSnapshot(ctx, at, h, snap.Payload, more...)
		if err != nil {
			return err
		}
		if err := s.confirm(ctx, f); err != nil {
			return unknown(err)
		}
		s.journals.update(id, func(st *journalState) { st.saved = max(st.saved, snap.Seq) })
		return nil
	})
}

// writeSnapshot writes the rows of a snapshot, and more with its head.
func (s *Store) writeSnapshot(ctx context.Context, at spot, h head, payload []byte, more ...statement) error {
	encoded := h.encode(at)
	return writeParts(ctx, s.exec, payload, h.parts, func(n int, data []byte) statement {
		var e []byte
		if n == 0 {
			e = encoded
		}
		return statement{insertSnapshot, []any{
			[]byte(at.id.Namespace), []byte(at.id.Key), int64(at.at[0]), int64(at.at[1]), int64(at.at[2]), n, e, data,
		}}
	}, more...)
}

// LatestSnapshot implements journal.Snapshots.
func (s *Store) LatestSnapshot(ctx context.Context, id journal.EntityID) (snap journal.Snapshot, found bool, err error) {
	if err := journal.CheckWrite(id, 0); err != nil {
		return journal.Snapshot{}, false, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return journal.Snapshot{}, false, err
	}
	defer leave()
	err = s.untorn(ctx, id, func() {}, func() (err error) {
		var a assembly
		a, found, err = s.readSnapshot(ctx, id)
		snap = journal.Snapshot{Seq: a.at.at[0], Payload: a.body}
		return err
	})
	if err != nil || !found {
		return journal.Snapshot{}, false, err
	}
	return snap, true, nil
}

// readSnapshot reads the newest snapshot that is whole.
func (s *Store) readSnapshot(ctx context.Context, id journal.EntityID) (a assembly, found bool, err error) {
	a = assembly{kind: kindSnapshot}
	var seq, token, attempt *int64 // null where a partition has static columns only
	var part *int
	var encoded, data []byte
	_, err = s.pages(ctx, statement{selectSnapshots, []any{[]byte(id.Namespace), []byte(id.Key)}}, 0,
		[]any{&seq, &token, &attempt, &part, &encoded, &data}, func() int { return len(data) }, func() (bool, error) {
			if seq == nil || part == nil {
				return true, nil
			}
			whole, err := a.add(snapshotSpot(id, uint64(*seq), generation{journal.Token(*token), uint64(*attempt)}), uint64(*part), encoded, data)
			found = whole
			return !whole, err
		})
	if err == nil && !found {
		err = a.end()
	}
	return a, found, err
}

// quorumRow reads one row, if there is one.
func (s *Store) quorumRow(ctx context.Context, st statement, dest ...any) (found bool, err error) {
	err = s.retryRead(ctx, func(ctx context.Context) error {
		it := s.session.Query(st.cql, st.args...).Consistency(s.options.quorum()).Idempotent(true).IterContext(ctx)
		found = it.Scan(dest...)
		return it.Close()
	})
	return found && err == nil, err
}

// damaged gives an error of rows that do not fit its final form.
func (s *Store) damaged(id journal.EntityID, err error) error {
	var t *tornError
	if errors.As(err, &t) {
		return &journal.CorruptError{Path: "keyspace " + s.options.Keyspace, ID: id, What: t.what, Cause: t.cause}
	}
	return err
}
