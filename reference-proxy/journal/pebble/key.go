package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// kind is the first byte of every key.
type kind byte

const (
	kindEvent    kind = 'e'
	kindFence    kind = 'f'
	kindPruned   kind = 'p'
	kindSnapshot kind = 's'
	kindValue    kind = 'v'
)

// String names what a key of the kind leads to, for messages.
func (k kind) String() string {
	switch k {
	case kindEvent:
		return "event"
	case kindFence:
		return "owner"
	case kindPruned:
		return "prune mark"
	case kindSnapshot:
		return "snapshot"
	case kindValue:
		return "value"
	default:
		return fmt.Sprintf("row of unknown kind %#02x", byte(k))
	}
}

// A part of an id is written byte for byte, except that 0x00 becomes 0x00 0xFF, and
// is closed by 0x00 0x01. So a part that is the beginning of another sorts first, and
// no part's encoding is the beginning of another's.
const (
	escape     = 0x00
	escapedNUL = 0xFF
	terminator = 0x01
	// pastTerminator in the place of the last terminator gives the end of the range of
	// all keys that begin with an id.
	pastTerminator = 0x02
)

const (
	seqBytes   = 8
	shardBytes = 4
)

// noted follows the sequence number in the key of an event that has a note. So events
// without one cost nothing more, and are stored as they were in format 1.
const noted = 0x01

var errKey = errors.New("not a key of this store")

// entityKey returns the key of id's one row of that kind, or what all rows of that
// kind begin with.
func entityKey(k kind, id journal.EntityID) []byte {
	buf := make([]byte, 0, 1+len(id.Namespace)+len(id.Key)+4+seqBytes)
	buf = append(buf, byte(k))
	buf = appendPart(buf, id.Namespace)
	return appendPart(buf, id.Key)
}

// entityEnd returns the first key after all those that begin with entityKey(k, id).
func entityEnd(k kind, id journal.EntityID) []byte {
	end := entityKey(k, id)
	end[len(end)-1] = pastTerminator
	return end
}

// eventKey returns the key of id's event seq.
func eventKey(id journal.EntityID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(entityKey(kindEvent, id), seq)
}

// notedKey returns the key of id's event seq if that has a note.
func notedKey(id journal.EntityID, seq uint64) []byte {
	return append(eventKey(id, seq), noted)
}

// fenceKey returns the key of a shard's owner.
func fenceKey(s journal.Shard) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(kindFence)}, uint32(s))
}

func appendPart(buf []byte, part string) []byte {
	for {
		i := strings.IndexByte(part, escape)
		if i < 0 {
			buf = append(buf, part...)
			return append(buf, escape, terminator)
		}
		buf = append(buf, part[:i]...)
		buf = append(buf, escape, escapedNUL)
		part = part[i+1:]
	}
}

// eventSeq returns the sequence number in the key of one of an entity's events, and
// whether the event has a note; prefix is the entity's key.
func eventSeq(key, prefix []byte) (seq uint64, note bool, err error) {
	seq, note, ok := cutSeq(key[min(len(prefix), len(key)):])
	if !ok {
		return 0, false, fmt.Errorf("%w: %x", errKey, key)
	}
	return seq, note, nil
}

// cutSeq decodes what follows the id in an event's key.
func cutSeq(b []byte) (seq uint64, note, ok bool) {
	switch {
	case len(b) == seqBytes:
	case len(b) == seqBytes+1 && b[seqBytes] == noted:
		note = true
	default:
		return 0, false, false
	}
	return binary.BigEndian.Uint64(b), note, true
}

// location is what a key says.
type location struct {
	kind  kind
	id    journal.EntityID // not for kindFence
	seq   uint64           // kindEvent only
	note  bool             // kindEvent only: it has a note
	shard journal.Shard    // kindFence only
}

// parseKey is the inverse of entityKey, eventKey, notedKey and fenceKey. It accepts exactly
// what they make.
func parseKey(key []byte) (location, error) {
	if len(key) == 0 {
		return location{}, fmt.Errorf("%w: it is empty", errKey)
	}
	loc := location{kind: kind(key[0])}
	rest := key[1:]
	if loc.kind == kindFence {
		if len(rest) != shardBytes {
			return location{}, fmt.Errorf("%w: %x", errKey, key)
		}
		loc.shard = journal.Shard(binary.BigEndian.Uint32(rest))
		return loc, nil
	}
	var ok bool
	if loc.id.Namespace, rest, ok = cutPart(rest); !ok {
		return location{}, fmt.Errorf("%w: %x", errKey, key)
	}
	if loc.id.Key, rest, ok = cutPart(rest); !ok {
		return location{}, fmt.Errorf("%w: %x", errKey, key)
	}
	switch loc.kind {
	case kindEvent:
		loc.seq, loc.note, ok = cutSeq(rest)
	case kindPruned, kindSnapshot, kindValue:
		ok = len(rest) == 0
	default:
		ok = false
	}
	if !ok {
		return location{}, fmt.Errorf("%w: %x", errKey, key)
	}
	return loc, nil
}

// cutPart decodes the part that b begins with and returns what follows it.
func cutPart(b []byte) (part string, rest []byte, ok bool) {
	var sb strings.Builder
	for i := 0; i < len(b); i++ {
		if b[i] != escape {
			sb.WriteByte(b[i])
			continue
		}
		i++
		if i == len(b) {
			break
		}
		switch b[i] {
		case escapedNUL:
			sb.WriteByte(escape)
		case terminator:
			return sb.String(), b[i+1:], true
		default:
			return "", nil, false
		}
	}
	return "", nil, false
}
