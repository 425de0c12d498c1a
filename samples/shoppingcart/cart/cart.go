package cart

import (
	"math"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
)

// Service is the shopping cart, to be handed to a cloudstate.Server.
func Service() cloudstate.Service {
	return eventsourced.New(
		eventsourced.Config{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "shopping-cart"},
		eventsourced.Command(pb.ShoppingCart_AddItem_FullMethodName, (*cart).addItem),
		eventsourced.Command(pb.ShoppingCart_RemoveItem_FullMethodName, (*cart).removeItem),
		eventsourced.Command(pb.ShoppingCart_GetCart_FullMethodName, (*cart).getCart),
		eventsourced.Event((*cart).itemAdded),
		eventsourced.Event((*cart).itemRemoved),
		eventsourced.Snapshot((*cart).snapshot, (*cart).restore),
	)
}

// cart is the state of one cart: its items in the order in which they were first added, each product once and with a
// positive quantity.
type cart struct {
	items []*domain.LineItem
}

func (c *cart) addItem(ctx *eventsourced.Context, command *pb.AddLineItem) (*emptypb.Empty, error) {
	if command.GetProductId() == "" {
		return nil, status.Error(codes.InvalidArgument, "The product id must not be empty.")
	}
	if command.GetQuantity() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument,
			"The quantity of item %s must be positive, not %d.", command.GetProductId(), command.GetQuantity())
	}
	if item := c.find(command.GetProductId()); item != nil && item.GetQuantity() > math.MaxInt32-command.GetQuantity() {
		return nil, status.Errorf(codes.OutOfRange,
			"Item %s is in the cart %d times already: %d more are too many.",
			item.GetProductId(), item.GetQuantity(), command.GetQuantity())
	}
	ctx.Emit(&domain.ItemAdded{Item: &domain.LineItem{
		ProductId: command.GetProductId(),
		Name:      command.GetName(),
		Quantity:  command.GetQuantity(),
	}})
	return &emptypb.Empty{}, nil
}

func (c *cart) removeItem(ctx *eventsourced.Context, command *pb.RemoveLineItem) (*emptypb.Empty, error) {
	if c.find(command.GetProductId()) == nil {
		return nil, status.Errorf(codes.NotFound,
			"Item %s is not in the cart of %s.", command.GetProductId(), ctx.EntityID())
	}
	ctx.Emit(&domain.ItemRemoved{ProductId: command.GetProductId()})
	return &emptypb.Empty{}, nil
}

func (c *cart) getCart(*eventsourced.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	reply := &pb.Cart{}
	for _, item := range c.items {
		reply.Items = append(reply.Items, &pb.LineItem{
			ProductId: item.GetProductId(),
			Name:      item.GetName(),
			Quantity:  item.GetQuantity(),
		})
	}
	return reply, nil
}

func (c *cart) itemAdded(event *domain.ItemAdded) {
	if item := c.find(event.GetItem().GetProductId()); item != nil {
		item.Quantity += event.GetItem().GetQuantity()
		return
	}
	c.items = append(c.items, event.GetItem())
}

func (c *cart) itemRemoved(event *domain.ItemRemoved) {
	c.items = slices.DeleteFunc(c.items, func(item *domain.LineItem) bool {
		return item.GetProductId() == event.GetProductId()
	})
}

func (c *cart) snapshot() *domain.Cart { return &domain.Cart{Items: c.items} }

func (c *cart) restore(snapshot *domain.Cart) { c.items = snapshot.GetItems() }

// find returns the item for a product, nil when it is not in the cart.
func (c *cart) find(productID string) *domain.LineItem {
	for _, item := range c.items {
		if item.GetProductId() == productID {
			return item
		}
	}
	return nil
}
