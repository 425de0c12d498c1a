package journaltest

import (
	"context"
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Option changes what Run asks of a store.
type Option func(*suite)

// Reopen says that the store keeps what it holds: reopen closes a store and opens it
// again with the same content.
func Reopen(reopen func(t *testing.T, s journal.Store) journal.Store) Option {
	return func(su *suite) { su.reopen = reopen }
}

// suite is one store's run.
type suite struct {
	open   func(t *testing.T) journal.Store
	reopen func(t *testing.T, s journal.Store) journal.Store
}

// patience bounds every test; it is reached only by a store that hangs.
const patience = 2 * time.Minute

// Run runs the whole suite as subtests of t. open returns an empty store; the suite
// closes it.
func Run(t *testing.T, open func(t *testing.T) journal.Store, options ...Option) {
	fixSeed(t)
	su := &suite{open: open}
	for _, o := range options {
		o(su)
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Append", su.testAppend},
		{"Read in chunks", su.testChunks},
		{"Snapshots", su.testSnapshots},
		{"Values", su.testValues},
		{"Odd ids", su.testOddIDs},
		{"Big payloads", su.testBigPayloads},
		{"Limits", su.testLimits},
		{"Payloads are not shared", su.testOwnMemory},
		{"Cancelled", su.testCancelled},
		{"Fencing", su.testFencing},
		{"Model", su.testModel},
		{"Racing appends", su.testRacingAppends},
		{"Racing puts", su.testRacingPuts},
		{"Racing owners", su.testRacingOwners},
		{"Close", su.testClose},
		{"Reopen", su.testReopen},
	} {
		t.Run(test.name, test.run)
	}
}

// fixSeed makes property tests repeat themselves unless a seed was asked for.
func fixSeed(t *testing.T) {
	t.Helper()
	if f := flag.Lookup("rapid.seed"); f != nil && f.Value.String() == f.DefValue {
		if err := f.Value.Set("20"); err != nil {
			t.Fatal(err)
		}
	}
}

// bench is a store under test with what its tests need at hand.
type bench struct {
	*testing.T
	journal.Store
	ctx context.Context
}

func (su *suite) bench(t *testing.T) bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s := su.open(t)
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return bench{T: t, Store: s, ctx: ctx}
}

func (b bench) claim(shard journal.Shard) journal.Fence {
	b.Helper()
	f, err := b.Claim(b.ctx, shard)
	if err != nil {
		b.Fatalf("claim of shard %d: %v", shard, err)
	}
	if f.Shard != shard || f.Token == 0 {
		b.Fatalf("claim of shard %d gave %+v", shard, f)
	}
	return f
}

func (b bench) append(f journal.Fence, id journal.EntityID, expected uint64, payloads ...string) {
	b.Helper()
	if err := b.Append(b.ctx, f, id, expected, raw(payloads)); err != nil {
		b.Fatalf("append to %s after %d: %v", id, expected, err)
	}
}

// all reads every event of id and checks that they are numbered from after+1.
func (b bench) all(id journal.EntityID, after uint64, max journal.Chunk) []string {
	b.Helper()
	var got []string
	for {
		recs, more, err := b.Read(b.ctx, id, after, max)
		if err != nil {
			b.Fatalf("read of %s after %d: %v", id, after, err)
		}
		for _, r := range recs {
			after++
			if r.Seq != after {
				b.Fatalf("read of %s: event %d where %d is due", id, r.Seq, after)
			}
			got = append(got, string(r.Payload))
		}
		if !more {
			return got
		}
		if len(recs) == 0 {
			b.Fatalf("read of %s after %d: no record, but more are said to follow", id, after)
		}
	}
}

// refused checks that a write failed with want and surely wrote nothing.
func (b bench) refused(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("got error %v, want %v", err, want)
	}
	if !journal.NotWritten(err) {
		b.Fatalf("error %v leaves open whether anything was written", err)
	}
}

func raw(payloads []string) [][]byte {
	out := make([][]byte, len(payloads))
	for i, p := range payloads {
		out[i] = []byte(p)
	}
	return out
}

func (b bench) equal(what string, got, want []string) {
	b.Helper()
	if len(got) != len(want) {
		b.Fatalf("%s: got %d, want %d\n got %.200q\nwant %.200q", what, len(got), len(want), got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			b.Fatalf("%s: at %d got %.80q, want %.80q", what, i, got[i], want[i])
		}
	}
}
