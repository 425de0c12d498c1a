package cassandra_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	server "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
)

// TestThreeNodesOneCut: each of three nodes is cut off from the others in turn, while two
// owners take the shard from each other and append. What was acknowledged is there at the end,
// and nothing is there twice.
func TestThreeNodesOneCut(t *testing.T) {
	c := server.Run(t, server.Options{Nodes: 3, HeapMB: 320, Namespaces: true, CommitLog: server.Periodic})
	o := fresh(t, c)
	hasty := o // for the owners: what a cut keeps from them should not hold them up
	hasty.Timeout = 3 * time.Second
	ctx := within(t)
	id := entity(t)
	var stop atomic.Bool
	var mu sync.Mutex
	var acknowledged []string
	outcomes := map[string]int{}
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		outcomes[what]++
	}
	var wg sync.WaitGroup
	for i := range 2 {
		s := open(t, hasty)
		wg.Go(func() {
			for n := 0; !stop.Load() && ctx.Err() == nil; n++ {
				wait(ctx, rand.N(2*time.Second)) // let the other get on with it
				f, err := takeOver(ctx, s, journal.Holder(fmt.Sprintf("%d/%d", i, n)))
				if err != nil {
					count("claim failed")
					continue
				}
				count("claimed")
				var recs []journal.Record
				last := uint64(0)
				for more := true; more && err == nil; {
					if recs, more, err = s.Read(ctx, id, last, journal.Chunk{}); len(recs) > 0 {
						last = recs[len(recs)-1].Seq
					}
				}
				if err == nil {
					err = s.Adopt(ctx, f, id, last)
				}
				if errors.Is(err, journal.ErrCorrupt) {
					t.Errorf("no row is missing: %v", err)
				}
				for k := 0; k < 200 && err == nil; k++ {
					text := fmt.Sprintf("%d/%d/%d", i, n, k)
					mu.Lock()
					before := len(acknowledged)
					mu.Unlock()
					if err = s.Append(ctx, f, id, last, entries(text)); err == nil {
						last++
						mu.Lock()
						if uint64(before) > last {
							t.Errorf("event %d was acknowledged after %d others", last, before)
						}
						acknowledged = append(acknowledged, text)
						mu.Unlock()
					}
				}
				switch {
				case err == nil:
					count("all appends")
				case journal.NotWritten(err):
					count("refused")
				default:
					count("unknown")
				}
			}
		})
	}
	for round := range 3 {
		cut := c.Node(round + 1)
		if err := cut.CutPeers(ctx); err != nil {
			t.Fatal(err)
		}
		wait(ctx, 6*time.Second)
		if err := cut.Heal(ctx); err != nil {
			t.Fatal(err)
		}
		wait(ctx, 4*time.Second)
	}
	// On a busy machine it takes longer until there is enough to look at.
	const enough = 100
	for there := 0; there < enough && ctx.Err() == nil; wait(ctx, 100*time.Millisecond) {
		mu.Lock()
		there = len(acknowledged)
		mu.Unlock()
	}
	stop.Store(true)
	wg.Wait()
	if err := c.Await(ctx); err != nil {
		t.Fatal(err)
	}
	got := texts(t, open(t, o), id, 0)
	places := map[string]int{}
	for at, g := range got {
		if _, twice := places[g]; twice {
			t.Errorf("%s is there twice", g)
		}
		places[g] = at
	}
	for _, a := range acknowledged {
		if _, there := places[a]; !there {
			t.Errorf("%s was acknowledged and is gone", a)
		}
	}
	if len(acknowledged) < enough {
		t.Errorf("only %d appends were acknowledged", len(acknowledged))
	}
	t.Logf("%d acknowledged, %d there, outcomes %v", len(acknowledged), len(got), outcomes)
}

// wait lets a disturbance last.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// takeOver claims shard 1 for h, after ending the lease of whoever has it.
func takeOver(ctx context.Context, s *cassandra.Store, h journal.Holder) (journal.Fence, error) {
	if err := s.BeginLease(ctx, h, time.Second); err != nil {
		return journal.Fence{}, err
	}
	was, err := s.ReadOwner(ctx, 1)
	if err == nil && was.Holder != "" {
		var l journal.Lease
		if l, _, err = s.ReadLease(ctx, was.Holder); err == nil {
			err = s.EndLease(ctx, was.Holder, l.Beat)
		}
	}
	if err != nil {
		return journal.Fence{}, err
	}
	return s.Claim(ctx, 1, was.Token, h)
}
