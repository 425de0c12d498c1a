package pebble

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Defaults of Options.
const (
	DefaultReserveBytes  = 512 << 20
	DefaultMemTableBytes = 32 << 20
	DefaultCacheBytes    = 32 << 20
	DefaultLastSeqs      = 64 << 10
	DefaultSpaceCheck    = 100 * time.Millisecond
)

// Options of Open. The zero value is what a proxy should run with.
type Options struct {
	// DangerouslyNoSync acknowledges writes before they are on the disk: a power cut or
	// a crash of the machine loses acknowledged data, a crash of the proxy alone does
	// not. For benchmarks. Claims are always synced.
	DangerouslyNoSync bool

	// ReserveBytes is how much of the file system must stay free; writes that would take
	// more are refused with journal.ErrFull until there is room again, reads go on.
	// Pebble cannot survive a full disk, so the reserve has to hold what it writes in the
	// background. 0: DefaultReserveBytes; negative: no watch.
	ReserveBytes int64
	// SpaceCheck is how long a look at the free space is good for; 0: DefaultSpaceCheck.
	SpaceCheck time.Duration
	// FreeSpace tells how many bytes are free to this process in a directory's file
	// system; nil: asks FS. If it fails, writes are let through and a warning is logged.
	FreeSpace func(dir string) (uint64, error)

	// MustExist refuses a directory in which there is no store, instead of making one.
	MustExist bool

	// MemTableBytes is how much is collected in memory before it becomes a file;
	// 0: DefaultMemTableBytes.
	MemTableBytes uint64
	// CacheBytes is the size of the cache of blocks read; 0: DefaultCacheBytes.
	CacheBytes int64
	// LastSeqs is for how many entities the last sequence number is remembered, so that
	// their appends need no look-up; 0: DefaultLastSeqs.
	LastSeqs int

	// Logger gets what an operator should know; nil: slog.Default().
	Logger *slog.Logger
	// Fatal is called, once, when the store cannot go on: Pebble failed to write its log
	// and no longer knows what is on the disk. It should end the process, so that the next
	// start finds out; nil: logs and exits with FatalExitCode. Should it return, no call
	// succeeds any more: calls fail with journal.ErrUnknownOutcome, or hang on locks that
	// Pebble left held, Close too.
	Fatal func(error)

	// FS is the file system that holds the directory; nil: the operating system's.
	FS vfs.FS
}

// FatalExitCode is the status that a process ends with when its store cannot go on
// (EX_IOERR of sysexits.h).
const FatalExitCode = 74

func (o Options) withDefaults() (Options, error) {
	for _, setting := range []struct {
		name     string
		negative bool
	}{
		{"SpaceCheck", o.SpaceCheck < 0},
		{"CacheBytes", o.CacheBytes < 0},
		{"LastSeqs", o.LastSeqs < 0},
	} {
		if setting.negative {
			return o, fmt.Errorf("embedded store: option %s must not be negative", setting.name)
		}
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = DefaultReserveBytes
	}
	if o.SpaceCheck == 0 {
		o.SpaceCheck = DefaultSpaceCheck
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = DefaultMemTableBytes
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.LastSeqs == 0 {
		o.LastSeqs = DefaultLastSeqs
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.FreeSpace == nil {
		fs := o.FS
		o.FreeSpace = func(dir string) (uint64, error) {
			du, err := fs.GetDiskUsage(dir)
			return du.AvailBytes, err
		}
	}
	if o.Fatal == nil {
		log := o.Logger
		o.Fatal = func(err error) {
			log.Error("the embedded store cannot go on, the process ends; "+
				"what was acknowledged is kept: mend the disk and start again", "error", err)
			os.Exit(FatalExitCode) //nolint:forbidigo // an engine that cannot go on must not return: it would acknowledge
		}
	}
	return o, nil
}
