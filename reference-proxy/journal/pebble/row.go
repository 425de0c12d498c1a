package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A row is a CRC-32C, big endian, over its key and its body, and then the body. With
// the key in the sum, an intact row that turns up under another key is noticed too.
const sumBytes = 4

// numberBytes is the size of the sequence number, version or token that the bodies
// of snapshots, values and fences begin with, big endian.
const numberBytes = 8

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
