package testkit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

const who = "ada"

func add(product string, quantity int32) *pb.AddLineItem {
	return &pb.AddLineItem{UserId: who, ProductId: product, Quantity: quantity}
}

func remove(product string) *pb.RemoveLineItem {
	return &pb.RemoveLineItem{UserId: who, ProductId: product}
}

func get() *pb.GetShoppingCart { return &pb.GetShoppingCart{UserId: who} }

func cart(items ...*pb.LineItem) *pb.Cart { return &pb.Cart{Items: items} }

func item(product string, quantity int32) *pb.LineItem {
	return &pb.LineItem{ProductId: product, Quantity: quantity}
}

func stored(items ...*domain.LineItem) *domain.Cart { return &domain.Cart{Items: items} }

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s, want (-) and got (+):\n%s", what, diff)
	}
}

// TestEventSourced: whatever a handler answers comes out, under the name of the rpc or its full name.
func TestEventSourced(t *testing.T) {
	t.Parallel()
	kit := testkit.NewEventSourced(t, tallyService(), who)

	result := kit.Run("AddItem", add("tea", 2), cloudstate.Text("from", "me"))
	result.WantReply(&emptypb.Empty{})
	result.WantEvents(added("tea", 2))
	same(t, "events", []any{added("tea", 2)}, result.Events)
	same(t, "reply metadata", cloudstate.Metadata{cloudstate.Text("to", "me")}, result.Metadata)
	if result.Snapshot != nil || result.Failure != nil || result.Forward != nil || result.Effects != nil || result.Restarted {
		t.Errorf("more than was asked for: %+v", result)
	}

	result = kit.Run(pb.ShoppingCart_RemoveItem_FullMethodName, remove("tea"))
	result.WantEvents(removed{"tea"})
	same(t, "JSON event", []any{testkit.JSON{Type: "removed", Text: `{"Product":"tea"}`}}, result.Events)
	same(t, "snapshot", stored(), result.Snapshot)
	same(t, "effects", []testkit.Effect{
		{Call: testkit.Call{Method: pb.ShoppingCart_GetCart_FullMethodName, Message: &pb.GetShoppingCart{UserId: "log"}}},
		{Call: testkit.Call{
			Method: pb.ShoppingCart_GetCart_FullMethodName, Message: &pb.GetShoppingCart{UserId: "mail"},
			Metadata: cloudstate.Metadata{cloudstate.Text("k", "v")},
		}, Synchronous: true},
	}, result.Effects)

	result = kit.Run("GetCart", get(), cloudstate.Text("forward", "bob"))
	same(t, "forward", &testkit.Call{
		Method: pb.ShoppingCart_GetCart_FullMethodName, Message: &pb.GetShoppingCart{UserId: "bob"},
	}, result.Forward)
	if result.Reply != nil {
		t.Errorf("a reply beside a forward: %v", result.Reply)
	}

	result = kit.Run("AddItem", add("tea", 0))
	result.WantFailure(codes.InvalidArgument)
	if got := result.Failure.Message(); got != "not that few" {
		t.Errorf("the failure says %q", got)
	}
	kit.Run("RemoveItem", remove("tea")).WantFailure(codes.Unknown)

	kit.Run("AddItem", add("rye", 1))
	if got := testkit.Reply[*pb.Cart](kit.Run("GetCart", get())); !proto.Equal(got, cart(item("rye", 1))) {
		t.Errorf("the cart is %v", got)
	}
	if state := testkit.State[tally](kit); state.count["rye"] != 1 || state.owner != who {
		t.Errorf("the state is %+v", state)
	}
	same(t, "all events", []any{added("tea", 2), testkit.JSON{Type: "removed", Text: `{"Product":"tea"}`}, added("rye", 1)}, kit.Events())
}

// TestRestart: a new instance gets the snapshot and only the events after it.
func TestRestart(t *testing.T) {
	t.Parallel()
	replayed := 0
	kit := testkit.NewEventSourced(t, tallyService(func(h *handlers) {
		h.added = func(c *tally, event *domain.ItemAdded) { replayed++; c.added(event) }
		h.restore = func(c *tally, from *domain.Cart) { c.restore(from); c.order = append([]string{}, c.order...) }
	}), who)
	for _, product := range []string{"a", "b", "c"} {
		kit.Run("AddItem", add(product, 1))
	}
	same(t, "snapshot", stored(&domain.LineItem{ProductId: "a", Quantity: 1}, &domain.LineItem{ProductId: "b", Quantity: 1}), kit.Snapshot())
	kit.Restart()
	kit.Restart() // nothing lives: nothing happens
	replayed = 0
	if state := testkit.State[tally](kit); state.count["c"] != 1 {
		t.Errorf("the state is %+v", state)
	}
	if replayed != 1 {
		t.Errorf("%d events were replayed, want the one after the snapshot", replayed)
	}
	result := kit.Run("GetCart", get())
	result.WantReply(cart(item("a", 1), item("b", 1), item("c", 1)))
	// A new stream counts its commands from 1.
	same(t, "reply metadata", cloudstate.Metadata{cloudstate.Text("command", "1")}, result.Metadata)
}

// TestRestartFinds: what is stored is held against the state before the restart. Here the one snapshot that was stored is
// not as those taken to see whether snapshots are whole.
func TestRestartFinds(t *testing.T) {
	t.Parallel()
	taken := 0
	err := testkit.Try(func(t testkit.T) {
		kit := testkit.NewEventSourced(t, tallyService(func(h *handlers) {
			h.take = func(c *tally) *domain.Cart {
				if taken++; taken == 2 {
					return stored()
				}
				return c.snapshot()
			}
		}), who)
		kit.Run("AddItem", add("a", 1))
		kit.Run("AddItem", add("b", 1))
		kit.Restart()
	})
	if err == nil || !strings.Contains(err.Error(), "testkit: Restart: the stored snapshot and the events after it make another state") {
		t.Errorf("got %v", err)
	}
}

// TestGiven: a past can be given, as events and as a snapshot.
func TestGiven(t *testing.T) {
	t.Parallel()
	kit := testkit.NewEventSourced(t, tallyService(), who)
	kit.GivenSnapshot(7, stored(&domain.LineItem{ProductId: "tea", Quantity: 3}))
	kit.Given(added("rye", 1), removed{"tea"})
	kit.Run("GetCart", get()).WantReply(cart(item("rye", 1)))
	kit.Given(added("oat", 4))
	// The ninth event was given, this is the eleventh: it crosses no multiple of two, the twelfth reaches one.
	if result := kit.Run("AddItem", add("rye", 1)); result.Snapshot != nil {
		t.Errorf("a snapshot after event 11: %v", result.Snapshot)
	}
	if result := kit.Run("AddItem", add("rye", 1)); result.Snapshot == nil {
		t.Error("no snapshot after event 12")
	}
	kit.Restart()
	kit.Run("GetCart", get()).WantReply(cart(item("rye", 3), item("oat", 4)))
	if got := len(kit.Events()); got != 5 {
		t.Errorf("the journal has %d events, want those after the snapshot", got)
	}
}

// TestFailureAfterEvents: what a failed command emitted is gone, and the next one meets a new instance.
func TestFailureAfterEvents(t *testing.T) {
	t.Parallel()
	kit := testkit.NewEventSourced(t, tallyService(), who)
	kit.Run("AddItem", add("tea", 1))
	result := kit.Run("AddItem", &pb.AddLineItem{UserId: who, ProductId: "rye", Quantity: 1, Name: "late"})
	result.WantFailure(codes.Aborted)
	result.WantEvents()
	if !result.Restarted {
		t.Error("the result does not tell of the restart")
	}
	kit.Run("GetCart", get()).WantReply(cart(item("tea", 1)))
	same(t, "events", []any{added("tea", 1)}, kit.Events())
}
