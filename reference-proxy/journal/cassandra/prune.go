package cassandra

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	// updatePruned and updateSwept carry the number that they set as their time stamp, so
	// that the highest number is what stays.
	updatePruned = "UPDATE snapshots USING TIMESTAMP ? SET pruned = ? WHERE ns = ? AND key = ?"
	updateSwept  = "UPDATE snapshots USING TIMESTAMP ? SET swept = ? WHERE ns = ? AND key = ?"
	deleteBucket = "DELETE FROM events USING TIMESTAMP 2 WHERE ns = ? AND key = ? AND bucket = ?"
	deleteBefore = "DELETE FROM events USING TIMESTAMP 2 WHERE ns = ? AND key = ? AND bucket = ? AND first < ?"
)

// pruneMark says what is removed, and where the rest begins.
type pruneMark struct {
	// through is the last event that is removed.
	through uint64
	// low is the first record that is left: the one that holds the event through.
	low anchor
}

// encode writes m with a checksum.
func (m pruneMark) encode(id journal.EntityID) []byte {
	b := binary.BigEndian.AppendUint64([]byte{headFormat}, m.through)
	for _, n := range m.low.numbers() {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return binary.BigEndian.AppendUint32(b, spot{id: id}.sum(b))
}

const pruneMarkBytes = 1 + 5*8 + crc32.Size

func decodePruneMark(id journal.EntityID, b []byte) (pruneMark, error) {
	if len(b) != pruneMarkBytes || b[0] != headFormat {
		return pruneMark{}, fmt.Errorf("%w: mark of %d bytes", errHead, len(b))
	}
	body := b[:len(b)-crc32.Size]
	if want, got := binary.BigEndian.Uint32(b[len(body):]), (spot{id: id}).sum(body); want != got {
		return pruneMark{}, fmt.Errorf("%w: checksum %08x stored, %08x computed", errHead, want, got)
	}
	var n [5]uint64
	for i := range n {
		n[i] = binary.BigEndian.Uint64(body[1+8*i:])
	}
	return pruneMark{through: n[0], low: anchorOf(n[1:])}, nil
}

// Prune implements journal.Journal. The mark is written and acknowledged first, so that whoever
// finds events gone finds the mark. What a crash in between leaves is removed by the next
// Prune.
func (s *Store) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckWrite(id, through); err != nil {
		return err
	}
	err := s.writing(ctx, f, kindRecord, id, func(ctx context.Context) (err error) {
		_, err = s.own(ctx, f, id, nil)
		return err
	})
	if err != nil {
		return err
	}
	return s.writing(ctx, f, kindSnapshot, id, func(ctx context.Context) error {
		var low anchor
		var hollow bool // whether the record at low has events, none of which is there
		var now top
		var rests *assembly // the snapshot that takes the place of the events, if it may be on one replica only
		err := s.untorn(ctx, id, func() { s.forgetAnchors(id) }, func() (err error) {
			rests = nil
			if now, err = s.readTop(ctx, id); err != nil || through <= now.mark.through {
				return err
			}
			if !now.found || now.seq < through {
				return &journal.ConflictError{ID: id, Expected: through, Actual: now.seq}
			}
			if st, _ := s.journals.get(id); st.saved < through {
				snap, found, err := s.readSnapshot(ctx, id)
				if err != nil {
					return err
				}
				if !found || snap.at.at[0] < through {
					return &journal.ConflictError{ID: id, Expected: through, Actual: snap.at.at[0]}
				}
				rests = &snap
			}
			low = now.mark.low
			_, _, err = s.replay(ctx, id, low, false, 0, func(c *chain) (bool, error) {
				low, hollow = c.tail.anchor(), c.tail.hollow
				return c.tail.last() < through, nil
			})
			return err
		})
		if err != nil {
			return err
		}
		if hollow {
			return s.stillHeld(ctx, f)
		}
		if rests != nil {
			ctx, cancel := s.lasting(ctx, len(rests.body))
			defer cancel()
			if err := s.writeSnapshot(ctx, rests.at, rests.head, rests.body); err != nil {
				return err
			}
		}
		ctx, cancel := s.detached(ctx)
		defer cancel()
		if through > now.mark.through {
			now.mark = pruneMark{through: through, low: low}
		}
		// The mark that was read may be on one replica only: it is written again.
		if m := now.mark; m.through > 0 {
			if err := s.exec(ctx, statement{updatePruned, []any{int64(m.through), m.encode(id), []byte(id.Namespace), []byte(id.Key)}}); err != nil {
				return err
			}
		}
		if err := s.confirm(ctx, f); err != nil {
			return unknown(err)
		}
		s.journals.update(id, func(st *journalState) { st.anchors, st.pruned = nil, now.mark.through })
		if err := s.sweep(ctx, id, now); err != nil {
			return unknown(err) // the mark is there: what it stands for is gone already
		}
		return nil
	})
}

// sweep removes the rows that the mark stands for.
func (s *Store) sweep(ctx context.Context, id journal.EntityID, now top) error {
	ns, key, low := []byte(id.Namespace), []byte(id.Key), now.mark.low
	for bucket := now.swept; bucket < low.bucket; bucket++ {
		if err := s.exec(ctx, statement{deleteBucket, []any{ns, key, int64(bucket)}}); err != nil {
			return err
		}
	}
	if err := s.exec(ctx, statement{deleteBefore, []any{ns, key, int64(low.bucket), int64(low.first)}}); err != nil {
		return err
	}
	if low.bucket == now.swept {
		return nil
	}
	return s.exec(ctx, statement{updateSwept, []any{int64(low.bucket), int64(low.bucket), ns, key}})
}
