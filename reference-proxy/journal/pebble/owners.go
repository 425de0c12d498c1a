package pebble

import (
	"context"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// owners knows the newest token of every shard that was ever claimed.
type owners struct {
	mu     sync.RWMutex
	newest map[journal.Shard]*owner
}

// owner is held for reading by writes under way and for writing by a claim, so a
// claim returns only when no write of an earlier token is left.
type owner struct {
	mu    sync.RWMutex
	token journal.Token
}

// of returns the owner of shard, or nil if create is false and there is none.
func (o *owners) of(shard journal.Shard, create bool) *owner {
	o.mu.RLock()
	w := o.newest[shard]
	o.mu.RUnlock()
	if w != nil || !create {
		return w
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.newest[shard] == nil {
		o.newest[shard] = &owner{}
	}
	return o.newest[shard]
}

// hold checks f and keeps claims of its shard out until release is called.
func (o *owners) hold(f journal.Fence) (release func(), err error) {
	w := o.of(f.Shard, false)
	if w == nil {
		return nil, &journal.FencedError{Fence: f}
	}
	w.mu.RLock()
	if newest := w.token; f.Token != newest || newest == 0 {
		w.mu.RUnlock()
		return nil, &journal.FencedError{Fence: f, Newest: newest}
	}
	return w.mu.RUnlock, nil
}

// Claim implements journal.Ownership. It is synced in every mode.
func (s *Store) Claim(ctx context.Context, shard journal.Shard) (journal.Fence, error) {
	leave, err := s.enter()
	if err != nil {
		return journal.Fence{}, err
	}
	defer leave()
	w := s.owners.of(shard, true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return journal.Fence{}, fmt.Errorf("journal: claim of shard %d not started: %w", shard, err)
	}
	if err := s.space.admitUrgent(); err != nil {
		return journal.Fence{}, err
	}
	if err := s.failed(); err != nil {
		return journal.Fence{}, err
	}
	token := w.token + 1
	b := s.db.NewBatch()
	defer b.Close()
	if err := setRow(b, fenceKey(shard), numberOf(uint64(token))); err != nil {
		return journal.Fence{}, err
	}
	if err := s.commit(b, pebble.Sync); err != nil {
		return journal.Fence{}, err
	}
	w.token = token
	return journal.Fence{Shard: shard, Token: token}, nil
}

// loadOwners reads every shard's newest token.
func (s *Store) loadOwners() error {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{byte(kindFence)},
		UpperBound: []byte{byte(kindFence) + 1},
	})
	if err != nil {
		return s.trouble(journal.EntityID{}, err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		loc, err := parseKey(it.Key())
		if err != nil {
			return s.damage(journal.EntityID{}, err, "among the fencing tokens")
		}
		row, err := it.ValueAndErr()
		if err != nil {
			return s.trouble(journal.EntityID{}, err)
		}
		token, _, err := openNumbered(it.Key(), row)
		if err != nil {
			return s.damage(journal.EntityID{}, err, "fencing token of shard %d", loc.shard)
		}
		s.owners.of(loc.shard, true).token = journal.Token(token)
	}
	if err := it.Error(); err != nil {
		return s.trouble(journal.EntityID{}, err)
	}
	return nil
}
