package pebble

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Summary is what Verify found, in rows.
type Summary struct {
	Events, Snapshots, Values, Shards int
	// Pruned is the number of entities that lost events to Prune.
	Pruned int
}

// Verify reads every row of the store and checks it: the key, the checksum, that no
// entity's events have a gap, that no snapshot is ahead of its events, and that one stands
// for events that were pruned. It changes
// nothing and may run while the store is in use. The first damage ends it with
// journal.ErrCorrupt.
func (s *Store) Verify(ctx context.Context) (Summary, error) {
	leave, err := s.enter()
	if err != nil {
		return Summary{}, err
	}
	defer leave()
	now := s.db.NewSnapshot()
	defer now.Close()
	it, err := now.NewIter(nil)
	if err != nil {
		return Summary{}, s.trouble(journal.EntityID{}, err)
	}
	defer it.Close()
	v := verifier{store: s, now: now, last: map[journal.EntityID]uint64{}}
	for it.First(); it.Valid(); it.Next() {
		row, err := it.ValueAndErr()
		if err != nil {
			return v.found, s.trouble(v.at.id, err)
		}
		if err := v.row(it.Key(), row); err != nil {
			return v.found, err
		}
		if err := ctx.Err(); err != nil {
			return v.found, err
		}
	}
	if err := it.Error(); err != nil {
		return v.found, s.trouble(v.at.id, err)
	}
	return v.found, nil
}

// verifier goes through the rows in the order of their keys: events first, then
// owners, prune marks, snapshots and values.
type verifier struct {
	store *Store
	now   *pebble.Snapshot // what is verified
	found Summary
	at    location // of the row before
	// last is every entity's last event, pruned or not. It holds all ids in memory, which
	// is the price of seeing snapshots that are ahead.
	last map[journal.EntityID]uint64
}

func (v *verifier) row(key, row []byte) error {
	loc, err := parseKey(key)
	if err != nil {
		return v.store.damage(journal.EntityID{}, err, "behind the rows of %s", v.at.id)
	}
	v.at = loc
	if loc.kind == kindEvent {
		return v.event(key, row)
	}
	number, rest, err := openNumbered(key, row)
	if err != nil {
		return v.store.damage(loc.id, err, "%s", loc.kind)
	}
	switch loc.kind {
	case kindEvent: // above
	case kindFence:
		v.found.Shards++
	case kindPruned:
		return v.pruned(number, rest)
	case kindSnapshot:
		if number > v.last[loc.id] {
			return v.store.damage(loc.id, nil, "there is a snapshot of event %d, but the last event is %d", number, v.last[loc.id])
		}
		v.found.Snapshots++
	case kindValue:
		if _, err := valueEntry(number, rest); err != nil {
			return v.store.damage(loc.id, err, "%s", loc.kind)
		}
		v.found.Values++
	}
	return nil
}

func (v *verifier) event(key, row []byte) error {
	loc := v.at
	if _, err := openEvent(key, row, loc.note); err != nil {
		return v.store.damage(loc.id, err, "event %d", loc.seq)
	}
	last, known := v.last[loc.id]
	if !known {
		var err error
		if last, err = v.number(kindPruned); err != nil {
			return err
		}
	}
	if loc.seq <= last {
		return v.store.damage(loc.id, nil, "event %d is there, though it was pruned or is there twice", loc.seq)
	}
	if loc.seq != last+1 {
		return v.store.damage(loc.id, nil, "event %d is missing, the next is %d", last+1, loc.seq)
	}
	v.last[loc.id] = loc.seq
	v.found.Events++
	return nil
}

// pruned checks a prune mark: a snapshot stands for what was removed.
func (v *verifier) pruned(through uint64, rest []byte) error {
	loc := v.at
	if len(rest) != 0 {
		return v.store.damage(loc.id, nil, "%s with %d bytes too many", loc.kind, len(rest))
	}
	snapshot, err := v.number(kindSnapshot)
	if err != nil {
		return err
	}
	if snapshot < through {
		return v.store.damage(loc.id, nil, "events are pruned through %d, but the snapshot is of event %d", through, snapshot)
	}
	v.last[loc.id] = max(v.last[loc.id], through)
	v.found.Pruned++
	return nil
}

// number returns the number in the present entity's row of that kind; 0: no such row.
func (v *verifier) number(k kind) (uint64, error) {
	key := entityKey(k, v.at.id)
	row, closer, err := v.now.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, v.store.trouble(v.at.id, err)
	}
	defer closer.Close()
	number, _, err := openNumbered(key, row)
	if err != nil {
		return 0, v.store.damage(v.at.id, err, "%s", k)
	}
	return number, nil
}
