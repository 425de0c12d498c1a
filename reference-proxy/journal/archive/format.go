package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Version is the version of the format that is written, and the newest that is read.
const Version = 1

// Errors of a stream. Each comes as a *LineError, which names the line.
var (
	// ErrFormat: it is no export at all, or of a newer version.
	ErrFormat = errors.New("archive: not an export that can be read")
	// ErrDamaged: it was an export, but something was changed, left out or added.
	ErrDamaged = errors.New("archive: the export was changed")
	// ErrCut: its end is missing.
	ErrCut = errors.New("archive: the export is cut short")
)

// LineError says where in a stream something is wrong.
type LineError struct {
	// Line counts from 1.
	Line int
	// Err is one of the errors above, with the details.
	Err error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }

// Counts are of what a stream holds, or a store.
type Counts struct {
	Entities  uint64 `json:"entities"`
	Events    uint64 `json:"events"`
	Snapshots uint64 `json:"snapshots"`
	Values    uint64 `json:"values"`
	// Damaged entities were left out.
	Damaged uint64 `json:"damaged,omitempty"`
}

// String puts c into words.
func (c Counts) String() string {
	return fmt.Sprintf("%d entities, %d events, %d snapshots, %d values", c.Entities, c.Events, c.Snapshots, c.Values)
}

// Header is what a stream begins with.
type Header struct {
	Version int       `json:"version"`
	Created time.Time `json:"created"`
	// By is the program that wrote it.
	By string `json:"by"`
}

// Entity begins the lines of one entity.
type Entity struct {
	ID journal.EntityID
	// Pruned is the last event that was removed: the events that follow begin behind it.
	Pruned uint64
}

// Item is what one line says: exactly one field is set.
type Item struct {
	Header   *Header
	Entity   *Entity
	Event    *journal.Record
	Snapshot *journal.Snapshot
	Value    *journal.Entry
	End      *Counts
}

// line is a line as it is written, without its sum.
type line struct {
	Header   *Header       `json:"cloudstate-export,omitempty"`
	Entity   *entityLine   `json:"entity,omitempty"`
	Event    *eventLine    `json:"event,omitempty"`
	Snapshot *snapshotLine `json:"snapshot,omitempty"`
	Value    *valueLine    `json:"value,omitempty"`
	End      *endLine      `json:"end,omitempty"`
}

type entityLine struct {
	PersistenceID string `json:"persistence-id"`
	EntityID      string `json:"entity-id"`
	Pruned        uint64 `json:"pruned,omitempty"`
}

type eventLine struct {
	Seq     uint64 `json:"seq"`
	Payload []byte `json:"payload"`
	Note    []byte `json:"note,omitempty"`
}

type snapshotLine struct {
	Seq     uint64 `json:"seq"`
	Payload []byte `json:"payload"`
}

type valueLine struct {
	Payload []byte `json:"payload"`
	Note    []byte `json:"note,omitempty"`
}

type endLine struct {
	Counts
	SHA256 string `json:"sha256"`
}

func (it Item) line() line {
	switch {
	case it.Entity != nil:
		return line{Entity: &entityLine{journal.EscapeID(it.Entity.ID.Namespace), journal.EscapeID(it.Entity.ID.Key), it.Entity.Pruned}}
	case it.Event != nil:
		return line{Event: &eventLine{it.Event.Seq, it.Event.Payload, it.Event.Note}}
	case it.Snapshot != nil:
		return line{Snapshot: &snapshotLine{it.Snapshot.Seq, it.Snapshot.Payload}}
	case it.Value != nil:
		return line{Value: &valueLine{it.Value.Payload, it.Value.Note}}
	}
	return line{Header: it.Header}
}

// text is l as JSON.
func (l line) text() ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("archive: writing a line: %w", err)
	}
	return text, nil
}

// The end of every line: a sum over all lines so far, with this one, without their sums.
const (
	sumBytes = 8
	sumKey   = `,"sum":"`
	sumEnd   = `"}`
	sumWhole = len(sumKey) + 2*sumBytes + len(sumEnd)
)

// chain is the running sum of a stream.
type chain struct{ hash hash.Hash }

func newChain() chain { return chain{sha256.New()} }

// add takes the text of a line, without the brace that closes it, and returns its sum.
func (c chain) add(body []byte) string {
	c.hash.Write(body) // never fails
	return hex.EncodeToString(c.hash.Sum(nil)[:sumBytes])
}

// whole is the sum of all lines so far.
func (c chain) whole() string { return hex.EncodeToString(c.hash.Sum(nil)) }
