package cluster

import (
	"context"
	"fmt"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Shards is how many parts the key space has. It is part of what nodes must agree
// on: an entity's fence belongs to its shard.
const Shards = 100

// Local owns every shard, and claims each when it is first needed. Its methods may
// be called concurrently.
type Local struct {
	store  journal.Ownership
	shards [Shards]shard
}

type shard struct {
	mu    sync.Mutex
	fence journal.Fence // zero until claimed
}

// NewLocal makes the owner of all shards of store.
func NewLocal(store journal.Ownership) *Local { return &Local{store: store} }

// Fence returns the fence for writing the entity. It claims the shard if it is not
// claimed, or lost; then it takes as long as the store does.
func (l *Local) Fence(ctx context.Context, id journal.EntityID) (journal.Fence, error) {
	n := ShardOf(id)
	s := &l.shards[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fence.Token != 0 {
		return s.fence, nil
	}
	f, err := l.store.Claim(ctx, n)
	if err != nil {
		return journal.Fence{}, fmt.Errorf("claiming shard %d: %w", n, err)
	}
	s.fence = f
	return f, nil
}

// Lost says that the store refused f as out of date. The next Fence claims the shard
// anew, unless that has happened already.
func (l *Local) Lost(f journal.Fence) {
	s := &l.shards[f.Shard%Shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fence == f {
		s.fence = journal.Fence{}
	}
}

// ShardOf is FNV-1a over the namespace and the key, each followed by its length,
// modulo Shards.
func ShardOf(id journal.EntityID) journal.Shard {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for _, part := range [...]string{id.Namespace, id.Key} {
		for i := range len(part) {
			h = (h ^ uint32(part[i])) * prime
		}
		h = (h ^ uint32(len(part))) * prime
	}
	return journal.Shard(h % Shards)
}
