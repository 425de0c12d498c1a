package cluster

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Stored data belongs to its shard for ever: these values must never change.
func TestShardOfIsFixed(t *testing.T) {
	for id, want := range map[journal.EntityID]journal.Shard{
		{Namespace: "shopping-cart", Key: "user-1"}: 38,
		{Namespace: "a", Key: "bc"}:                 50,
		{Namespace: "ab", Key: "c"}:                 64,
	} {
		if got := ShardOf(id); got != want {
			t.Errorf("ShardOf(%v) = %d, want %d", id, got, want)
		}
	}
}
