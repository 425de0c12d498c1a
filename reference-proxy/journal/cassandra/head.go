package cassandra

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Everything that the store writes, a record of the journal, a snapshot or a value, is a
// body in one or more rows (its parts) and a head in the row of part 0. Part 0 is written
// when all others are acknowledged, so what has a head is whole.
//
// A head is a format byte, a kind, the body's size, number of parts and checksum, some
// numbers of the kind's own, and a checksum over all that, the identity of the entity and
// the place of the row. A row in the wrong place is noticed too.

// headFormat is the version of the heads' encoding.
const headFormat = 1

// partBytes is the largest part of a body. Cassandra refuses mutations of more than half a
// segment of its commit log: 16 MiB as it comes.
const partBytes = 1 << 20

// maxParts bounds what a head may claim: a whole write with the framing of its events.
const maxParts = (journal.MaxWriteBytes+16*journal.MaxAppendEvents)/partBytes + 1

// kind says what a head is the head of, and so how many numbers it has.
type kind byte

const (
	kindRecord   kind = 'e'
	kindSnapshot kind = 's'
	kindValue    kind = 'v'
)

// numbersOf is the number of a head's own numbers.
func numbersOf(k kind) int {
	switch k {
	case kindRecord:
		return 6
	case kindSnapshot:
		return 4
	case kindValue:
		return 3
	}
	return 0
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is a decoded head.
type head struct {
	kind kind
	// size is the body's length in bytes, parts how many rows hold it, 1 or more.
	size, parts uint64
	// sum is the body's checksum.
	sum uint32
	// numbers are the kind's own.
	numbers []uint64
}

// headOf describes body.
func headOf(k kind, body []byte, numbers ...uint64) head {
	return head{
		kind: k, size: uint64(len(body)), parts: uint64(max(1, (len(body)+partBytes-1)/partBytes)),
		sum: crc32.Checksum(body, castagnoli), numbers: numbers,
	}
}

// spot is where a row stands, for its checksum: an identity and the clustering columns.
type spot struct {
	id journal.EntityID
	at [4]uint64
}

func (s spot) sum(encoded []byte) uint32 {
	b := make([]byte, 0, 48)
	b = binary.AppendUvarint(b, uint64(len(s.id.Namespace)))
	for _, n := range s.at {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	c := crc32.Update(0, castagnoli, b)
	c = crc32.Update(c, castagnoli, []byte(s.id.Namespace))
	c = crc32.Update(c, castagnoli, []byte(s.id.Key))
	return crc32.Update(c, castagnoli, encoded)
}

// encode returns h for a row at s.
func (h head) encode(s spot) []byte {
	b := append(make([]byte, 0, 64), headFormat, byte(h.kind))
	b = binary.AppendUvarint(b, h.size)
	b = binary.AppendUvarint(b, h.parts)
	b = binary.BigEndian.AppendUint32(b, h.sum)
	for _, n := range h.numbers {
		b = binary.AppendUvarint(b, n)
	}
	return binary.BigEndian.AppendUint32(b, s.sum(b))
}

var errHead = errors.New("head damaged")

// decodeHead reads the head of a row at s, which must be of kind k.
func decodeHead(k kind, s spot, b []byte) (head, error) {
	if len(b) < 2+4 {
		return head{}, fmt.Errorf("%w: %d bytes", errHead, len(b))
	}
	body, tail := b[:len(b)-4], b[len(b)-4:]
	if want, got := binary.BigEndian.Uint32(tail), s.sum(body); want != got {
		return head{}, fmt.Errorf("%w: checksum %08x stored, %08x computed", errHead, want, got)
	}
	if body[0] != headFormat {
		return head{}, fmt.Errorf("%w: format %d, this program reads %d", errHead, body[0], headFormat)
	}
	if kind(body[1]) != k {
		return head{}, fmt.Errorf("%w: kind %q where %q is due", errHead, body[1], byte(k))
	}
	h, rest := head{kind: k}, body[2:]
	next := func() uint64 {
		n, used := binary.Uvarint(rest)
		if used <= 0 {
			rest = nil
			return math.MaxUint64
		}
		rest = rest[used:]
		return n
	}
	h.size, h.parts = next(), next()
	if len(rest) < 4 {
		return head{}, fmt.Errorf("%w: cut short", errHead)
	}
	h.sum, rest = binary.BigEndian.Uint32(rest), rest[4:]
	h.numbers = make([]uint64, 0, numbersOf(k))
	for range numbersOf(k) {
		if len(rest) == 0 {
			return head{}, fmt.Errorf("%w: cut short", errHead)
		}
		h.numbers = append(h.numbers, next())
	}
	if len(rest) != 0 || rest == nil {
		return head{}, fmt.Errorf("%w: numbers do not end where the head does", errHead)
	}
	if h.parts == 0 || h.parts > maxParts || h.size > h.parts*partBytes || h.size+partBytes <= (h.parts-1)*partBytes {
		return head{}, fmt.Errorf("%w: %d bytes in %d parts", errHead, h.size, h.parts)
	}
	return h, nil
}

// part returns the part of body that row number n holds. It is never nil.
func part(body []byte, n int) []byte {
	from := min(n*partBytes, len(body))
	return append([]byte{}, body[from:min(from+partBytes, len(body))]...)
}

// check holds a body that was put together from its parts against its head.
func (h head) check(body []byte) error {
	if uint64(len(body)) != h.size {
		return fmt.Errorf("body damaged: %d bytes, the head says %d", len(body), h.size)
	}
	if got := crc32.Checksum(body, castagnoli); got != h.sum {
		return fmt.Errorf("body damaged: checksum %08x stored, %08x computed", h.sum, got)
	}
	return nil
}
