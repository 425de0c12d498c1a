package journal

import (
	"fmt"
	"math"
	"time"
)

// Limits that hold for every store, so that a user function that works on one store
// works on all.
const (
	// MaxIDBytes bounds the length of an EntityID's two parts together.
	MaxIDBytes = 32 << 10
	// MaxHolderBytes bounds the length of a Holder.
	MaxHolderBytes = 256
	// MaxWriteBytes bounds the entries of one write together.
	MaxWriteBytes = 64 << 20
	// MaxAppendEvents bounds the number of events of one append.
	MaxAppendEvents = 1 << 20
	// DefaultChunkRecords is what Chunk.Records 0 stands for.
	DefaultChunkRecords = 1024
	// DefaultChunkBytes is what Chunk.Bytes 0 stands for.
	DefaultChunkBytes = 1 << 20
)

// WithDefaults returns c with its defaults filled in.
func (c Chunk) WithDefaults() Chunk {
	if c.Records <= 0 {
		c.Records = DefaultChunkRecords
	}
	if c.Bytes <= 0 {
		c.Bytes = DefaultChunkBytes
	}
	return c
}

// CheckWrite is what every store asks before a write: that id and entries keep
// the limits above (ErrTooLarge), and that expected leaves room to count on
// (ErrConflict).
func CheckWrite(id EntityID, expected uint64, entries ...Entry) error {
	if n := len(id.Namespace) + len(id.Key); n > MaxIDBytes {
		return fmt.Errorf("%w: an entity id of %d bytes, at most %d are kept; use shorter entity keys", ErrTooLarge, n, MaxIDBytes)
	}
	if len(entries) > MaxAppendEvents {
		return fmt.Errorf("%w: %d events at once for %s, at most %d; emit fewer events a command", ErrTooLarge, len(entries), id, MaxAppendEvents)
	}
	total := 0
	for _, e := range entries {
		total += e.Size()
	}
	if total > MaxWriteBytes {
		return fmt.Errorf("%w: %d bytes at once for %s, at most %d; write smaller events or state", ErrTooLarge, total, id, MaxWriteBytes)
	}
	if uint64(len(entries)) > math.MaxInt64 || expected > math.MaxInt64-uint64(len(entries)) {
		return fmt.Errorf("%w: sequence number %d of %s is beyond what can be counted", ErrConflict, expected, id)
	}
	return nil
}

// CheckAppend is CheckWrite for an append, which must also have events (ErrInvalid).
func CheckAppend(id EntityID, expected uint64, events []Entry) error {
	if len(events) == 0 {
		return fmt.Errorf("%w: an append of no events to %s", ErrInvalid, id)
	}
	return CheckWrite(id, expected, events...)
}

// CheckBegin is CheckWrite for the beginning of a journal, which is behind an event (ErrInvalid).
func CheckBegin(id EntityID, through uint64) error {
	if through == 0 {
		return fmt.Errorf("%w: a journal of %s that begins behind event 0 is any journal", ErrInvalid, id)
	}
	return CheckWrite(id, through)
}

// CheckLease is what every store asks before it gives a holder a lease (ErrInvalid).
func CheckLease(h Holder, length time.Duration) error {
	if h == "" || len(h) > MaxHolderBytes {
		return fmt.Errorf("%w: a holder's name of %d bytes, want 1 to %d", ErrInvalid, len(h), MaxHolderBytes)
	}
	if length < time.Millisecond {
		return fmt.Errorf("%w: a lease of %v; a millisecond is the least", ErrInvalid, length)
	}
	return nil
}

// CheckSnapshot is CheckWrite for a snapshot, which must also be of an event
// (ErrInvalid).
func CheckSnapshot(id EntityID, s Snapshot) error {
	if s.Seq == 0 {
		return fmt.Errorf("%w: a snapshot of %s before its first event", ErrInvalid, id)
	}
	return CheckWrite(id, s.Seq, Entry{Payload: s.Payload})
}
