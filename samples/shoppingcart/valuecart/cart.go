package valuecart

import (
	"math"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart/persistence"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/value"
)

// Service is the shopping cart, to be handed to a cloudstate.Server.
func Service() cloudstate.Service {
	return value.New(
		value.Config{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "value-entity-shopping-cart"},
		value.Command(pb.ShoppingCart_AddItem_FullMethodName, addItem),
		value.Command(pb.ShoppingCart_RemoveItem_FullMethodName, removeItem),
		value.Command(pb.ShoppingCart_GetCart_FullMethodName, getCart),
		value.Command(pb.ShoppingCart_RemoveCart_FullMethodName, removeCart),
	)
}

// context is what the handlers below are given: a copy of the cart is ctx.State().
type context = value.Context[*domain.Cart]

func addItem(ctx *context, command *pb.AddLineItem) (*emptypb.Empty, error) {
	if command.GetProductId() == "" {
		return nil, status.Error(codes.InvalidArgument, "The product id must not be empty.")
	}
	if command.GetQuantity() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument,
			"The quantity of item %s must be positive, not %d.", command.GetProductId(), command.GetQuantity())
	}
	cart := ctx.State()
	i := find(cart, command.GetProductId())
	if i < 0 {
		cart.Items = append(cart.Items, &domain.LineItem{ProductId: command.GetProductId(), Name: command.GetName()})
		i = len(cart.GetItems()) - 1
	}
	item := cart.GetItems()[i]
	if item.GetQuantity() > math.MaxInt32-command.GetQuantity() {
		return nil, status.Errorf(codes.OutOfRange,
			"Item %s is in the cart %d times already: %d more are too many.",
			item.GetProductId(), item.GetQuantity(), command.GetQuantity())
	}
	item.Quantity += command.GetQuantity()
	ctx.Update(cart)
	return &emptypb.Empty{}, nil
}

func removeItem(ctx *context, command *pb.RemoveLineItem) (*emptypb.Empty, error) {
	cart := ctx.State()
	i := find(cart, command.GetProductId())
	if i < 0 {
		return nil, status.Errorf(codes.NotFound,
			"Item %s is not in the cart of %s.", command.GetProductId(), ctx.EntityID())
	}
	cart.Items = slices.Delete(cart.GetItems(), i, i+1)
	ctx.Update(cart)
	return &emptypb.Empty{}, nil
}

func getCart(ctx *context, _ *pb.GetShoppingCart) (*pb.Cart, error) {
	reply := &pb.Cart{}
	for _, item := range ctx.State().GetItems() {
		reply.Items = append(reply.Items, &pb.LineItem{
			ProductId: item.GetProductId(),
			Name:      item.GetName(),
			Quantity:  item.GetQuantity(),
		})
	}
	return reply, nil
}

func removeCart(ctx *context, _ *pb.RemoveShoppingCart) (*emptypb.Empty, error) {
	ctx.Delete()
	return &emptypb.Empty{}, nil
}

// find returns the index of the item for a product, -1 when it is not in the cart.
func find(cart *domain.Cart, productID string) int {
	return slices.IndexFunc(cart.GetItems(), func(item *domain.LineItem) bool {
		return item.GetProductId() == productID
	})
}
