package journal

import "context"

// Snapshot is an entity's state after the event Seq.
type Snapshot struct {
	// Seq is the sequence number of the last event that the state includes; 1 or more.
	Seq uint64
	// Payload is an encoded google.protobuf.Any, opaque to the store.
	Payload []byte
}

// Snapshots holds the newest snapshot of each event sourced entity. A snapshot is
// a shortcut and never the only copy of anything: events are kept.
type Snapshots interface {
	// SaveSnapshot keeps s unless a snapshot of the same or a later event is present,
	// in which case it does nothing and returns nil. A snapshot of an event that is not
	// in the journal is ErrConflict: a state must never run ahead of its events.
	// A saved snapshot may be lost by a crash; the events it stands for may not.
	SaveSnapshot(ctx context.Context, f Fence, id EntityID, s Snapshot) error

	// LatestSnapshot returns the newest snapshot of id, and false if there is none.
	LatestSnapshot(ctx context.Context, id EntityID) (Snapshot, bool, error)
}
