package journal

import (
	"context"
	"time"
)

// Shard is a part of the key space with one owner at a time.
type Shard uint32

// Token is a fencing token: a higher one is newer. Tokens count from 1, a shard
// each; 0 is never handed out, so the zero Fence can write nothing.
type Token uint64

// Holder names one incarnation of a proxy: whoever can own shards. A name is used
// once: a proxy that starts again, or whose lease was ended, takes a new one.
// It is at most MaxHolderBytes of text.
type Holder string

// Fence is the right to write to a shard until somebody else claims it. Every write
// carries one. A store does not compute an entity's shard: the caller always uses
// the same shard for the same entity.
type Fence struct {
	Shard  Shard
	Token  Token
	Holder Holder
}

// Owner says who owns a shard. The zero Owner is that of a shard that was never claimed.
type Owner struct {
	// Token is the newest that was handed out.
	Token Token
	// Holder got it, and is "" once it released the shard.
	Holder Holder
}

// Lease is a holder's sign of life.
type Lease struct {
	// Beat grows by one with each renewal.
	Beat uint64
	// Length is for how long the holder counts on the lease after it began a renewal.
	Length time.Duration
}

// Ownership hands out the right to write. A lease belongs to a holder, so that a
// node renews one however many shards it owns; a shard belongs to a holder. The
// shard of a holder that has a lease can be claimed by that holder only.
//
// A store knows no clock: whoever wants the shards of a silent holder watches that
// its lease is not renewed for as long as the lease is long, by a clock of its own,
// and then ends it. That wait is what makes reads linearizable: until it is over
// the silent holder may still answer from what it has in memory. The store sees to
// the writes.
//
// Every change is one conditional write, durable before its method returns,
// whatever the store promises for other writes. When its outcome is unknown,
// reading tells it.
type Ownership interface {
	// BeginLease gives h a lease with beat 1; ErrConflict if it has one. length is
	// kept to the millisecond.
	BeginLease(ctx context.Context, h Holder, length time.Duration) error

	// RenewLease raises the beat from beat by one. ErrFenced: the lease has ended.
	// ErrConflict: the beat is another one.
	RenewLease(ctx context.Context, h Holder, beat uint64) error

	// ReadLease returns the lease of h, and false if it has none. A lease that ended
	// never comes back, so false is final for a holder that had one.
	ReadLease(ctx context.Context, h Holder) (Lease, bool, error)

	// EndLease ends the lease of h if its beat is still beat; otherwise the error is
	// ErrConflict. Ending a lease that has ended does nothing. From its return no write
	// of h is acknowledged any more.
	EndLease(ctx context.Context, h Holder, beat uint64) error

	// ReadOwner returns who owns shard.
	ReadOwner(ctx context.Context, shard Shard) (Owner, error)

	// Claim takes shard over for h and returns its fence, with the token was+1. Once it
	// returned, no write under an earlier token takes effect.
	//
	// ErrConflict: the newest token is not was; somebody was faster. ErrHeld: the
	// owner is another holder, whose lease has not ended. ErrFenced: h has no lease.
	Claim(ctx context.Context, shard Shard, was Token, h Holder) (Fence, error)

	// Release gives the shard of f up: anybody may claim it without waiting. Its holder
	// must have no write under way, and begins none after. Releasing a shard that
	// somebody else owns by now does nothing.
	Release(ctx context.Context, f Fence) error
}
