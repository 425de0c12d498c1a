package cluster

import "github.com/stateful-serverless/cloudstate/reference-proxy/journal"

// Shards is how many parts the key space has. It is part of what nodes must agree
// on: an entity's fence belongs to its shard.
const Shards = 100

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
