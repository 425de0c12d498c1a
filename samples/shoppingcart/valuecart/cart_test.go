package valuecart_test

import (
	"maps"
	"math"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"pgregory.net/rapid"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart/persistence"
	"github.com/stateful-serverless/cloudstate/samples/shoppingcart/valuecart"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	addItem    = pb.ShoppingCart_AddItem_FullMethodName
	removeItem = pb.ShoppingCart_RemoveItem_FullMethodName
	getCart    = pb.ShoppingCart_GetCart_FullMethodName
	removeCart = pb.ShoppingCart_RemoveCart_FullMethodName
)

// kit is a kit for the cart of ada.
type kit = testkit.Value[*domain.Cart]

func newKit(t testkit.T) *kit { return testkit.NewValue[*domain.Cart](t, valuecart.Service(), "ada") }

func add(product string, quantity int32) *pb.AddLineItem {
	return &pb.AddLineItem{UserId: "ada", ProductId: product, Name: "Fine " + product, Quantity: quantity}
}

func remove(product string) *pb.RemoveLineItem {
	return &pb.RemoveLineItem{UserId: "ada", ProductId: product}
}

func item(product string, quantity int32) *domain.LineItem {
	return &domain.LineItem{ProductId: product, Name: "Fine " + product, Quantity: quantity}
}

// items wants these items in the cart, in this order, as it is stored and as it is shown.
func items(t testkit.T, kit *kit, want ...*domain.LineItem) {
	t.Helper()
	if stored := kit.State(); !proto.Equal(stored, &domain.Cart{Items: want}) {
		t.Errorf("the stored cart is %v, want %v", stored, want)
	}
	shown := &pb.Cart{}
	for _, item := range want {
		shown.Items = append(shown.Items,
			&pb.LineItem{ProductId: item.GetProductId(), Name: item.GetName(), Quantity: item.GetQuantity()})
	}
	kit.Run(getCart, &pb.GetShoppingCart{UserId: "ada"}).WantReply(shown)
}

func TestAdd(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	items(t, kit)

	result := kit.Run(addItem, add("tea", 2))
	result.WantReply(&emptypb.Empty{})
	if !result.Updated {
		t.Error("the cart was not updated")
	}
	kit.Run(addItem, add("rye", 1))
	kit.Run(addItem, add("tea", 3))
	items(t, kit, item("tea", 5), item("rye", 1))
	kit.Restart()
	items(t, kit, item("tea", 5), item("rye", 1))
}

func TestRemove(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	kit.Given(&domain.Cart{Items: []*domain.LineItem{item("tea", 2), item("rye", 1)}})

	kit.Run(removeItem, remove("tea")).WantReply(&emptypb.Empty{})
	items(t, kit, item("rye", 1))
	kit.Run(removeItem, remove("tea")).WantFailure(codes.NotFound)
	items(t, kit, item("rye", 1))
}

// TestRemoveCart: of a removed cart nothing is stored, and the next item begins a new one.
func TestRemoveCart(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	kit.Given(&domain.Cart{Items: []*domain.LineItem{item("tea", 2)}})

	result := kit.Run(removeCart, &pb.RemoveShoppingCart{UserId: "ada"})
	result.WantReply(&emptypb.Empty{})
	if !result.Deleted || kit.Exists() {
		t.Error("the cart is still stored")
	}
	items(t, kit)
	kit.Run(addItem, add("rye", 1))
	items(t, kit, item("rye", 1))
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
			kit := newKit(t)
			kit.Given(&domain.Cart{Items: []*domain.LineItem{item("tea", math.MaxInt32-1)}})
			result := kit.Run(c.rpc, c.command)
			result.WantFailure(c.code)
			if result.Updated || result.Deleted {
				t.Error("the cart was changed")
			}
			items(t, kit, item("tea", math.MaxInt32-1))
		})
	}
}

// TestMost: a product may be in the cart as often as its quantity can be counted.
func TestMost(t *testing.T) {
	t.Parallel()
	kit := newKit(t)
	kit.Given(&domain.Cart{Items: []*domain.LineItem{item("tea", math.MaxInt32-1)}})
	kit.Run(addItem, add("tea", 1))
	items(t, kit, item("tea", math.MaxInt32))
}

// TestModel plays commands at random: the cart is what a plain map makes of them, also after restarts.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		model := make(map[string]int32)
		kit := newKit(t)
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			product := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "product")
			switch rapid.SampledFrom([]string{"add", "add", "remove", "restart", "empty"}).Draw(t, "do") {
			case "add":
				quantity := rapid.Int32Range(-1, 5).Draw(t, "quantity")
				kit.Run(addItem, add(product, quantity))
				if quantity > 0 {
					model[product] += quantity
				}
			case "remove":
				kit.Run(removeItem, remove(product))
				delete(model, product)
			case "empty":
				kit.Run(removeCart, &pb.RemoveShoppingCart{UserId: "ada"})
				clear(model)
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
