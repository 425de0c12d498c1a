package entity

import "crypto/sha256"

// Index finds the events of an entity with which a keyed command is remembered, among the
// last window of them. It holds at most that many entries of about 60 bytes. The zero
// value is not usable. It is not safe for concurrent use.
type Index struct {
	window uint64
	read   uint64 // every event of the window up to this one is known
	seqs   map[short]uint64
	order  []entry // by ascending sequence number
}

// short stands for a key. Two keys with the same one are told apart by the note.
type short [16]byte

type entry struct {
	key short
	seq uint64
}

func shorten(key string) short {
	sum := sha256.Sum256([]byte(key))
	return short(sum[:])
}

// NewIndex makes an index that knows nothing yet.
func NewIndex(window int) *Index {
	return &Index{window: uint64(window), seqs: map[short]uint64{}}
}

// Unread says where to read on: the events after the one returned, up to position, are to be given to Read.
func (x *Index) Unread(position uint64) (after uint64) {
	x.read = max(x.read, position-min(position, x.window))
	return x.read
}

// Read takes the next event, which follows those it knows; remembered is what its note holds.
func (x *Index) Read(seq uint64, remembered ...Remembered) {
	x.read = seq
	for i := range remembered {
		k := shorten(remembered[i].Key)
		x.seqs[k] = seq
		x.order = append(x.order, entry{k, seq})
	}
	x.forget(seq)
}

// Wrote takes the events after position from up to position to, the last of which
// remembers r, if not nil.
func (x *Index) Wrote(from, to uint64, r *Remembered) {
	if x.read != from {
		return // they are read with those before them
	}
	if r != nil {
		x.Read(to, *r)
		return
	}
	x.Read(to)
}

// forget lets go of what the window left behind when it came to position.
func (x *Index) forget(position uint64) {
	for len(x.order) > 0 && x.order[0].seq+x.window <= position {
		if e := x.order[0]; x.seqs[e.key] == e.seq {
			delete(x.seqs, e.key)
		}
		x.order = x.order[1:]
	}
}

// Find returns the sequence number of the newest event of the window that may remember key.
func (x *Index) Find(key string) (seq uint64, found bool) {
	seq, found = x.seqs[shorten(key)]
	return seq, found
}

// Bounds of what a value remembers: a write of the value writes all of it again.
const (
	// MaxRecent is how many keyed commands a value remembers.
	MaxRecent = 32
	// MaxRecentBytes bounds the answers that it keeps of them, and has room for as many short ones: of the others the oldest go
	// first. The keys stay.
	MaxRecentBytes = MaxRecent * shortAnswer
	// shortAnswer is the length of the longest answer that is never forgotten: the 1 KiB of IDEM-10 and what surrounds it.
	shortAnswer = 1<<10 + 256
)

// Recall returns what note, that of a value, remembers of key; nil if nothing.
func Recall(note []byte, key string) (*Remembered, error) {
	all, err := DecodeNote(note)
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Key == key {
			return &all[i], nil
		}
	}
	return nil, nil
}

// NextNote is the note of the value that follows one with the given note: what that
// remembers, as far as the bounds admit, and r, if not nil. version is that of the new value;
// what is window or more versions older is forgotten. A note that cannot be read is kept as
// it is, for a program that can, and then nothing can be added to it.
func NextNote(note []byte, r *Remembered, version uint64, window int) ([]byte, error) {
	all, err := DecodeNote(note)
	if err != nil {
		if r == nil {
			return note, nil
		}
		return nil, err
	}
	for len(all) > 0 && all[0].Version+uint64(window) <= version {
		all = all[1:]
	}
	if r != nil {
		fresh := *r
		fresh.Version = version
		all = append(all, fresh)
	}
	if len(all) > MaxRecent {
		all = all[len(all)-MaxRecent:]
	}
	size := 0
	for i := range all {
		if n := len(all[i].answer); n <= shortAnswer {
			size += n
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		n := len(all[i].answer)
		if n <= shortAnswer {
			continue
		}
		if size += n; size > MaxRecentBytes {
			size -= n
			all[i].strip()
		}
	}
	return EncodeNote(all...), nil
}
