package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// claims hands out tokens as a store does and counts the claims.
type claims struct {
	mu     sync.Mutex
	tokens map[journal.Shard]journal.Token
	err    error
}

func (c *claims) Claim(_ context.Context, s journal.Shard) (journal.Fence, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return journal.Fence{}, c.err
	}
	c.tokens[s]++
	return journal.Fence{Shard: s, Token: c.tokens[s]}, nil
}

func TestShardIsClaimedOnceUntilLost(t *testing.T) {
	store := &claims{tokens: map[journal.Shard]journal.Token{}}
	l := NewLocal(store)
	id := journal.EntityID{Namespace: "carts", Key: "a"}
	var first journal.Fence
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			f, err := l.Fence(context.Background(), id)
			if err != nil || f.Token != 1 {
				t.Errorf("claim %d: %v, %v; want token 1", i, f, err)
			}
		})
	}
	wg.Wait()
	first, _ = l.Fence(context.Background(), id)
	l.Lost(first)
	second, _ := l.Fence(context.Background(), id)
	if second.Token != 2 {
		t.Fatalf("after Lost: token %d, want 2", second.Token)
	}
	l.Lost(first) // late word of the old fence must not cost the new one
	if again, _ := l.Fence(context.Background(), id); again != second {
		t.Fatalf("a late Lost gave up the new fence: %v, want %v", again, second)
	}
}

func TestFailedClaimIsTriedAgain(t *testing.T) {
	store := &claims{tokens: map[journal.Shard]journal.Token{}, err: errors.New("down")}
	l := NewLocal(store)
	if _, err := l.Fence(context.Background(), journal.EntityID{}); err == nil {
		t.Fatal("a failed claim gave a fence")
	}
	store.err = nil
	if f, err := l.Fence(context.Background(), journal.EntityID{}); err != nil || f.Token != 1 {
		t.Fatalf("after the store came back: %v, %v", f, err)
	}
}

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
