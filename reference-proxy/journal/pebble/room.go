package pebble

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// startRoom is what a start writes beside what is in the log: a manifest, a new log.
const startRoom = 8 << 20

// checkRoom refuses to open a store that could not be opened, or not for long: a start moves the
// log into files, and Pebble would try to without end.
func (s *Store) checkRoom(o Options) error {
	free, err := o.FreeSpace(s.dir.path)
	if err != nil {
		return nil //nolint:nilerr // a file system that does not tell is not watched
	}
	names, err := o.FS.List(s.dir.engine())
	if err != nil {
		return s.openTrouble(err)
	}
	need := uint64(startRoom)
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		info, err := o.FS.Stat(o.FS.PathJoin(s.dir.engine(), name))
		if err != nil {
			return s.openTrouble(err)
		}
		need += uint64(max(info.Size(), 0))
	}
	if free < need {
		return fmt.Errorf("%w: embedded store at %s: a start takes %d bytes, %d are free; free some space and start again",
			journal.ErrFull, s.dir.path, need, free)
	}
	return nil
}

// Pauses between tries to write a table when there was no room for the last one: Pebble makes none.
const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
)

// patientFS is the file system in which a table is begun only some time after one did not
// fit: the processor and the log are for others. A log that cannot be written is no matter of
// patience, and is left alone.
type patientFS struct {
	vfs.FS
	fullness *fullness
}

// fullness is what is known of tables that did not fit.
type fullness struct {
	pause atomic.Int64 // before the next table, in nanoseconds; 0: the last one fitted
}

func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// Create implements vfs.FS.
func (fs patientFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !isTable(name) {
		return fs.FS.Create(name, category)
	}
	time.Sleep(time.Duration(fs.fullness.pause.Load())) //nolint:forbidigo // it waits for nothing: it is a pause
	f, err := fs.FS.Create(name, category)
	if err != nil {
		fs.fullness.note(err)
		return nil, err
	}
	return &patientFile{f, fs.fullness}, nil
}

// Unwrap implements vfs.FS.
func (fs patientFS) Unwrap() vfs.FS { return fs.FS }

// note takes how an operation on a table ended.
func (f *fullness) note(err error) {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		pause := time.Duration(f.pause.Load())
		f.pause.Store(int64(min(max(2*pause, shortestPause), longestPause)))
	}
}

type patientFile struct {
	vfs.File
	fullness *fullness
}

// Write implements vfs.File.
func (f *patientFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.fullness.note(err)
	return n, err
}

// Sync implements vfs.File. A table that is synced fitted.
func (f *patientFile) Sync() error {
	err := f.File.Sync()
	f.fullness.note(err)
	if err == nil {
		f.fullness.pause.Store(0)
	}
	return err
}
