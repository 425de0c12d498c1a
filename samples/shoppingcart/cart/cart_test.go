package cart_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"pgregory.net/rapid"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	"github.com/stateful-serverless/cloudstate/samples/shoppingcart/cart"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	addItem    = pb.ShoppingCart_AddItem_FullMethodName
	removeItem = pb.ShoppingCart_RemoveItem_FullMethodName
	getCart    = pb.ShoppingCart_GetCart_FullMethodName
)

func add(product string, quantity int32) *pb.AddLineItem {
	return &pb.AddLineItem{UserId: "ada", ProductId: product, Name: "Fine " + product, Quantity: quantity}
}

func remove(product string) *pb.RemoveLineItem {
	return &pb.RemoveLineItem{UserId: "ada", ProductId: product}
}

func added(product string, quantity int32) *domain.ItemAdded {
	return &domain.ItemAdded{Item: &domain.LineItem{ProductId: product, Name: "Fine " + product, Quantity: quantity}}
}

func removed(product string) *domain.ItemRemoved { return &domain.ItemRemoved{ProductId: product} }

func item(product string, quantity int32) *pb.LineItem {
	return &pb.LineItem{ProductId: product, Name: "Fine " + product, Quantity: quantity}
}

// items wants these items in the cart, in this order.
func items(t testkit.T, kit *testkit.EventSourced, want ...*pb.LineItem) {
	t.Helper()
	kit.Run(getCart, &pb.GetShoppingCart{UserId: "ada"}).WantReply(&pb.Cart{Items: want})
}

func TestAdd(t *testing.T) {
	t.Parallel()
	kit := testkit.NewEventSourced(t, cart.Service(), "ada")
	items(t, kit)

	result := kit.Run(addItem, add("tea", 2))
	result.WantReply(&emptypb.Empty{})
	result.WantEvents(added("tea", 2))
	kit.Run(addItem, add("rye", 1)).WantEvents(added("rye", 1))
	kit.Run(addItem, add("tea", 3)).WantEvents(added("tea", 3))
	items(t, kit, item("tea", 5), item("rye", 1))
}

func TestRemove(t *testing.T) {
	t.Parallel()
	kit := testkit.NewEventSourced(t, cart.Service(), "ada")
	kit.Given(added("tea", 2), added("rye", 1))

	result := kit.Run(removeItem, remove("tea"))
	result.WantReply(&emptypb.Empty{})
	result.WantEvents(removed("tea"))
	items(t, kit, item("rye", 1))

	kit.Run(removeItem, remove("tea")).WantFailure(codes.NotFound)
	kit.Run(addItem, add("tea", 1))
	items(t, kit, item("rye", 1), item("tea", 1))
}

// TestRefused: what cannot be added or removed fails with a code, and changes nothing.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rpc     string
		command proto.Message
		code    codes.Code
	}{
		"none":       {addItem, add("tea", 0), codes.InvalidArgument},
		"less":       {addItem, add("tea", -1), codes.InvalidArgument},
		"no product": {addItem, add("", 1), codes.InvalidArgument},
		"too many":   {addItem, add("tea", 2), codes.OutOfRange},
		"not there":  {removeItem, remove("rye"), codes.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			kit := testkit.NewEventSourced(t, cart.Service(), "ada")
			kit.Given(added("tea", math.MaxInt32-1))
			result := kit.Run(c.rpc, c.command)
			result.WantFailure(c.code)
			result.WantEvents()
			items(t, kit, item("tea", math.MaxInt32-1))
		})
	}
}

// TestMost: a product may be in the cart as often as its quantity can be counted.
func TestMost(t *testing.T) {
	t.Parallel()
	kit := testkit.NewEventSourced(t, cart.Service(), "ada")
	kit.Given(added("tea", math.MaxInt32-1))
	kit.Run(addItem, add("tea", 1))
	items(t, kit, item("tea", math.MaxInt32))
}

// TestSnapshot: the hundredth event brings a snapshot, from which the cart is made again.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	kit := testkit.NewEventSourced(t, cart.Service(), "ada")
	kit.Given(slices.Repeat([]any{added("tea", 1)}, 98)...)
	if result := kit.Run(addItem, add("rye", 1)); result.Snapshot != nil {
		t.Errorf("a snapshot after 99 events: %v", result.Snapshot)
	}
	want := &domain.Cart{Items: []*domain.LineItem{added("tea", 99).GetItem(), added("rye", 1).GetItem()}}
	result := kit.Run(addItem, add("tea", 1))
	if snapshot, ok := result.Snapshot.(*domain.Cart); !ok || !proto.Equal(snapshot, want) {
		t.Errorf("the snapshot after 100 events is %v", result.Snapshot)
	}
	kit.Restart()
	items(t, kit, item("tea", 99), item("rye", 1))
}

// TestModel plays commands at random: the cart is what a plain map makes of them, also after restarts.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		model := make(map[string]int32)
		kit := testkit.NewEventSourced(t, cart.Service(), "ada")
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			product := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "product")
			switch rapid.SampledFrom([]string{"add", "add", "remove", "restart"}).Draw(t, "do") {
			case "add":
				quantity := rapid.Int32Range(-1, 5).Draw(t, "quantity")
				kit.Run(addItem, add(product, quantity))
				if quantity > 0 {
					model[product] += quantity
				}
			case "remove":
				kit.Run(removeItem, remove(product))
				delete(model, product)
			case "restart":
				kit.Restart()
			}
			got := testkit.Reply[*pb.Cart](kit.Run(getCart, &pb.GetShoppingCart{UserId: "ada"})).GetItems()
			counted := make(map[string]int32)
			for _, item := range got {
				counted[item.GetProductId()] = item.GetQuantity()
			}
			if len(got) != len(model) || !maps.Equal(counted, model) {
				t.Fatalf("the cart is %v, want %v", got, model)
			}
		}
	})
}
