package cassandra

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// encodeEntries writes entries one behind the other, each field after its length.
func encodeEntries(entries []journal.Entry) []byte {
	size := 0
	for _, e := range entries {
		size += e.Size() + 2*binary.MaxVarintLen32
	}
	b := make([]byte, 0, size)
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(len(e.Payload)))
		b = append(b, e.Payload...)
		b = binary.AppendUvarint(b, uint64(len(e.Note)))
		b = append(b, e.Note...)
	}
	return b
}

var errEntries = errors.New("entries damaged")

// decodeEntries reads n entries, which must be all there is. They do not share memory with b.
func decodeEntries(b []byte, n uint64) ([]journal.Entry, error) {
	if n > uint64(len(b)) { // an entry takes two bytes at least
		return nil, fmt.Errorf("%w: %d entries in %d bytes", errEntries, n, len(b))
	}
	entries := make([]journal.Entry, n)
	for i := range entries {
		for _, field := range []*[]byte{&entries[i].Payload, &entries[i].Note} {
			size, used := binary.Uvarint(b)
			if used <= 0 || size > uint64(len(b)-used) {
				return nil, fmt.Errorf("%w: entry %d of %d is cut short", errEntries, i+1, n)
			}
			if size > 0 {
				*field = append([]byte(nil), b[used:uint64(used)+size]...)
			}
			b = b[uint64(used)+size:]
		}
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes behind the last of %d", errEntries, len(b), n)
	}
	return entries, nil
}
