package trace

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// DefaultLimit is how many messages a recorder keeps unless told otherwise.
	DefaultLimit = 1000
	// maxKept bounds the bytes that one recorded message may hold; of larger ones only the beginning is kept, undecoded.
	maxKept = 64 << 10
)

// Recorder keeps the newest messages that it is given, in order. All methods are safe for concurrent use. A nil *Recorder
// records nothing, so that a component need not ask whether it has one.
type Recorder struct {
	limit   int
	now     func() time.Time
	streams atomic.Uint64

	mu     sync.Mutex
	follow func(Message)
	ring   []Message // at most limit; the oldest is at next once the ring is full
	next   int
	seq    uint64
}

// NewRecorder returns a recorder that keeps the newest limit messages; a limit below 1 means [DefaultLimit].
func NewRecorder(limit int) *Recorder {
	if limit < 1 {
		limit = DefaultLimit
	}
	return &Recorder{limit: limit, now: time.Now}
}

// NewStream returns an id that no other call of this recorder has.
func (r *Recorder) NewStream() StreamID {
	if r == nil {
		return 0
	}
	return StreamID(r.streams.Add(1))
}

// Record keeps m, giving it the next number and, if it has none, the time. The oldest message goes when there is no more room.
// The payload is kept by reference, so nobody may modify it afterwards.
func (r *Recorder) Record(m Message) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	m.Seq = r.seq
	if m.Time.IsZero() {
		m.Time = r.now()
	}
	if r.follow != nil {
		r.follow(m)
	}
	if m.Size > maxKept {
		m.Payload = nil
	}
	if len(m.Raw) > maxKept {
		m.Raw = append([]byte(nil), m.Raw[:maxKept]...)
	}
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, m)
		return
	}
	r.ring[r.next] = m
	r.next = (r.next + 1) % r.limit
}

// Follow has f called with each message as it is recorded, whole, however large, in order and one at a time. f must be quick and must not use the
// recorder. Call it before anything is recorded; nil ends it.
func (r *Recorder) Follow(f func(Message)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.follow = f
}

// Show prints each message on w as it is recorded, until end is called: after that nothing is written any more. What Follow says holds.
func (r *Recorder) Show(w io.Writer) (end func()) {
	r.Follow(func(m Message) { fmt.Fprintln(w, m) })
	return func() { r.Follow(nil) }
}

// Messages returns a copy of what is kept, oldest first.
func (r *Recorder) Messages() []Message {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Message, 0, len(r.ring))
	out = append(out, r.ring[r.next:]...)
	return append(out, r.ring[:r.next]...)
}

// Reset forgets all messages. Numbers and stream ids go on, so that nothing recorded later is mistaken for something older.
func (r *Recorder) Reset() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring, r.next = nil, 0
}

// String renders what is kept, one message a line.
func (r *Recorder) String() string {
	var b strings.Builder
	for _, m := range r.Messages() {
		b.WriteString(m.String())
		b.WriteByte('\n')
	}
	return b.String()
}
