package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	servers "github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// TestServerDiesInTheMiddle kills, stops and restarts the server under writers of two
// handles. What was acknowledged is there, in order and once; what surely was not written is not there;
// and the writers go on without a hand.
func TestServerDiesInTheMiddle(t *testing.T) {
	own := servers.Run(t, servers.Options{})
	o := fresh(own.URL())
	o.MaxConns = 8
	s := open(t, o)
	stores := []*Store{s, clone(t, s)}
	ctx := within(t)
	fences := []journal.Fence{claim(t, s, 0, "zero"), claim(t, s, 1, "one")}
	const callers, deaths = 16, 3
	var acknowledged, lost, unknown atomic.Int64
	done := make(chan struct{})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			w := &diary{store: stores[caller%2], f: fences[caller%2], id: journal.EntityID{Namespace: "n", Key: fmt.Sprint(caller)}}
			for n := 0; ; n++ {
				select {
				case <-done:
					acknowledged.Add(int64(len(w.kept)))
					w.verify(ctx, t)
					return
				default:
				}
				switch err := w.write(ctx, fmt.Sprintf("%d of %d", n, caller)); {
				case err == nil:
				case journal.NotWritten(err):
					lost.Add(1)
				default:
					unknown.Add(1)
				}
			}
		})
	}
	for death := range deaths {
		progress(ctx, t, s)
		if death%2 == 0 {
			own.Kill()
		}
		if err := own.Restart(ctx); err != nil {
			t.Error(err)
			break
		}
	}
	progress(ctx, t, s)
	close(done)
	wg.Wait()
	t.Logf("%d deaths: %d appends acknowledged, %d refused, %d unknown", deaths, acknowledged.Load(), lost.Load(), unknown.Load())
	if acknowledged.Load() == 0 {
		t.Error("nothing was acknowledged")
	}
}

// progress returns when writes get through again.
func progress(ctx context.Context, t *testing.T, s *Store) {
	t.Helper()
	conn := connect(t, s.options.URL)
	count := "SELECT count(*) FROM " + s.options.Schema + ".events"
	before := ask[int](t, conn, count)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ask[int](t, conn, count) < before+500 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("writers do not get through")
		}
	}
}

// diary is a writer of one entity that remembers what it was told.
type diary struct {
	store *Store
	f     journal.Fence
	id    journal.EntityID
	// kept were acknowledged, or found there after an unknown outcome.
	kept []string
	// open may or may not have been written.
	open string
}

func (d *diary) write(ctx context.Context, event string) error {
	if d.open != "" {
		if err := d.settle(ctx); err != nil {
			return nil //nolint:nilerr // the server is away; it is tried again
		}
	}
	err := d.store.Append(ctx, d.f, d.id, uint64(len(d.kept)), entries(event))
	switch {
	case err == nil:
		d.kept = append(d.kept, event)
	case errors.Is(err, journal.ErrConflict):
		// Only an older write whose outcome was unknown can have come in between.
		d.open = "?"
	case !journal.NotWritten(err):
		d.open = event
	}
	return err
}

// settle reads what became of an append of unknown outcome.
func (d *diary) settle(ctx context.Context) error {
	recs, _, err := d.store.Read(ctx, d.id, uint64(len(d.kept)), journal.Chunk{})
	if err != nil {
		return err
	}
	if len(recs) > 1 {
		return fmt.Errorf("%d events where one was open", len(recs))
	}
	if len(recs) == 1 {
		d.kept = append(d.kept, string(recs[0].Payload))
	}
	d.open = ""
	return nil
}

func (d *diary) verify(ctx context.Context, t *testing.T) {
	var got []string
	for more := true; more; {
		recs, m, err := d.store.Read(ctx, d.id, uint64(len(got)), journal.Chunk{Records: 100})
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range recs {
			got = append(got, string(r.Payload))
		}
		more = m
	}
	for i, want := range d.kept {
		if i >= len(got) || got[i] != want {
			t.Errorf("%s: event %d is not %q, which was acknowledged", d.id, i+1, want)
			return
		}
	}
	seen := map[string]bool{}
	for _, e := range got {
		if seen[e] {
			t.Errorf("%s: %q is there twice", d.id, e)
		}
		seen[e] = true
	}
	if extra := len(got) - len(d.kept); extra > 1 || extra == 1 && d.open == "" {
		t.Errorf("%s: %d events that nobody was told of", d.id, extra)
	}
}
