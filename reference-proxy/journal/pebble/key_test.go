package pebble

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// FuzzParseKey: what parseKey accepts is what the encoders make of it, so that no two
// keys mean the same.
func FuzzParseKey(f *testing.F) {
	id := journal.EntityID{Namespace: "shopping-cart", Key: "a\x00b"}
	for _, key := range [][]byte{nil, {0}, fenceKey(7), entityKey(kindValue, id), entityKey(kindSnapshot, id), eventKey(id, 1), notedKey(id, 1), append(eventKey(id, 1), 2), entityKey(kindPruned, id), eventKey(journal.EntityID{}, 0), []byte("ea\x00\x02"), []byte("e\x00")} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		loc, err := parseKey(key)
		if err != nil {
			return
		}
		var again []byte
		switch loc.kind {
		case kindEvent:
			again = eventKey(loc.id, loc.seq)
			if loc.note {
				again = notedKey(loc.id, loc.seq)
			}
		case kindFence:
			again = fenceKey(loc.shard)
		default:
			again = entityKey(loc.kind, loc.id)
		}
		if !bytes.Equal(again, key) {
			t.Fatalf("%x was read as %+v, which is written as %x", key, loc, again)
		}
	})
}

// FuzzKeyOrder: keys sort as namespace, key and sequence number do, come back as what
// they were made from, and stay in their entity's range.
func FuzzKeyOrder(f *testing.F) {
	f.Add("", "", uint64(0), "", "\x00", uint64(1))
	f.Add("a", "b", uint64(255), "a", "b", uint64(256))
	f.Add("a\x00", "b", uint64(1), "a", "\x00b", uint64(1))
	f.Add("a", "\x00\x01", uint64(1), "a\x00\x01", "", uint64(1))
	f.Add("\xff", "\xff", uint64(1)<<63, "\xff\xff", "", uint64(1))
	f.Fuzz(func(t *testing.T, ns1, key1 string, seq1 uint64, ns2, key2 string, seq2 uint64) {
		id1, id2 := journal.EntityID{Namespace: ns1, Key: key1}, journal.EntityID{Namespace: ns2, Key: key2}
		k1, k2 := eventKey(id1, seq1), eventKey(id2, seq2)
		want := cmp.Or(strings.Compare(ns1, ns2), strings.Compare(key1, key2), cmp.Compare(seq1, seq2))
		if got := bytes.Compare(k1, k2); got != want {
			t.Fatalf("%x and %x compare as %d, want %d", k1, k2, got, want)
		}
		if loc, err := parseKey(k1); err != nil || loc != (location{kind: kindEvent, id: id1, seq: seq1}) {
			t.Fatalf("%x was read as %+v, %v", k1, loc, err)
		}
		for key, note := range map[string]bool{string(k1): false, string(notedKey(id1, seq1)): true} {
			if seq, n, err := eventSeq([]byte(key), entityKey(kindEvent, id1)); err != nil || seq != seq1 || n != note {
				t.Fatalf("%x was read as event %d, noted %v, %v", key, seq, n, err)
			}
			if got := bytes.Compare([]byte(key), k2); want != 0 && got != want {
				t.Fatalf("%x and %x compare as %d, want %d", key, k2, got, want)
			}
		}
		inside := bytes.Compare(k2, entityKey(kindEvent, id1)) >= 0 && bytes.Compare(k2, entityEnd(kindEvent, id1)) < 0
		if inside != (id1 == id2) {
			t.Fatalf("event of %v is in the range of %v: %v", id2, id1, inside)
		}
	})
}

// FuzzOpenRow: a row opens only if it was made for its key, and then gives its body.
func FuzzOpenRow(f *testing.F) {
	key := eventKey(journal.EntityID{Namespace: "n", Key: "k"}, 3)
	for _, body := range []string{"", "body", "12345678", "\x00\x00\x00\x00\x00\x00\x00\x01payload"} {
		row := make([]byte, rowSize([]byte(body)))
		putRow(row, key, []byte(body))
		f.Add(key, row)
	}
	f.Add([]byte{}, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, key, row []byte) {
		body, err := openRow(key, row)
		number, payload, nerr := openNumbered(key, row)
		if err != nil {
			if nerr == nil {
				t.Fatalf("a damaged row (%v) has number %d", err, number)
			}
			// Mended, it must open.
			if len(row) >= sumBytes {
				again := make([]byte, len(row))
				putRow(again, key, row[sumBytes:])
				if got, err := openRow(key, again); err != nil || !bytes.Equal(got, row[sumBytes:]) {
					t.Fatalf("a row just made: %q, %v", got, err)
				}
			}
			return
		}
		again := make([]byte, rowSize(body))
		putRow(again, key, body)
		if !bytes.Equal(again, row) {
			t.Fatalf("%x opens as %x, which is written as %x", row, body, again)
		}
		if nerr == nil {
			putRow(again, key, numberOf(number), payload)
			if !bytes.Equal(again, row) {
				t.Fatalf("%x opens as %d %x, which is written as %x", row, number, payload, again)
			}
		}
		if _, err := openRow(append(bytes.Clone(key), 1), row); err == nil {
			t.Fatal("the row opens under another key")
		}
	})
}

// FuzzParseMarker: what is accepted is understood.
func FuzzParseMarker(f *testing.F) {
	f.Add(marker{version: 1}.String())
	f.Add(marker{version: 1, ready: true}.String())
	f.Add("cloudstate-journal 3 whatever comes")
	f.Add(marker{version: formatVersion, ready: true}.String())
	f.Add("")
	f.Add("cloudstate-journal -1 ready")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMarker(text)
		if err != nil {
			return
		}
		if m.version < 1 || m.version > formatVersion {
			t.Fatalf("%q was accepted as version %d", text, m.version)
		}
		if again, err := parseMarker(m.String()); err != nil || again != m {
			t.Fatalf("%q was read as %+v, which is read as %+v, %v", text, m, again, err)
		}
	})
}

// FuzzCutNote: a body with a note gives back what it was made of, and what else is
// accepted is what would be made of it.
func FuzzCutNote(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte{1, 'n', 'p'})
	f.Add([]byte{0x81, 0x00, 'n'})
	f.Add([]byte{5, 'n'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 0 {
			e := journal.Entry{Note: body, Payload: body[1:]}
			parts := notedBody(e)
			got, err := cutNote(slices.Concat(parts[:]...))
			if err != nil || !bytes.Equal(got.Note, e.Note) || !bytes.Equal(got.Payload, e.Payload) {
				t.Fatalf("%q came back as %q, %v", e, got, err)
			}
		}
		e, err := cutNote(body)
		if err != nil {
			return
		}
		if len(e.Note) == 0 || len(e.Note)+len(e.Payload) >= len(body) {
			t.Fatalf("%x was read as %q", body, e)
		}
	})
}
