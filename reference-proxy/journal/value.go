package journal

import "context"

// Value is the stored state of a value entity.
type Value struct {
	// Version counts the puts since the value was last absent: 1 is the first put
	// after that, 0 an absent value.
	Version uint64
	Entry
	// Found is false for an entity that has no value.
	Found bool
}

// Values holds the state of value entities. Versions and event sequence numbers
// have nothing to do with each other, nor has a value with events of the same id.
type Values interface {
	// GetValue returns the value of id; an absent one is the zero Value, not an error.
	GetValue(ctx context.Context, id EntityID) (Value, error)

	// PutValue writes e if the version present is expected (0: absent), and returns the
	// new version, expected+1. Otherwise the error is ErrConflict.
	PutValue(ctx context.Context, f Fence, id EntityID, expected uint64, e Entry) (version uint64, err error)

	// DeleteValue removes the value if the version present is expected. Otherwise the
	// error is ErrConflict. Deleting an absent value (expected 0) does nothing.
	DeleteValue(ctx context.Context, f Fence, id EntityID, expected uint64) error

	// AdoptValue is for a value what Journal.Adopt is for events: it makes sure that f
	// holds and that the version present is expected (else ErrConflict), and from its
	// return nothing written under an earlier token takes the value's place.
	AdoptValue(ctx context.Context, f Fence, id EntityID, expected uint64) error
}
