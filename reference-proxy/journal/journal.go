package journal

import "context"

// EntityID names one entity. Its two parts are kept apart in every store and are
// never joined into one text, so that no choice of characters makes two entities
// meet (GAP-48, GAP-49). Both parts may hold any bytes, including none at all.
// Together they may be at most MaxIDBytes long.
type EntityID struct {
	// Namespace is the persistence id that the user function gave at discovery.
	Namespace string
	// Key is the entity id, as extracted from the command.
	Key string
}

// Entry is what one event or one value holds. An empty field may come back as nil.
type Entry struct {
	// Payload is an encoded google.protobuf.Any, opaque to the store.
	Payload []byte
	// Note is what the proxy remembers together with the payload, opaque to the store and
	// nearly always empty.
	Note []byte
}

// Size is how much of the limits e uses, in bytes.
func (e Entry) Size() int { return len(e.Payload) + len(e.Note) }

// Record is one event of an entity.
type Record struct {
	// Seq is the event's sequence number: 1 for an entity's first, without gaps.
	Seq uint64
	Entry
}

// Chunk bounds one Read. A field of 0 or less stands for the default.
type Chunk struct {
	// Records is the largest number of records; DefaultChunkRecords by default.
	Records int
	// Bytes is the largest sum of entry sizes; DefaultChunkBytes by default.
	// A single record that is larger is returned alone.
	Bytes int
}

// Journal holds the events of event sourced entities.
type Journal interface {
	// Append writes events as the events expected+1, expected+2, … of id, all or none.
	// expected is the sequence number of the last event present (0: none); if it is
	// not, the error is ErrConflict. An append without events is ErrInvalid.
	//
	// A context that ends before the write starts stops it; once started, a write is
	// carried through, or its outcome is reported as unknown.
	Append(ctx context.Context, f Fence, id EntityID, expected uint64, events []Entry) error

	// Adopt makes sure that f holds and that the last event of id is expected (else
	// ErrConflict). From its return, nothing that was written under an earlier token
	// appears behind that event or in the place of any before it, however late it
	// arrives. An owner adopts what it has read, once, before it acts on it.
	Adopt(ctx context.Context, f Fence, id EntityID, expected uint64) error

	// Read returns the events of id with sequence numbers above after, in order and
	// without gaps, as many as max admits and at least one if there are any. more says
	// that events follow the last one returned. An entity without events is not an
	// error. A missing or damaged event is ErrCorrupt, and one that was pruned is
	// ErrPruned; then no record is returned.
	Read(ctx context.Context, id EntityID, after uint64, max Chunk) (recs []Record, more bool, err error)

	// Prune removes the events 1 to through for good, when a snapshot of the event
	// through or a later one is present; otherwise the error is ErrConflict. Events
	// removed before are passed over, so that through 0 removes nothing. The
	// sequence goes on as if they were there.
	Prune(ctx context.Context, f Fence, id EntityID, through uint64) error

	// Begin makes the journal of id begin behind the event through (1 or more, else ErrInvalid), as if the
	// events up to it had been written and pruned: for an import of what another store has. id
	// must not have had any event; else the error is ErrConflict. The next append expects through; the
	// snapshot that stands for what is missing is saved next, or behind the events that follow.
	Begin(ctx context.Context, f Fence, id EntityID, through uint64) error
}
