package testkit_test

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
)

// tally is the entity under test: how many of what, and in which order they came. It is a cart without names.
type tally struct {
	owner string
	order []string
	count map[string]int32
	now   func() int // differs from instance to instance, and is no state
	peer  *peer      // is shared by all instances
}

// peer is not to be looked into: it is never equal.
type peer struct{}

func (*peer) Equal(*peer) bool { return false }

var thePeer = &peer{}

// removed is an event that travels as JSON.
type removed struct{ Product string }

func (removed) JSONType() string { return "removed" }

func newTally(id string) *tally {
	return &tally{owner: id, now: func() int { return 1 }, peer: thePeer}
}

func (c *tally) add(ctx *eventsourced.Context, command *shoppingcart.AddLineItem) (*emptypb.Empty, error) {
	if command.GetQuantity() <= 0 {
		return nil, status.Error(codes.InvalidArgument, "not that few")
	}
	ctx.Emit(added(command.GetProductId(), command.GetQuantity()))
	if command.GetName() == "late" {
		return nil, status.Error(codes.Aborted, "too late")
	}
	if who, ok := ctx.Metadata().Get("from"); ok {
		ctx.AddReplyMetadata(cloudstate.Text("to", who))
	}
	return &emptypb.Empty{}, nil
}

func (c *tally) remove(ctx *eventsourced.Context, command *shoppingcart.RemoveLineItem) (*emptypb.Empty, error) {
	if c.count[command.GetProductId()] == 0 {
		return nil, fmt.Errorf("%s has no %s", c.owner, command.GetProductId())
	}
	ctx.Emit(removed{command.GetProductId()})
	ctx.SideEffect(shoppingcart.ShoppingCart_GetCart_FullMethodName, &shoppingcart.GetShoppingCart{UserId: "log"})
	ctx.SynchronousSideEffect(shoppingcart.ShoppingCart_GetCart_FullMethodName,
		&shoppingcart.GetShoppingCart{UserId: "mail"}, cloudstate.Text("k", "v"))
	return &emptypb.Empty{}, nil
}

func (c *tally) get(ctx *eventsourced.Context, command *shoppingcart.GetShoppingCart) (*shoppingcart.Cart, error) {
	if to, ok := ctx.Metadata().Get("forward"); ok {
		ctx.Forward(shoppingcart.ShoppingCart_GetCart_FullMethodName, &shoppingcart.GetShoppingCart{UserId: to})
		return nil, nil
	}
	ctx.AddReplyMetadata(cloudstate.Text("command", fmt.Sprint(ctx.CommandID())))
	reply := &shoppingcart.Cart{}
	for _, product := range c.order {
		reply.Items = append(reply.Items, &shoppingcart.LineItem{ProductId: product, Quantity: c.count[product]})
	}
	return reply, nil
}

func (c *tally) added(event *domain.ItemAdded) {
	if c.count == nil {
		c.count = make(map[string]int32)
	}
	product := event.GetItem().GetProductId()
	if c.count[product] == 0 {
		c.order = append(c.order, product)
	}
	c.count[product] += event.GetItem().GetQuantity()
}

func (c *tally) removed(event removed) {
	delete(c.count, event.Product)
	c.order = slices.DeleteFunc(c.order, func(product string) bool { return product == event.Product })
}

func (c *tally) snapshot() *domain.Cart {
	cart := &domain.Cart{}
	for _, product := range c.order {
		cart.Items = append(cart.Items, &domain.LineItem{ProductId: product, Quantity: c.count[product]})
	}
	return cart
}

func (c *tally) restore(cart *domain.Cart) {
	c.count = make(map[string]int32)
	for _, item := range cart.GetItems() {
		c.added(&domain.ItemAdded{Item: item})
	}
}

func added(product string, quantity int32) *domain.ItemAdded {
	return &domain.ItemAdded{Item: &domain.LineItem{ProductId: product, Quantity: quantity}}
}

// handlers are the parts of a tally, of which a test breaks one.
type handlers struct {
	initial func(string) *tally
	add     func(*tally, *eventsourced.Context, *shoppingcart.AddLineItem) (*emptypb.Empty, error)
	get     func(*tally, *eventsourced.Context, *shoppingcart.GetShoppingCart) (*shoppingcart.Cart, error)
	added   func(*tally, *domain.ItemAdded) // nil: not registered
	take    func(*tally) *domain.Cart       // nil: no snapshots
	restore func(*tally, *domain.Cart)
}

// tallyService is the entity, with one of its parts broken if a test says so. It has a snapshot every two events.
func tallyService(breaks ...func(*handlers)) cloudstate.Service {
	h := handlers{newTally, (*tally).add, (*tally).get, (*tally).added, (*tally).snapshot, (*tally).restore}
	for _, change := range breaks {
		change(&h)
	}
	parts := []eventsourced.Handler[tally]{
		eventsourced.Initial(h.initial),
		eventsourced.Command(shoppingcart.ShoppingCart_AddItem_FullMethodName, h.add),
		eventsourced.Command(shoppingcart.ShoppingCart_RemoveItem_FullMethodName, (*tally).remove),
		eventsourced.Command(shoppingcart.ShoppingCart_GetCart_FullMethodName, h.get),
		eventsourced.Event((*tally).removed),
	}
	if h.added != nil {
		parts = append(parts, eventsourced.Event(h.added))
	}
	if h.take != nil {
		parts = append(parts, eventsourced.Snapshot(h.take, h.restore))
	}
	return eventsourced.New(eventsourced.Config{
		Service: &shoppingcart.ShoppingCart_ServiceDesc, PersistenceID: "tally", SnapshotEvery: 2,
	}, parts...)
}
