package route

import "github.com/stateful-serverless/cloudstate/reference-proxy/entity"

// What comes of a call, as callers of this package know it: the edge deals with
// routes, not with the machines behind them.
type (
	// Reply is an answer for the client.
	Reply = entity.Reply
	// Fault is a failure that the user function did not state.
	Fault = entity.Fault
)

// MaxIdempotencyKeyBytes is the length of the longest idempotency key (IDEM-02).
const MaxIdempotencyKeyBytes = entity.MaxKeyBytes

// The classes of faults, as [entity.FaultClass] defines them.
const (
	FaultProtocol         = entity.FaultProtocol
	FaultUnavailable      = entity.FaultUnavailable
	FaultTimeout          = entity.FaultTimeout
	FaultStore            = entity.FaultStore
	FaultDamaged          = entity.FaultDamaged
	FaultStoreUnavailable = entity.FaultStoreUnavailable
	FaultStoreFull        = entity.FaultStoreFull
	FaultOverload         = entity.FaultOverload
	FaultShutdown         = entity.FaultShutdown
	FaultKeyReused        = entity.FaultKeyReused
	FaultAnswerLost       = entity.FaultAnswerLost
)
