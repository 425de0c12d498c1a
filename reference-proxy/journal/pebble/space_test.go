package pebble_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

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
	d.free.Store(2_000_000)
	o := options(t, vfs.NewMem())
	o.FreeSpace, o.ReserveBytes, o.SpaceCheck = d.freeSpace, 1_000_000, time.Hour
	s := open(t, "data", o)
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
