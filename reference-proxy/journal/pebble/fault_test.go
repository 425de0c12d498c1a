package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

var errDisk = errors.New("the disk is broken")

// breakAfter fails operations on matching files from the n-th on, until mended.
type breakAfter struct {
	match func(errorfs.Op) bool
	left  atomic.Int64
}

func (b *breakAfter) String() string { return "breakAfter" }

func (b *breakAfter) MaybeError(op errorfs.Op) error {
	if b.match(op) && b.left.Add(-1) < 0 {
		return errDisk
	}
	return nil
}

func (b *breakAfter) mend() { b.left.Store(1 << 62) }

func changesLog(op errorfs.Op) bool {
	return strings.HasSuffix(op.Path, ".log") &&
		(op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
}

// brokenLogDir, in the environment, makes the test binary the proxy of TestLogCannotBeWritten: it
// works on the store in that directory, whose log breaks after brokenLogAfter changes.
const (
	brokenLogDir   = "CLOUDSTATE_TEST_BROKEN_LOG_DIR"
	brokenLogAfter = "CLOUDSTATE_TEST_BROKEN_LOG_AFTER"
)

func workOnBrokenLog() {
	n, err := strconv.ParseInt(os.Getenv(brokenLogAfter), 10, 64)
	if err != nil {
		panic(err)
	}
	broken := &breakAfter{match: changesLog}
	broken.left.Store(n)
	s, err := pebble.Open(os.Getenv(brokenLogDir), pebble.Options{FS: errorfs.Wrap(vfs.Default, broken)})
	if err != nil {
		panic(err)
	}
	l := newLoad()
	l.report = os.Stdout
	l.budget = 1 << 30
	l.run(context.Background(), s)
}

// TestLogCannotBeWritten: when the write-ahead log fails, the process ends with a message and a status
// of its own, no write is acknowledged any more, and everything that was is on the disk.
func TestLogCannotBeWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for range 8 {
		dir, n := t.TempDir(), 60+rng.IntN(300)
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), brokenLogDir+"="+dir, fmt.Sprintf("%s=%d", brokenLogAfter, n))
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != pebble.FatalExitCode {
			t.Fatalf("broken at change %d: %v\n%.2000s", n, err, stderr.String())
		}
		for _, say := range []string{"cannot go on", "mend the disk", errDisk.Error()} {
			if !strings.Contains(stderr.String(), say) {
				t.Errorf("the last words lack %q:\n%.2000s", say, stderr.String())
			}
		}
		led := ledger{}
		for line := range strings.Lines(stdout.String()) {
			var s subject
			var n uint64
			if _, err := fmt.Sscan(line, &s.what, &s.worker, &n); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			led[s] = n
		}
		if len(led) == 0 {
			t.Fatalf("broken at change %d, before anything was done", n)
		}
		s := open(t, dir, options(t, nil))
		if err := check(ctx, s, led, led); err != nil {
			t.Errorf("broken at change %d: %v", n, err)
		}
	}
}

// TestTablesCannotBeWritten: a flush that fails is tried again and costs nobody anything.
func TestTablesCannotBeWritten(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var hits atomic.Int64
	broken := &breakAfter{match: func(op errorfs.Op) bool {
		if !strings.HasSuffix(op.Path, ".sst") || op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose {
			return false
		}
		hits.Add(1)
		return true
	}}
	mem := vfs.NewCrashableMem()
	o := options(t, errorfs.Wrap(mem, broken))
	o.MemTableBytes = 64 << 10
	s := open(t, "data", o)
	l := newLoad()
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ctx, s) })
	defer wg.Wait()
	defer cancel()
	for hits.Load() == 0 { // until a flush was tried
		if _, err := l.await(50); err != nil {
			t.Fatal(err)
		}
	}
	broken.mend()
	before, err := l.await(1000)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := comeBack(ctx, t, crashed, rng, before, l.now()); err != nil {
		t.Fatal(err)
	}
}

// TestCreationInterrupted: wherever the power is cut while a store is made, the next attempt
// succeeds.
func TestCreationInterrupted(t *testing.T) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(5, 5))
	mem := vfs.NewCrashableMem()
	var mu sync.Mutex
	var left []*vfs.MemFS
	watch := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			for _, percent := range []int{0, 50, 100} {
				left = append(left, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
			}
		}
		return nil
	})
	if err := open(t, "deep/down/data", options(t, errorfs.Wrap(mem, watch))).Close(); err != nil {
		t.Fatal(err)
	}
	if len(left) < 3*30 {
		t.Fatalf("only %d cuts", len(left))
	}
	for n, fs := range left {
		s, err := pebble.Open("deep/down/data", options(t, fs))
		if err != nil {
			t.Fatalf("after cut %d of %d: %v", n, len(left), err)
		}
		if _, err := s.Verify(ctx); err != nil {
			t.Error(err)
		}
		if _, err := own(ctx, s, 1); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCreationRefused: when the directory or its marker cannot be written, the error says so,
// and nothing keeps the next attempt from succeeding.
func TestCreationRefused(t *testing.T) {
	for n := int64(0); ; n++ {
		fs := vfs.NewMem()
		broken := &breakAfter{match: func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpMkdirAll || op.Kind == errorfs.OpLock ||
				strings.Contains(op.Path, "FORMAT") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose
		}}
		broken.left.Store(n)
		s, err := pebble.Open("deep/down/data", options(t, errorfs.Wrap(fs, broken)))
		if err == nil {
			broken.mend()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if n < 8 {
				t.Fatalf("only %d changes to the file system were refused", n)
			}
			return
		}
		if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "deep/down/data") {
			t.Errorf("refused at change %d: %v", n, err)
		}
		if err := open(t, "deep/down/data", options(t, fs)).Close(); err != nil {
			t.Error(err)
		}
	}
}
