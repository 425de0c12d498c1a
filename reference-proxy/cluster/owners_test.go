package cluster

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// plan is a run of several nodes over one store, drawn beforehand.
type plan struct {
	Clocks []clockPlan
	Steps  []stepPlan
}

type clockPlan struct {
	Rate   float64 // within the margin of a twentieth
	Offset time.Duration
	Seed   uint64
}

type stepPlan struct {
	Node, Do int
	Entity   int
	Odds     odds
	Then     time.Duration
}

func drawPlan(t *rapid.T) plan {
	var p plan
	for range rapid.IntRange(2, 4).Draw(t, "nodes") {
		p.Clocks = append(p.Clocks, clockPlan{
			// The outermost rates are the likeliest to be wrong.
			Rate:   rapid.SampledFrom([]float64{0.9501, 0.9501, 0.97, 1, 1.03, 1.0499, 1.0499}).Draw(t, "rate"),
			Offset: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "offset")),
			Seed:   rapid.Uint64().Draw(t, "seed"),
		})
	}
	percent := rapid.SampledFrom([]int{0, 0, 10, 30})
	for range rapid.IntRange(5, 40).Draw(t, "steps") {
		p.Steps = append(p.Steps, stepPlan{
			Node: rapid.IntRange(0, len(p.Clocks)-1).Draw(t, "node"), Do: rapid.IntRange(0, 9).Draw(t, "do"),
			Entity: rapid.IntRange(0, 2).Draw(t, "entity"),
			Odds:   odds{percent.Draw(t, "refused"), percent.Draw(t, "cut"), percent.Draw(t, "delayed"), percent.Draw(t, "slow")},
			Then:   time.Duration(rapid.IntRange(0, 1500).Draw(t, "then")) * time.Millisecond,
		})
	}
	return p
}

// TestOneOwnerAtATime: whatever the nodes' clocks (within the margin), pauses and store do, at no time two nodes hold a
// shard, and who holds it has the newest token; tokens only grow; and when all but one node stand still, that one gets
// every shard.
func TestOneOwnerAtATime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		var violation error
		synctest.Test(t, func(t *testing.T) { violation = run(t.Context(), p) })
		if violation != nil {
			rt.Fatal(violation)
		}
	})
}

type world struct {
	store  *memory.Store
	nodes  []*node
	newest [Shards]journal.Token
}

const shortLease = time.Second

var entities = []journal.EntityID{{Key: "a"}, {Key: "b"}, {Key: "c"}}

func run(ctx context.Context, p plan) error {
	w := &world{store: memory.New()}
	for _, c := range p.Clocks {
		w.nodes = append(w.nodes, newNode(w.store, shortLease, c.Rate, c.Offset, c.Seed, nil))
	}
	defer w.end()
	calls, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, s := range p.Steps {
		n := w.nodes[s.Node]
		switch s.Do {
		case 0, 1:
			n.pauseProcess()
		case 2, 3:
			n.resumeProcess()
		case 4:
			n.setOdds(s.Odds)
		case 5:
			n.Lost(journal.Fence{Shard: ShardOf(entities[s.Entity]), Token: w.newest[ShardOf(entities[s.Entity])], Holder: n.mine.Load().holder})
		default:
			go func() { _, _ = n.Fence(calls, entities[s.Entity]) }()
		}
		if err := w.watch(s.Then); err != nil {
			return err
		}
	}
	for _, n := range w.nodes {
		n.setOdds(odds{})
		n.pauseProcess()
	}
	last := w.nodes[0]
	last.resumeProcess()
	got := make(chan struct{})
	go func() { insist(calls, last); close(got) }()
	if err := w.watch(6 * shortLease); err != nil {
		return err
	}
	select {
	case <-got:
	default:
		return fmt.Errorf("the only node that runs did not get all shards in %v", 6*shortLease)
	}
	for _, n := range w.nodes {
		n.resumeProcess()
	}
	return w.watch(3 * shortLease)
}

// insist asks until it has got all shards. It may be refused at first: what was sent before shows
// another alive, or fails.
func insist(ctx context.Context, n *node) {
	for _, id := range entities {
		for ctx.Err() == nil {
			if _, err := n.Fence(ctx, id); err == nil {
				break
			}
			pass(shortLease / 10)
		}
	}
}

// watch lets d go by and looks all the time.
func (w *world) watch(d time.Duration) error {
	const every = 7 * time.Millisecond
	for ; d >= 0; d -= every {
		synctest.Wait()
		if err := w.check(); err != nil {
			return err
		}
		pass(min(d, every))
	}
	return nil
}

func (w *world) check() error {
	for _, id := range entities {
		s := ShardOf(id)
		owner, err := w.store.ReadOwner(context.Background(), s)
		if err != nil {
			return err
		}
		if owner.Token < w.newest[s] {
			return fmt.Errorf("shard %d went from token %d back to %d", s, w.newest[s], owner.Token)
		}
		w.newest[s] = owner.Token
		for i, n := range w.nodes {
			c := n.shards[s].claim.Load()
			if c == nil || !n.Held(c.fence) {
				continue
			}
			// The newest token has one holder, so this rules out two who hold the shard.
			if c.fence.Holder != owner.Holder || c.fence.Token != owner.Token {
				return fmt.Errorf("node %d holds shard %d with %+v, but its owner is %+v", i, s, c.fence, owner)
			}
		}
	}
	return nil
}

func (w *world) end() {
	for _, n := range w.nodes {
		n.setOdds(odds{})
		n.resumeProcess()
		n.Close()
		n.late.Wait()
	}
}
