package pebble_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// TestMain looks for goroutines left over. Pebble itself leaves one behind when Open fails,
// after which a proxy ends anyway; a store that is not closed leaves others too.
func TestMain(m *testing.M) {
	journaltest.Victim(openVictim)
	switch {
	case os.Getenv(brokenLogDir) != "":
		workOnBrokenLog()
		return
	case os.Getenv(holdDir) != "":
		holdStore()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// options are those of a test: a quiet store on fs that fails the test rather than end
// the process.
func options(t testing.TB, fs vfs.FS) pebble.Options {
	return pebble.Options{
		FS:     fs,
		Logger: slog.New(slog.DiscardHandler),
		Fatal:  func(err error) { t.Errorf("the store failed: %v", err) },
	}
}

func open(t testing.TB, path string, o pebble.Options) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// TestStore runs the common suite on a directory of the operating system, and in memory
// with a store so small that it flushes, compacts and looks up all the time.
func TestStore(t *testing.T) {
	for _, c := range []struct {
		name string
		path func(t *testing.T) string
		with func(o *pebble.Options)
		more journaltest.Option
	}{
		{"on disk", func(t *testing.T) string { return t.TempDir() }, func(*pebble.Options) {}, journaltest.Crash(
			func(t *testing.T) string { return t.TempDir() }, openVictim,
		)},
		{"small", func(*testing.T) string { return "data" }, func(o *pebble.Options) {
			o.FS, o.MemTableBytes, o.LastSeqs, o.CacheBytes = vfs.NewMem(), 64<<10, 1, 64<<10
		}, journaltest.Try(journaltest.Effort{Checks: 30, Entities: 200})}, // every look-up is a slow one
	} {
		t.Run(c.name, func(t *testing.T) {
			where := map[journal.Store]func(t *testing.T) journal.Store{}
			begin := func(t *testing.T) journal.Store {
				o, path := options(t, nil), c.path(t)
				c.with(&o)
				var again func(t *testing.T) journal.Store
				again = func(t *testing.T) journal.Store {
					s, err := pebble.Open(path, o)
					if err != nil {
						t.Fatal(err)
					}
					where[s] = again
					return s
				}
				return again(t)
			}
			journaltest.Run(t, begin, c.more, journaltest.Reopen(func(t *testing.T, s journal.Store) journal.Store {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				return where[s](t)
			}))
		})
	}
}

// openVictim opens the store of the process that the suite kills.
func openVictim(where string) (journal.Store, error) {
	return pebble.Open(where, pebble.Options{Logger: slog.New(slog.DiscardHandler)})
}

// own claims shard for a holder that has just begun its lease, whoever has it.
func own(ctx context.Context, s *pebble.Store, shard journal.Shard) (journal.Fence, error) {
	o, err := s.ReadOwner(ctx, shard)
	if err != nil {
		return journal.Fence{}, err
	}
	l, _, err := s.ReadLease(ctx, o.Holder)
	if err != nil {
		return journal.Fence{}, err
	}
	if err := s.EndLease(ctx, o.Holder, l.Beat); err != nil {
		return journal.Fence{}, err
	}
	h := journal.Holder(rand.Text())
	if err := s.BeginLease(ctx, h, time.Second); err != nil {
		return journal.Fence{}, err
	}
	return s.Claim(ctx, shard, o.Token, h)
}

func entriesOf(payloads ...string) []journal.Entry {
	var out []journal.Entry
	for _, p := range payloads {
		out = append(out, journal.Entry{Payload: []byte(p)})
	}
	return out
}
