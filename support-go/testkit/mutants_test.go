package testkit_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

// TestMutants breaks the entity in the ways in which entities are broken. A test that looks at nothing but runs
// commands must fail, and say what is wrong.
func TestMutants(t *testing.T) {
	t.Parallel()
	calls := 0 // of the unsteady handler
	for name, mutant := range map[string]struct {
		change func(*handlers)
		want   []string
	}{
		"a command handler changes the state and emits nothing": {func(h *handlers) {
			h.get = func(c *tally, ctx *eventsourced.Context, command *pb.GetShoppingCart) (*pb.Cart, error) {
				c.order = append(c.order, "seen")
				return c.get(ctx, command)
			}
		}, []string{"GetCart: the state is not what the events make of it", `+ 		"seen"`, "eventsourced.Event"}},
		"a command handler changes the state beside its events": {func(h *handlers) {
			h.add = func(c *tally, ctx *eventsourced.Context, command *pb.AddLineItem) (*emptypb.Empty, error) {
				reply, err := c.add(ctx, command)
				c.count["total"] += command.GetQuantity()
				return reply, err
			}
		}, []string{"AddItem: the state is not what the events make of it", `"total"`}},
		"a command handler changes the state and fails": {func(h *handlers) {
			h.add = func(c *tally, ctx *eventsourced.Context, command *pb.AddLineItem) (*emptypb.Empty, error) {
				c.owner = "nobody"
				command.Quantity = 0
				return c.add(ctx, command)
			}
		}, []string{"AddItem: the state is not what the events make of it", `"nobody"`}},
		"the event handler is not registered": {func(h *handlers) { h.added = nil },
			[]string{"AddItem: unexpected failure in command AddItem", `"type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded" has no eventsourced.Event handler`}},
		"the snapshot loses a field": {func(h *handlers) {
			h.take = func(c *tally) *domain.Cart {
				cart := c.snapshot()
				for _, item := range cart.GetItems() {
					item.Quantity = 1
				}
				return cart
			}
		}, []string{"AddItem: the state is not what its snapshot keeps of it", `"tea": 1`, `"tea": 2`}},
		"the snapshot is not restored whole": {func(h *handlers) {
			h.restore = func(c *tally, cart *domain.Cart) { c.restore(cart); c.order = nil }
		}, []string{"AddItem: the state is not what its snapshot keeps of it", `"tea"`}},
		"an instance restored from an empty snapshot cannot go on": {func(h *handlers) {
			h.initial = func(id string) *tally { return &tally{owner: id, count: make(map[string]int32)} }
			h.restore = func(c *tally, cart *domain.Cart) {
				c.count = nil
				if len(cart.GetItems()) > 0 {
					c.restore(cart)
				}
			}
			h.added = func(c *tally, event *domain.ItemAdded) {
				product := event.GetItem().GetProductId()
				c.count[product] += event.GetItem().GetQuantity()
				c.order = append(c.order, product)
			}
		}, []string{"AddItem: a new instance cannot be made from what is stored", "assignment to entry in nil map"}},
		"an event handler is not steady": {func(h *handlers) {
			h.added = func(c *tally, event *domain.ItemAdded) {
				calls++
				c.order = append(c.order, strings.Repeat("x", calls))
			}
		}, []string{"AddItem: the state is not what the events make of it"}},
		"the first state is not steady": {func(h *handlers) {
			h.initial = func(string) *tally { calls++; return &tally{owner: strings.Repeat("x", calls)} }
		}, []string{"the state is not what the events make of it", "owner"}},
		"a command handler panics": {func(h *handlers) {
			h.get = func(*tally, *eventsourced.Context, *pb.GetShoppingCart) (*pb.Cart, error) { panic("no cart today") }
		}, []string{"GetCart: unexpected failure in command GetCart", "panic: no cart today", "mutants_test.go"}},
		"an event handler panics in a replay": {func(h *handlers) {
			fresh := 0
			h.initial = func(id string) *tally { fresh++; return newTally(strings.Repeat(id, min(fresh, 2))) }
			h.added = func(c *tally, event *domain.ItemAdded) {
				if c.owner != who {
					panic("not again")
				}
				c.added(event)
			}
		}, []string{"AddItem: a new instance cannot be made from what is stored", "panic: not again"}},
		"the snapshot panics": {func(h *handlers) {
			h.take = func(*tally) *domain.Cart { panic("no picture") }
		}, []string{"a snapshot of the state", "panic: no picture"}},
		"the snapshot cannot be encoded": {func(h *handlers) {
			h.take = func(*tally) *domain.Cart { return stored(&domain.LineItem{ProductId: "\xff"}) }
		}, []string{"a snapshot of the state", "UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := testkit.Try(func(t testkit.T) {
				kit := testkit.NewEventSourced(t, tallyService(mutant.change), who)
				kit.Run("AddItem", add("tea", 2))
				kit.Run("GetCart", get())
				kit.Run("RemoveItem", remove("tea"))
				kit.Run("AddItem", add("rye", 1))
			})
			if err == nil {
				t.Fatal("survived")
			}
			for _, want := range mutant.want {
				// cmp writes its diffs with spaces of two kinds, on purpose.
				if got := strings.ReplaceAll(err.Error(), "\u00a0", " "); !strings.Contains(got, want) {
					t.Errorf("got: %v\nwant it to say: %s", got, want)
				}
			}
		})
	}
}

// TestIgnored: what is no state is not compared, by itself or because the test says so.
func TestIgnored(t *testing.T) {
	t.Parallel()
	cached := tallyService(func(h *handlers) {
		h.get = func(c *tally, ctx *eventsourced.Context, command *pb.GetShoppingCart) (*pb.Cart, error) {
			c.owner = "cached"
			c.now = func() int { return 2 }
			return c.get(ctx, command)
		}
	})
	run := func(t testkit.T, options ...cmp.Option) {
		testkit.NewEventSourced(t, cached, who, options...).Run("GetCart", get())
	}
	if err := testkit.Try(func(t testkit.T) { run(t) }); err == nil {
		t.Error("a changed field was not found")
	}
	run(t, cmpopts.IgnoreFields(tally{}, "owner"))
}

// TestSlow: a handler that does not answer is given up when a proxy would give it up, and its context ends.
func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := testkit.Try(func(t testkit.T) {
			testkit.NewEventSourced(t, tallyService(func(h *handlers) {
				h.get = func(_ *tally, ctx *eventsourced.Context, _ *pb.GetShoppingCart) (*pb.Cart, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
			}), who).Run("GetCart", get())
		})
		if err == nil || !strings.Contains(err.Error(), "GetCart: no answer within 1m0s") || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
