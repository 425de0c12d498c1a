package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// damaged is what the tests of this file do to one file.
type damaged struct {
	what string
	do   func(data []byte) (left []byte, keep bool)
}

// errAtOpen marks damage that was met when the store was opened.
var errAtOpen = errors.New("opening")

// TestDamagedFiles: whatever happens to one file of a store that was closed in good order,
// nobody is given wrong data or data with a hole, and the message says what is wrong. Where
// the damage is met is not laid down: at Open, which then leaves every byte as it was, or on reading.
func TestDamagedFiles(t *testing.T) {
	ctx := context.Background()
	whole := vfs.NewMem()
	o := options(t, whole)
	s, err := pebble.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := own(ctx, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	const entities, events = 5, 40
	for e := range entities {
		for n := range uint64(events) {
			if err := s.Append(ctx, f, workerID(e), n, entriesOf(eventText(e, n+1))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	whatIsRead := func(fs vfs.FS) error {
		o := options(t, fs)
		s, err := pebble.Open("data", o)
		if err != nil {
			return fmt.Errorf("%w: %w", errAtOpen, err)
		}
		defer s.Close()
		next, err := own(ctx, s, 1)
		if err != nil {
			return err
		}
		if next.Token <= f.Token {
			t.Errorf("token %d after %d", next.Token, f.Token)
		}
		for e := range entities {
			recs, _, err := s.Read(ctx, workerID(e), 0, journal.Chunk{})
			if err != nil {
				return err
			}
			if len(recs) != events {
				t.Errorf("entity %d: %d events of %d, and no error", e, len(recs), events)
			}
			for i, r := range recs {
				if string(r.Payload) != eventText(e, uint64(i)+1) {
					t.Errorf("entity %d: event %d is %.20q", e, r.Seq, r.Payload)
				}
			}
		}
		if _, err := s.Verify(ctx); err != nil {
			return fmt.Errorf("only Verify: %w", err)
		}
		return nil
	}
	if err := whatIsRead(copied(t, whole)); err != nil {
		t.Fatalf("undamaged: %v", err)
	}

	ways := []damaged{
		{"gone", func([]byte) ([]byte, bool) { return nil, false }},
		{"emptied", func([]byte) ([]byte, bool) { return nil, true }},
		{"halved", func(d []byte) ([]byte, bool) { return d[:len(d)/2], true }},
		{"zeroed", func(d []byte) ([]byte, bool) { return make([]byte, len(d)), true }},
	}
	for _, at := range []float64{0, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.999} {
		ways = append(ways, damaged{fmt.Sprintf("flipped at %.0f%%", at*100), func(d []byte) ([]byte, bool) {
			if len(d) > 0 {
				d[int(at*float64(len(d)))] ^= 0x55
			}
			return d, true
		}})
	}
	noticed := 0
	for _, path := range files(t, whole, "data") {
		if strings.HasSuffix(path, "LOCK") {
			continue
		}
		for _, way := range ways {
			fs := copied(t, whole)
			data, keep := way.do(read(t, fs, path))
			if err := fs.Remove(path); err != nil {
				t.Fatal(err)
			}
			if keep {
				put(t, fs, path, data)
			}
			before := contentsIn(t, fs)
			t.Run(path+" "+way.what, func(t *testing.T) {
				err := whatIsRead(fs)
				if err == nil {
					return // the file, or this place in it, held nothing that is needed
				}
				noticed++
				if errors.Is(err, errAtOpen) {
					requireSame(t, before, contentsIn(t, fs))
				}
				if !errors.Is(err, journal.ErrCorrupt) && !errors.Is(err, journal.ErrFormat) {
					t.Errorf("damage that is not called damage: %v", err)
				}
				if !strings.Contains(err.Error(), "data") {
					t.Errorf("the message does not say where: %v", err)
				}
			})
		}
	}
	if noticed < 20 {
		t.Errorf("only %d damages were noticed", noticed)
	}
}

func copied(t *testing.T, from vfs.FS) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	if _, err := vfs.Clone(from, to, "data", "data"); err != nil {
		t.Fatal(err)
	}
	return to
}

// files lists every file below dir.
func files(t *testing.T, fs vfs.FS, dir string) []string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			paths = append(paths, files(t, fs, path)...)
		} else {
			paths = append(paths, path)
		}
	}
	return paths
}

// contentsIn is what every file below data holds, by its path.
func contentsIn(t *testing.T, fs vfs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range files(t, fs, "data") {
		all[path] = string(read(t, fs, path))
	}
	return all
}

// requireSame requires that no file came, went or changed.
func requireSame(t *testing.T, before, after map[string]string) {
	t.Helper()
	for path, text := range before {
		if now, left := after[path]; !left || now != text {
			t.Errorf("%s was changed; left: %v", path, left)
		}
	}
	for path := range after {
		if _, known := before[path]; !known {
			t.Errorf("%s is new", path)
		}
	}
}

func read(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t *testing.T, fs vfs.FS, path string, data []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// logBlock is the size of the blocks that Pebble's log is made of.
const logBlock = 32 << 10

// TestDamagedLog: damage inside the log that a crash left is not taken for its torn end, up
// to where nothing can tell (see the package's documentation).
func TestDamagedLog(t *testing.T) {
	ctx := context.Background()
	mem := vfs.NewCrashableMem()
	s := open(t, "data", options(t, mem))
	f, err := own(ctx, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(600) {
		if err := s.Append(ctx, f, workerID(0), n, entriesOf(eventText(0, n+1))); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []float64{0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7} {
		fs := mem.CrashClone(vfs.CrashCloneCfg{})
		hurt := 0
		for _, path := range files(t, fs, "data") {
			if !strings.HasSuffix(path, ".log") {
				continue
			}
			if data := read(t, fs, path); len(data) > logBlock { // others are spent
				if last := float64(len(data)/logBlock*logBlock) / float64(len(data)); at >= last {
					t.Fatalf("%.0f%% of %d bytes is within the last block", at*100, len(data))
				}
				data[int(at*float64(len(data)))] ^= 0x55
				put(t, fs, path, data)
				hurt++
			}
		}
		if hurt != 1 {
			t.Fatalf("%d logs", hurt)
		}
		before := contentsIn(t, fs)
		again, err := pebble.Open("data", options(t, fs))
		if err != nil {
			requireSame(t, before, contentsIn(t, fs))
		}
		if err == nil {
			recs, _, rerr := again.Read(ctx, workerID(0), 0, journal.Chunk{})
			_ = again.Close()
			t.Errorf("damaged at %.0f%%, the store opens with %d events of 600, %v", at*100, len(recs), rerr)
		} else if !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("damaged at %.0f%%: %v", at*100, err)
		}
	}
}
