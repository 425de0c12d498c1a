package pebble

import (
	"context"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Summary is what Verify found, in rows.
type Summary struct {
	Events, Snapshots, Values, Shards int
}

// Verify reads every row of the store and checks it: the key, the checksum, that no
// entity's events have a gap, and that no snapshot is ahead of its events. It changes
// nothing and may run while the store is in use. The first damage ends it with
// journal.ErrCorrupt.
func (s *Store) Verify(ctx context.Context) (Summary, error) {
	leave, err := s.enter()
	if err != nil {
		return Summary{}, err
	}
	defer leave()
	it, err := s.db.NewIter(nil)
	if err != nil {
		return Summary{}, s.trouble(journal.EntityID{}, err)
	}
	defer it.Close()
	v := verifier{store: s, last: map[journal.EntityID]uint64{}}
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
// fences, snapshots and values.
type verifier struct {
	store *Store
	found Summary
	at    location // of the row before
	// last is every entity's last event. It holds all ids in memory, which is the price
	// of seeing snapshots that are ahead.
	last map[journal.EntityID]uint64
}

func (v *verifier) row(key, row []byte) error {
	loc, err := parseKey(key)
	if err != nil {
		return v.store.damage(journal.EntityID{}, err, "behind the rows of %s", v.at.id)
	}
	v.at = loc
	body, err := openRow(key, row)
	if err != nil {
		return v.store.damage(loc.id, err, "%s %d", loc.kind, loc.seq)
	}
	if loc.kind == kindEvent {
		if want := v.last[loc.id] + 1; loc.seq != want {
			return v.store.damage(loc.id, nil, "event %d is missing, the next is %d", want, loc.seq)
		}
		v.last[loc.id] = loc.seq
		v.found.Events++
		return nil
	}
	number, _, err := openNumbered(key, row)
	if err != nil {
		return v.store.damage(loc.id, err, "%s", loc.kind)
	}
	switch loc.kind {
	case kindSnapshot:
		if number > v.last[loc.id] {
			return v.store.damage(loc.id, nil, "there is a snapshot of event %d, but the last event is %d", number, v.last[loc.id])
		}
		v.found.Snapshots++
	case kindValue:
		v.found.Values++
	case kindEvent: // counted above
	case kindFence:
		v.found.Shards++
		if len(body) != numberBytes {
			return v.store.damage(loc.id, nil, "fencing token of shard %d has %d bytes", loc.shard, len(body))
		}
	}
	return nil
}
