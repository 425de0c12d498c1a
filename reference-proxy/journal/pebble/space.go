package pebble

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// amplification is how often a byte is taken to be written before the space it needs
// is settled: to the log, to a first file, and to a compacted one while the first still
// exists.
const amplification = 3

// claimShare is the part of the reserve that claims and deletes may use, so that a
// node on a full disk can still take over, serve reads and make room.
const claimShare = 4

// space watches the free space of the store's file system. A look at it is good
// for some time and for the bytes that it found free above the reserve, whichever
// is used up first; so the common write costs one atomic subtraction.
type space struct {
	dir     string
	reserve uint64
	every   time.Duration
	free    func(dir string) (uint64, error)
	log     *slog.Logger

	start  time.Time
	expiry atomic.Int64 // since start, of the last look
	credit atomic.Int64 // bytes that may be written until the next look

	mu    sync.Mutex // one look at a time
	full  bool       // as last logged
	blind bool       // as last logged: free failed
}

// newSpace returns nil, a watch that admits everything, if there is no reserve.
func newSpace(dir string, o Options) *space {
	if o.ReserveBytes < 0 {
		return nil
	}
	return &space{
		dir: dir, reserve: uint64(o.ReserveBytes), every: o.SpaceCheck,
		free: o.FreeSpace, log: o.Logger, start: time.Now(),
	}
}

// admit refuses a write of size bytes if it would touch the reserve.
func (s *space) admit(size int) error {
	if s == nil {
		return nil
	}
	need := int64(size) * amplification
	if s.credit.Add(-need) >= 0 && int64(time.Since(s.start)) < s.expiry.Load() {
		return nil
	}
	return s.look(uint64(need), s.reserve)
}

// admitUrgent refuses only when most of the reserve is gone too.
func (s *space) admitUrgent() error {
	if s == nil {
		return nil
	}
	return s.look(0, s.reserve/claimShare)
}

// look asks for the free space and says whether need bytes fit above reserve.
func (s *space) look(need, reserve uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	free, err := s.free(s.dir)
	if err != nil {
		if !s.blind && !errors.Is(err, vfs.ErrUnsupported) {
			s.log.Warn("free space of the embedded store is unknown, writes go on unwatched", "dir", s.dir, "error", err)
		}
		s.blind = true
		s.credit.Store(int64(s.reserve))
		s.expiry.Store(int64(time.Since(s.start) + s.every))
		return nil
	}
	s.blind = false
	full := free < s.reserve
	if full != s.full {
		s.full = full
		if full {
			s.log.Error("too little free space for the embedded store, writes are refused; free some", "dir", s.dir, "free", free, "reserve", s.reserve)
		} else {
			s.log.Info("the embedded store has room again", "dir", s.dir, "free", free)
		}
	}
	// Compared by subtraction: a file system may be as large as a uint64 counts.
	if free < reserve || free-reserve < need {
		s.credit.Store(-1)
		return &journal.FullError{Path: s.dir, Free: free, Reserve: reserve + need}
	}
	if free > s.reserve {
		s.credit.Store(int64(min(free-s.reserve-min(need, free-s.reserve), 1<<62)))
	}
	s.expiry.Store(int64(time.Since(s.start) + s.every))
	return nil
}
