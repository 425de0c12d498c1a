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

// Record is one event of an entity.
type Record struct {
	// Seq is the event's sequence number: 1 for an entity's first, without gaps.
	Seq uint64
	// Payload is an encoded google.protobuf.Any, opaque to the store. An empty
	// payload may come back as nil.
	Payload []byte
}

// Chunk bounds one Read. A field of 0 or less stands for the default.
type Chunk struct {
	// Records is the largest number of records; DefaultChunkRecords by default.
	Records int
	// Bytes is the largest sum of payload sizes; DefaultChunkBytes by default.
	// A single record that is larger is returned alone.
	Bytes int
}

// Journal holds the events of event sourced entities.
type Journal interface {
	// Append writes payloads as the events expected+1, expected+2, … of id, all or
	// none. expected is the sequence number of the last event present (0: none); if
	// it is not, the error is ErrConflict. With no payloads it checks the fence and
	// expected, and writes nothing.
	//
	// A context that ends before the write starts stops it; once started, a write is
	// carried through, or its outcome is reported as unknown.
	Append(ctx context.Context, f Fence, id EntityID, expected uint64, payloads [][]byte) error

	// Read returns the events of id with sequence numbers above after, in order and
	// without gaps, as many as max admits and at least one if there are any. more says
	// that events follow the last one returned. An entity without events is not an
	// error. A missing or damaged event is ErrCorrupt, and no record is returned.
	Read(ctx context.Context, id EntityID, after uint64, max Chunk) (recs []Record, more bool, err error)
}
