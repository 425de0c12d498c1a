package postgres

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"
	"slices"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Advisory locks are numbers that all users of a database share. Ours are 32 bits that
// name the schema and what is locked, and 32 bits that say which one. Should two meet by
// chance, somebody waits without need; nothing else happens.
func lockKey(schema, kind string, which uint32) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte("cloudstate journal " + schema + " " + kind))
	return int64(uint64(h.Sum32())<<32 | uint64(which)) //nolint:gosec // bits are bits
}

func (s *Store) shardLock(shard journal.Shard) int64 {
	return lockKey(s.options.Schema, "shard", uint32(shard))
}

func (s *Store) holderLock(h journal.Holder) int64 {
	f := fnv.New32a()
	_, _ = f.Write([]byte(h))
	return lockKey(s.options.Schema, "holder", f.Sum32())
}

// writeLocks are those that writes under fences take, each once, in ascending order: two
// groups that wait for claims must not wait for each other.
func (s *Store) writeLocks(fences ...journal.Fence) []int64 {
	out := make([]int64, 0, len(fences)+1)
	for i, f := range fences {
		out = append(out, s.shardLock(f.Shard))
		if i == 0 || f.Holder != fences[i-1].Holder {
			out = append(out, s.holderLock(f.Holder))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// entityKey is what rows are found by: an id may be longer than an index takes.
type entityKey [32]byte

func keyOf(id journal.EntityID) entityKey {
	b := make([]byte, 0, 8+len(id.Namespace)+len(id.Key))
	b = binary.BigEndian.AppendUint64(b, uint64(len(id.Namespace)))
	b = append(b, id.Namespace...)
	b = append(b, id.Key...)
	return sha256.Sum256(b)
}
