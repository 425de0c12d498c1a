package cassandra

import (
	"bytes"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// FuzzHead: no bytes make the decoder fail otherwise than by an error, and what it takes it
// would have written.
func FuzzHead(f *testing.F) {
	at := spot{id: journal.EntityID{Namespace: "n", Key: "k"}, at: [4]uint64{0, 1, 1, 1}}
	for _, k := range []kind{kindRecord, kindSnapshot, kindValue} {
		f.Add(byte(k), headOf(k, []byte("body"), make([]uint64, numbersOf(k))...).encode(at))
	}
	f.Add(byte('x'), []byte{})
	f.Fuzz(func(t *testing.T, k byte, b []byte) {
		if _, err := decodeHead(kind(k), at, b); err != nil && len(b) >= 6 {
			// Behind a right checksum, which chance does not find, the rest must hold too.
			sealed := append(bytes.Clone(b[:len(b)-4]), 0, 0, 0, 0)
			sum := at.sum(sealed[:len(sealed)-4])
			for i := range 4 {
				sealed[len(sealed)-4+i] = byte(sum >> (24 - 8*i))
			}
			b = sealed
		}
		h, err := decodeHead(kind(k), at, b)
		if err != nil {
			return
		}
		again, err := decodeHead(kind(k), at, h.encode(at))
		if err != nil || again.size != h.size || again.parts != h.parts || again.sum != h.sum {
			t.Fatalf("%+v comes back as %+v, %v", h, again, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	id := journal.EntityID{Namespace: "n", Key: "k"}
	f.Add(uint64(0), uint64(1), uint64(1), uint64(0), uint64(1), uint64(1), uint64(1), uint64(10))
	f.Add(uint64(3), uint64(0), uint64(0), uint64(2), uint64(9), uint64(9), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, bucket, first, events, rolls, token, attempt, usedRecords, usedBytes uint64) {
		r := record{place: place{bucket, first}, gen: generation{5, 5}}
		h := headOf(kindRecord, []byte("x"), events, rolls, token, attempt, usedRecords, usedBytes)
		got, err := openRecord(id, r.place, r.gen, h.encode(r.spot(id)))
		if err != nil {
			return
		}
		if got.gen.before(got.origin) || got.events > journal.MaxAppendEvents || (got.events == 0) != (first == 0) || got.rolls != (rolls == 1) {
			t.Fatalf("%+v was let through", got)
		}
	})
}

func FuzzEntries(f *testing.F) {
	f.Add(encodeEntries([]journal.Entry{{Payload: []byte("a")}, {Note: []byte("b")}, {}}), uint64(3))
	f.Add([]byte{1}, uint64(1))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0}, uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, n uint64) {
		entries, err := decodeEntries(b, n)
		if err != nil {
			return
		}
		again, err := decodeEntries(encodeEntries(entries), n)
		if err != nil || len(again) != len(entries) {
			t.Fatalf("%d entries come back as %d, %v", len(entries), len(again), err)
		}
		for i := range entries {
			if !bytes.Equal(entries[i].Payload, again[i].Payload) || !bytes.Equal(entries[i].Note, again[i].Note) {
				t.Fatalf("entry %d: %+v comes back as %+v", i, entries[i], again[i])
			}
		}
	})
}

func FuzzPruneMark(f *testing.F) {
	id := journal.EntityID{Namespace: "n", Key: "k"}
	f.Add(pruneMark{through: 3, low: anchor{place{1, 2}, generation{3, 4}}}.encode(id))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodePruneMark(id, b); err == nil && !bytes.Equal(m.encode(id), b) {
			t.Fatalf("%x is read as %+v, which is %x", b, m, m.encode(id))
		}
	})
}
