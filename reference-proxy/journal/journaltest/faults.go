package journaltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// faultPatience is how long a call of a handle may take whose link is disturbed.
const faultPatience = 20 * time.Second

// disturbed is a handle whose link the suite can disturb, another on the same data that is
// well, and an entity with two events, a snapshot and a value that the first one owns.
type disturbed struct {
	*bench
	weak  journal.Store
	link  Link
	shard journal.Shard
	id    journal.EntityID
	fence journal.Fence // of weak
}

// disturb prepares a round of the cases below. The handle may still suffer from the round
// before, so it has several attempts, each with a shard and an entity of its own.
func (su *suite) disturb(b *bench, weak journal.Store, link Link) *disturbed {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, faultPatience)
	defer cancel()
	for {
		d, err := su.prepare(b, weak, link)
		if err == nil {
			return d
		}
		if !pause(ctx) {
			b.Fatalf("a handle whose link is well again does not get well: %v", err)
		}
	}
}

func (su *suite) prepare(b *bench, weak journal.Store, link Link) (*disturbed, error) {
	su.shards++
	d := &disturbed{bench: b, weak: weak, link: link, shard: su.shards, id: journal.EntityID{Namespace: "late", Key: fmt.Sprint(su.shards)}}
	h := newHolder()
	if err := weak.BeginLease(b.ctx, h, leaseLength); err != nil {
		return nil, err
	}
	var err error
	if d.fence, err = claim(b.ctx, weak, d.shard, h); err != nil {
		return nil, err
	}
	for _, do := range []func() error{
		func() error { return weak.Adopt(b.ctx, d.fence, d.id, 0) },
		func() error { return weak.Append(b.ctx, d.fence, d.id, 0, entries("1", "2")) },
		func() error {
			return weak.SaveSnapshot(b.ctx, d.fence, d.id, journal.Snapshot{Seq: 1, Payload: []byte("s")})
		},
		func() error { return weak.AdoptValue(b.ctx, d.fence, d.id, 0) },
		func() error { _, err := weak.PutValue(b.ctx, d.fence, d.id, 0, entry("v")); return err },
	} {
		if err := do(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// pause lets a server or a driver recover for a moment, and is false when ctx ended.
func pause(ctx context.Context) bool {
	moment := time.NewTimer(20 * time.Millisecond)
	defer moment.Stop()
	select {
	case <-moment.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// lateWrite is a write that is made to arrive late, and what it would make of the entity.
type lateWrite struct {
	name   string
	do     func(ctx context.Context, d *disturbed) error
	events []string
	value  []string
}

var (
	present = []string{"1", "v"} // version and payload
	two     = []string{"1", "2"} // events
)

func lateWrites() []lateWrite {
	return []lateWrite{
		{"append", func(ctx context.Context, d *disturbed) error {
			return d.weak.Append(ctx, d.fence, d.id, 2, entries("late", "late too"))
		}, []string{"1", "2", "late", "late too"}, present},
		{"put", func(ctx context.Context, d *disturbed) error {
			_, err := d.weak.PutValue(ctx, d.fence, d.id, 1, entry("late"))
			return err
		}, two, []string{"2", "late"}},
		{"delete", func(ctx context.Context, d *disturbed) error {
			return d.weak.DeleteValue(ctx, d.fence, d.id, 1)
		}, two, nil},
	}
}

// begin starts a write over the disturbed link, waits until the link met it, and returns
// where its outcome will be told.
func (d *disturbed) begin(w lateWrite, met <-chan struct{}) <-chan error {
	d.Helper()
	outcome := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(d.ctx, faultPatience)
		defer cancel()
		outcome <- w.do(ctx, d)
	}()
	select {
	case <-met:
	case err := <-outcome:
		d.Fatalf("%s ended before it met the disturbed link: %v", w.name, err)
	case <-d.ctx.Done():
		d.Fatalf("%s did not meet the disturbed link", w.name)
	}
	return outcome
}

// testLateWrites: an owner's write is under way when another claims the shard, and arrives
// when the other has adopted the entity, has written to it, or has only claimed.
func (su *suite) testLateWrites(t *testing.T) {
	b := su.bench(t)
	weak, link := su.faults(t, b.Store)
	t.Cleanup(func() { _ = weak.Close() })
	t.Cleanup(link.Heal)
	for range su.effort.Rounds {
		for _, w := range lateWrites() {
			for _, when := range []string{"claimed", "adopted", "wrote"} {
				d := su.disturb(b, weak, link)
				outcome := d.begin(w, link.Hold())
				next, err := claim(b.ctx, b.Store, d.shard, b.me)
				if err != nil {
					t.Fatal(err)
				}
				switch when {
				case "claimed":
					err := d.arrive(outcome)
					d.mustFail(w, when, err)
					d.adoptAsIs(w, next, err)
				case "adopted":
					d.adopt(next, d.id, 2)
					d.adoptValue(next, 1)
					d.mustFail(w, when, d.arrive(outcome))
				case "wrote":
					d.adopt(next, d.id, 2)
					d.adoptValue(next, 1)
					d.append(next, d.id, 2, "next")
					if _, err := b.PutValue(b.ctx, next, d.id, 1, entry("next")); err != nil {
						t.Fatal(err)
					}
					d.mustFail(w, when, d.arrive(outcome))
					d.equal("events after a late "+w.name, d.all(d.id, 0, journal.Chunk{}), []string{"1", "2", "next"})
					d.value(d.id, 2, "next")
				}
				if when == "adopted" {
					d.equal("events after a late "+w.name, d.all(d.id, 0, journal.Chunk{}), two)
					d.value(d.id, 1, "v")
				}
				d.goOn(next)
			}
		}
	}
}

// arrive heals the link and returns the outcome of the write that was held back.
func (d *disturbed) arrive(outcome <-chan error) error {
	d.link.Heal()
	return <-outcome
}

func (d *disturbed) mustFail(w lateWrite, when string, err error) {
	d.Helper()
	if err == nil {
		d.Fatalf("a late %s was acknowledged with token %d, when the owner of token %d had %s", w.name, d.fence.Token, d.fence.Token+1, when)
	}
}

func (d *disturbed) adoptValue(f journal.Fence, version uint64) {
	d.Helper()
	if err := d.AdoptValue(d.ctx, f, d.id, version); err != nil {
		d.Fatalf("adoption of the value of %s at %d: %v", d.id, version, err)
	}
}

// content returns what is stored of the entity.
func (d *disturbed) content() (events, value []string) {
	d.Helper()
	v, err := d.GetValue(d.ctx, d.id)
	if err != nil {
		d.Fatal(err)
	}
	if v.Found {
		value = []string{fmt.Sprint(v.Version), told(v.Entry)}
	}
	return d.all(d.id, 0, journal.Chunk{}), value
}

// adoptAsIs adopts what is there after a write with the outcome err: all of it or nothing,
// and nothing if it is said so.
func (d *disturbed) adoptAsIs(w lateWrite, f journal.Fence, err error) {
	d.Helper()
	events, value := d.content()
	there := fmt.Sprint(events, value)
	without, with := fmt.Sprint(two, present), fmt.Sprint(w.events, w.value)
	switch {
	case there == without && err != nil:
	case there == with && !journal.NotWritten(err):
	default:
		d.Fatalf("after a %s with the outcome %v there is %s; it was %s", w.name, err, there, without)
	}
	version := uint64(0)
	if value != nil {
		_, _ = fmt.Sscan(value[0], &version)
	}
	d.adopt(f, d.id, uint64(len(events)))
	d.adoptValue(f, version)
	again, valueAgain := d.content()
	if now := fmt.Sprint(again, valueAgain); now != there {
		d.Fatalf("after its adoption there is %s; it was %s", now, there)
	}
}

// goOn: the entity can be worked with, and through the other handle it looks the same.
func (d *disturbed) goOn(f journal.Fence) {
	d.Helper()
	events, value := d.content()
	version := uint64(0)
	if value != nil {
		_, _ = fmt.Sscan(value[0], &version)
	}
	d.append(f, d.id, uint64(len(events)), "end")
	if _, err := d.PutValue(d.ctx, f, d.id, version, entry("end")); err != nil {
		d.Fatal(err)
	}
	want := slices.Concat(events, []string{"end"})
	d.equal("events at the end", d.all(d.id, 0, journal.Chunk{}), want)
	got, err := readAll(d.ctx, d.weak, d.id, 0, journal.Chunk{})
	if err != nil {
		d.Fatal(err)
	}
	d.equal("events at the end, as the other handle sees them", got, want)
	d.value(d.id, version+1, "end")
	d.snapshot(d.id, 1, "s")
}

// testLostAnswers: a write arrives and its answer does not. Whatever is said of it must be
// true, and the owner, having read anew, goes on.
func (su *suite) testLostAnswers(t *testing.T) {
	b := su.bench(t)
	weak, link := su.faults(t, b.Store)
	t.Cleanup(func() { _ = weak.Close() })
	t.Cleanup(link.Heal)
	for round := range su.effort.Rounds {
		for _, w := range lateWrites() {
			d := su.disturb(b, weak, link)
			err := d.arrive(d.begin(w, link.Mute()))
			if err != nil && !journal.NotWritten(err) && !errors.Is(err, journal.ErrUnknownOutcome) {
				t.Logf("%s whose answer was lost: %v, which does not say ErrUnknownOutcome but counts as unknown", w.name, err)
			}
			if round%2 == 0 { // another goes on
				next, claimErr := claim(b.ctx, b.Store, d.shard, b.me)
				if claimErr != nil {
					t.Fatal(claimErr)
				}
				d.adoptAsIs(w, next, err)
				d.goOn(next)
				continue
			}
			same := *d.bench // the same goes on
			same.Store = weak
			again := &disturbed{bench: &same, weak: b.Store, id: d.id, fence: d.fence}
			again.adoptAsIs(w, d.fence, err)
			again.goOn(d.fence)
		}
	}
}
