package pebble_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

var cart = journal.EntityID{Namespace: "cart", Key: "1"}

// disk is a file system with as much room as a test wants.
type disk struct {
	free  atomic.Uint64
	err   atomic.Pointer[error]
	looks atomic.Int64
}

func (d *disk) freeSpace(string) (uint64, error) {
	d.looks.Add(1)
	if p := d.err.Load(); p != nil {
		return 0, *p
	}
	return d.free.Load(), nil
}

func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	d := &disk{}
	d.free.Store(10_000_000)
	o := options(t, vfs.NewMem())
	o.FreeSpace, o.ReserveBytes, o.SpaceCheck = d.freeSpace, 1_000_000, time.Nanosecond
	s := open(t, "data", o)
	f, err := own(ctx, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Append(ctx, f, cart, 0, entriesOf("one")))
	_, err = s.PutValue(ctx, f, cart, 0, journal.Entry{Payload: []byte("v")})
	must(err)

	full := func(err error) {
		t.Helper()
		if !errors.Is(err, journal.ErrFull) || !journal.NotWritten(err) {
			t.Fatalf("write to a full disk: %v", err)
		}
		var detail *journal.FullError
		if !errors.As(err, &detail) || detail.Path != "data" || detail.Free != d.free.Load() || detail.Reserve <= detail.Free {
			t.Fatalf("the detail is %+v", detail)
		}
	}
	d.free.Store(1_000_100) // above the reserve, but not by what a write may come to
	for range 3 {
		full(s.Append(ctx, f, cart, 1, entriesOf("two")))
		full(s.SaveSnapshot(ctx, f, cart, journal.Snapshot{Seq: 1}))
		_, err = s.PutValue(ctx, f, cart, 1, journal.Entry{Payload: []byte("w")})
		full(err)
	}
	// A wrong expectation is told as such, and adoption writes nothing.
	if err := s.Append(ctx, f, cart, 9, entriesOf("x")); !errors.Is(err, journal.ErrConflict) {
		t.Fatal(err)
	}
	must(s.Adopt(ctx, f, cart, 1))
	recs, _, err := s.Read(ctx, cart, 0, journal.Chunk{})
	if err != nil || len(recs) != 1 {
		t.Fatalf("read on a full disk: %d events, %v", len(recs), err)
	}

	d.free.Store(300_000) // ownership and deletes may use most of the reserve
	f, err = own(ctx, s, 1)
	must(err)
	must(s.DeleteValue(ctx, f, cart, 1))
	d.free.Store(200_000)
	_, err = s.Claim(ctx, 1, f.Token, f.Holder)
	full(err)
	full(s.Release(ctx, f))
	must(s.RenewLease(ctx, f.Holder, 1)) // leases take no room

	d.free.Store(5_000_000)
	must(s.Append(ctx, f, cart, 1, entriesOf("two")))
}

// TestSpaceIsLookedAtSeldom: a look is good for its time and for the room that it found, no more.
func TestSpaceIsLookedAtSeldom(t *testing.T) {
	ctx := context.Background()
	d := &disk{}
	d.free.Store(1 << 30)
	o := options(t, vfs.NewMem())
	o.FreeSpace, o.ReserveBytes, o.SpaceCheck = d.freeSpace, 1_000_000, time.Hour
	s := open(t, "data", o)
	d.free.Store(2_000_000)
	f, err := own(ctx, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	looks := d.looks.Load()
	d.free.Store(0) // nobody looks, yet
	last := uint64(0)
	for err == nil && last < 1000 {
		if err = s.Append(ctx, f, cart, last, []journal.Entry{{Payload: make([]byte, 1000)}}); err == nil {
			last++
		}
	}
	if !errors.Is(err, journal.ErrFull) {
		t.Fatalf("after %d events of 1 kB with room for 1 MB: %v", last, err)
	}
	if last < 100 {
		t.Fatalf("refused after %d events of 1 kB with room for 1 MB", last)
	}
	if n := d.looks.Load() - looks; n != 1 {
		t.Fatalf("looked %d times", n)
	}
}

// TestSpaceUnknown: without knowledge nobody is refused.
func TestSpaceUnknown(t *testing.T) {
	ctx := context.Background()
	d := &disk{}
	broken := errors.New("statfs failed")
	d.err.Store(&broken)
	for name, set := range map[string]func(*pebble.Options){
		"failing":   func(o *pebble.Options) { o.FreeSpace = d.freeSpace },
		"off":       func(o *pebble.Options) { o.ReserveBytes = -1 },
		"no statfs": func(*pebble.Options) {}, // vfs.MemFS has none
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, vfs.NewMem())
			set(&o)
			s := open(t, "data", o)
			f, err := own(ctx, s, 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Append(ctx, f, cart, 0, entriesOf("one")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestStartWithoutRoom: a start that would not fit is refused, in words, and leaves everything as it is.
func TestStartWithoutRoom(t *testing.T) {
	ctx := context.Background()
	d := &disk{}
	d.free.Store(1 << 40)
	fs := vfs.NewCrashableMem()
	o := options(t, fs)
	o.FreeSpace = d.freeSpace
	s := open(t, "data", o)
	f, err := own(ctx, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	if err := s.Append(ctx, f, cart, 0, []journal.Entry{{Payload: make([]byte, size)}}); err != nil {
		t.Fatal(err)
	}
	o.FS = fs.CrashClone(vfs.CrashCloneCfg{}) // not closed in order: the event is in the log alone
	d.free.Store(8<<20 + size - 1)
	for range 3 {
		_, err := pebble.Open("data", o)
		if !errors.Is(err, journal.ErrFull) || !strings.Contains(err.Error(), "free some space and start again") {
			t.Fatalf("started without room: %v", err)
		}
	}
	d.free.Store(16 << 20)
	recs, _, err := open(t, "data", o).Read(ctx, cart, 0, journal.Chunk{})
	if err != nil || len(recs) != 1 {
		t.Fatalf("%d events, %v", len(recs), err)
	}
}

// diary keeps what is logged.
type diary struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// TestTablesDoNotFit: what cannot be moved into files for want of room is tried again, but not all the time, and the
// log does not fill with it.
func TestTablesDoNotFit(t *testing.T) {
	ctx := context.Background()
	var tries atomic.Int64
	var room atomic.Bool
	noRoom := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if room.Load() || !strings.HasSuffix(op.Path, ".sst") || op.Kind != errorfs.OpFileWrite {
			return nil
		}
		tries.Add(1)
		return syscall.ENOSPC
	})
	told := &diary{}
	o := options(t, errorfs.Wrap(vfs.NewMem(), noRoom))
	o.MemTableBytes = 64 << 10
	o.Logger = slog.New(slog.NewTextHandler(told, nil))
	s := open(t, "data", o)
	f, err := own(ctx, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	write := func() {
		t.Helper()
		if err := s.Append(ctx, f, cart, last, []journal.Entry{{Payload: make([]byte, 16<<10)}}); err != nil {
			t.Fatal(err)
		}
		last++
	}
	// Before the first try, which comes when it likes.
	began := time.Now()
	for range 5 { // more than one memtable, less than two
		write()
	}
	for tries.Load() < 6 { // 50 ms, 100, 200, 400, 800
		if time.Since(began) > time.Minute {
			t.Fatalf("%d tries in a minute", tries.Load())
		}
		runtime.Gosched()
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("%d tries in %v", tries.Load(), took)
	}
	room.Store(true)
	for range 40 { // waits for the flush, which now fits
		write()
	}
	if n := strings.Count(told.String(), "goes on trying"); n != 1 {
		t.Errorf("it was told %d times:\n%s", n, told.String())
	}
	recs, _, err := s.Read(ctx, cart, 0, journal.Chunk{Bytes: 1 << 30})
	if err != nil || uint64(len(recs)) != last {
		t.Fatalf("%d events of %d, %v", len(recs), last, err)
	}
}
