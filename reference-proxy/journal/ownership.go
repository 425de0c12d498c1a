package journal

import "context"

// Shard is a part of the key space with one owner at a time.
type Shard uint32

// Token is a fencing token: a higher one is newer. Tokens count from 1, a shard
// each; 0 is never handed out, so the zero Fence can write nothing.
type Token uint64

// Fence is the right to write to a shard until somebody else claims it. Every write
// carries one. A store does not compute an entity's shard: the caller always uses
// the same shard for the same entity.
type Fence struct {
	Shard Shard
	Token Token
}

// Ownership hands out the right to write.
type Ownership interface {
	// Claim takes shard over and returns a fence with a token that is higher than every
	// earlier one of that shard, across restarts too: it is durable before Claim
	// returns, whatever the store promises for other writes. Once it returned, no write
	// under an earlier token takes effect. A claim whose outcome is unknown may have
	// fenced off the earlier owner; claim again.
	Claim(ctx context.Context, shard Shard) (Fence, error)
}
