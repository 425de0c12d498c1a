package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// testServerRestart: writers go on while the server is restarted under them. Each resolves
// what it does not know by reading, as an owner does; nothing acknowledged is lost, nothing
// is there twice, and nobody needs a hand.
func (su *suite) testServerRestart(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	var stop atomic.Bool
	var wg sync.WaitGroup
	writers := make([]*survivor, su.effort.Racers)
	for i := range writers {
		writers[i] = &survivor{store: b.Store, fence: f, id: journal.EntityID{Namespace: "restart", Key: fmt.Sprint(i)}}
	}
	// The writers outlive the restarts by some writes each.
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	errs := make([]error, len(writers))
	for i, w := range writers {
		wg.Go(func() {
			if errs[i] = w.run(ctx, &stop, su.effort.Writes); errs[i] != nil {
				cancel() // no use in going on
			}
		})
	}
	for range su.effort.Rounds {
		for before := written(writers); written(writers) < before+uint64(len(writers)) && ctx.Err() == nil; {
			pause(ctx)
		}
		su.restart(t)
	}
	stop.Store(true)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	unknown := 0
	for _, w := range writers {
		var want []string
		for n := range w.last.Load() {
			want = append(want, fmt.Sprint(n+1))
		}
		b.equal("events of "+w.id.String(), b.all(w.id, 0, journal.Chunk{}), want)
		b.value(w.id, w.last.Load(), fmt.Sprint(w.last.Load()))
		unknown += w.unknown
	}
	t.Logf("%d writes by %d writers through %d restarts; %d outcomes were unknown", 2*written(writers), len(writers), su.effort.Rounds, unknown)
}

// written is the number of events that all writers together got through.
func written(writers []*survivor) (sum uint64) {
	for _, w := range writers {
		sum += w.last.Load()
	}
	return sum
}

// survivor writes its count as an event, and as a value, again and again.
type survivor struct {
	store   journal.Store
	fence   journal.Fence
	id      journal.EntityID
	last    atomic.Uint64
	unknown int
}

// run writes until stop, and then more times.
func (w *survivor) run(ctx context.Context, stop *atomic.Bool, more int) error {
	for left := more; left > 0; {
		if stop.Load() {
			left--
		}
		next := w.last.Load() + 1
		err := w.through(ctx, func() error {
			return w.store.Append(ctx, w.fence, w.id, next-1, entries(fmt.Sprint(next)))
		}, func() (uint64, error) {
			got, err := readAll(ctx, w.store, w.id, next-1, journal.Chunk{})
			if len(got) > 0 && got[0] != fmt.Sprint(next) {
				return 0, fmt.Errorf("event %d is %q: %w", next, got[0], journal.ErrCorrupt)
			}
			return next - 1 + uint64(len(got)), err
		}, next)
		if err == nil {
			err = w.through(ctx, func() error {
				_, err := w.store.PutValue(ctx, w.fence, w.id, next-1, entry(fmt.Sprint(next)))
				return err
			}, func() (uint64, error) {
				v, err := w.store.GetValue(ctx, w.id)
				return v.Version, err
			}, next)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.id, err)
		}
		w.last.Store(next)
	}
	return nil
}

// through makes a write until it is there: position tells where the entity is, and next is
// where the write leads.
func (w *survivor) through(ctx context.Context, write func() error, position func() (uint64, error), next uint64) error {
	doubt := false
	for {
		err := write()
		if err == nil {
			return nil
		}
		if errors.Is(err, journal.ErrFenced) || errors.Is(err, journal.ErrCorrupt) {
			return err
		}
		if !journal.NotWritten(err) {
			doubt = true
			w.unknown++
		}
		for {
			at, readErr := position()
			if errors.Is(readErr, journal.ErrCorrupt) {
				return readErr
			}
			if readErr == nil && at == next && doubt {
				return nil // it was written
			}
			if readErr == nil && at == next-1 {
				break // again
			}
			if readErr == nil {
				return fmt.Errorf("it is at %d after a write to %d with the outcome %w", at, next, err)
			}
			if !pause(ctx) {
				return readErr
			}
		}
		if !pause(ctx) {
			return err
		}
	}
}
