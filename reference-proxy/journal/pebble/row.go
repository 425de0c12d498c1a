package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// A row is a CRC-32C, big endian, over its key and its body, and then the body. With
// the key in the sum, an intact row that turns up under another key is noticed too.
const sumBytes = 4

// numberBytes is the size of the sequence number, version or token that the bodies
// of snapshots, values, owners and prune marks begin with, big endian.
const numberBytes = 8

// notedValue is set in the version of a value that has a note. Versions stay below it.
const notedValue = 1 << 63

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errRowShort = errors.New("row cut short")
	errRowSum   = errors.New("checksum does not match")
)

func sum(key []byte, body ...[]byte) uint32 {
	c := crc32.Update(0, castagnoli, key)
	for _, b := range body {
		c = crc32.Update(c, castagnoli, b)
	}
	return c
}

// openRow checks row, found under key, and returns its body, which shares row's memory.
func openRow(key, row []byte) ([]byte, error) {
	if len(row) < sumBytes {
		return nil, fmt.Errorf("%w: %d bytes", errRowShort, len(row))
	}
	body := row[sumBytes:]
	if want, got := binary.BigEndian.Uint32(row), sum(key, body); want != got {
		return nil, fmt.Errorf("%w: %08x stored, %08x computed", errRowSum, want, got)
	}
	return body, nil
}

// openNumbered is openRow for a body that begins with a number of 1 or more.
func openNumbered(key, row []byte) (number uint64, payload []byte, err error) {
	body, err := openRow(key, row)
	if err != nil {
		return 0, nil, err
	}
	if len(body) < numberBytes {
		return 0, nil, fmt.Errorf("%w: %d bytes", errRowShort, len(row))
	}
	number = binary.BigEndian.Uint64(body)
	if number == 0 {
		return 0, nil, errors.New("row is numbered 0, numbers begin at 1")
	}
	return number, body[numberBytes:], nil
}

// putRow writes the row of key into dst, a space of rowSize(parts) bytes. parts are the
// body in order.
func putRow(dst, key []byte, parts ...[]byte) {
	binary.BigEndian.PutUint32(dst, sum(key, parts...))
	at := sumBytes
	for _, p := range parts {
		at += copy(dst[at:], p)
	}
}

func rowSize(parts ...[]byte) int {
	n := sumBytes
	for _, p := range parts {
		n += len(p)
	}
	return n
}

func numberOf(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, numberBytes), n)
}

// notedBody is the body of an entry that has a note, in parts: the note's length, the
// note, the payload.
func notedBody(e journal.Entry) [3][]byte {
	return [3][]byte{binary.AppendUvarint(nil, uint64(len(e.Note))), e.Note, e.Payload}
}

// cutNote is the inverse of notedBody. The entry shares body's memory.
func cutNote(body []byte) (journal.Entry, error) {
	n, size := binary.Uvarint(body)
	if size <= 0 || n == 0 || n > uint64(len(body)-size) {
		return journal.Entry{}, fmt.Errorf("%w: a note of %d bytes in %d", errRowShort, n, len(body))
	}
	return journal.Entry{Note: body[size : size+int(n)], Payload: body[size+int(n):]}, nil
}

// cloned copies e into memory of its own.
func cloned(e journal.Entry) journal.Entry {
	return journal.Entry{Payload: bytes.Clone(e.Payload), Note: bytes.Clone(e.Note)}
}

// openEvent opens an event's row, which is found under key. The entry shares its memory.
func openEvent(key, row []byte, note bool) (journal.Entry, error) {
	body, err := openRow(key, row)
	if err != nil {
		return journal.Entry{}, err
	}
	if note {
		return cutNote(body)
	}
	return journal.Entry{Payload: body}, nil
}

// valueEntry returns the entry of a value from its number and what follows that, whose
// memory it shares.
func valueEntry(number uint64, rest []byte) (journal.Entry, error) {
	if number&notedValue == 0 {
		return journal.Entry{Payload: rest}, nil
	}
	return cutNote(rest)
}
