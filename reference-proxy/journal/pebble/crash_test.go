package pebble_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// cuts is the length of TestPowerLoss; a full run takes some thousand.
var cuts = flag.Int("power-cuts", 40, "power cuts in TestPowerLoss")

// powerCuts runs a load on a store and cuts the power many times at random points: each
// cut is a copy of the file system as a crash could leave it, in which the store must
// open and hold everything that was acknowledged by then. It returns what was wrong
// after the first bad cut.
func powerCuts(t *testing.T, cuts int, configure func(*pebble.Options)) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	rng := rand.New(rand.NewPCG(3, 20))
	mem := vfs.NewCrashableMem()
	o := options(t, mem)
	o.MemTableBytes = 64 << 10 // flushes and compactions all the time
	configure(&o)
	s := open(t, "data", o)
	l := newLoad()
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ctx, s) })
	defer wg.Wait()
	defer cancel()

	for cut := range cuts {
		before, err := l.await(1 + rng.IntN(200))
		if err != nil {
			return fmt.Errorf("under load: %w", err)
		}
		unsynced := []int{0, 0, 30, 70, 100}[rng.IntN(5)]
		crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng})
		after := l.now()
		if err = comeBack(ctx, t, crashed, rng, before, after); err != nil {
			return fmt.Errorf("cut %d, %d%% of unsynced data kept: %w", cut, unsynced, err)
		}
	}
	return nil
}

// comeBack opens what a crash left, checks it, and crashes it again on the spot: what
// recovery found must stay.
func comeBack(ctx context.Context, t *testing.T, crashed *vfs.MemFS, rng *rand.Rand, before, after ledger) error {
	t.Helper()
	for range 2 {
		s, err := pebble.Open("data", options(t, crashed))
		if err != nil {
			return err
		}
		err = check(ctx, s, before, after)
		crashed = crashed.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(2) * 50, RNG: rng})
		if cerr := s.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestPowerLoss: acknowledged means durable.
func TestPowerLoss(t *testing.T) {
	if err := powerCuts(t, *cuts, func(*pebble.Options) {}); err != nil {
		t.Fatal(err)
	}
}

// TestClaimIsDurable: a token that was handed out is never handed out again, whatever the store
// promises for data. Under a load other writes' fsyncs would hide a claim without its own.
func TestClaimIsDurable(t *testing.T) {
	ctx := context.Background()
	for _, noSync := range []bool{false, true} {
		mem := vfs.NewCrashableMem()
		last := journal.Fence{}
		for range 5 {
			o := options(t, mem)
			o.DangerouslyNoSync = noSync
			f, err := own(ctx, open(t, "data", o), 3)
			if err != nil {
				t.Fatal(err)
			}
			if f.Token <= last.Token {
				t.Fatalf("without fsync %v: token %d after %d", noSync, f.Token, last.Token)
			}
			last = f
			mem = mem.CrashClone(vfs.CrashCloneCfg{})
		}
	}
}

// TestPowerLossBites: the same cuts find out a store that does not wait for the disk, so
// a TestPowerLoss that passes means something.
func TestPowerLossBites(t *testing.T) {
	err := powerCuts(t, 60, func(o *pebble.Options) { o.DangerouslyNoSync = true })
	if err == nil {
		t.Fatal("a store without fsync lost nothing in 60 power cuts")
	}
	t.Logf("found out: %v", err)
}
