package cloudstate_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"google.golang.org/protobuf/types/known/emptypb"

	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
	vedomain "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart/persistence"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/action"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
	"github.com/stateful-serverless/cloudstate/support-go/value"
)

// basket counts items by product. Its zero value is the empty basket.
type basket struct {
	count map[string]int32
}

func (b *basket) add(ctx *eventsourced.Context, command *shoppingcart.AddLineItem) (*emptypb.Empty, error) {
	if command.GetQuantity() <= 0 {
		return nil, errors.New("the quantity must be positive")
	}
	ctx.Emit(&domain.ItemAdded{Item: &domain.LineItem{ProductId: command.GetProductId(), Quantity: command.GetQuantity()}})
	return &emptypb.Empty{}, nil
}

func (b *basket) remove(ctx *eventsourced.Context, command *shoppingcart.RemoveLineItem) (*emptypb.Empty, error) {
	ctx.Emit(&domain.ItemRemoved{ProductId: command.GetProductId()})
	return &emptypb.Empty{}, nil
}

func (b *basket) get(*eventsourced.Context, *shoppingcart.GetShoppingCart) (*shoppingcart.Cart, error) {
	cart := &shoppingcart.Cart{}
	for product, count := range b.count {
		cart.Items = append(cart.Items, &shoppingcart.LineItem{ProductId: product, Quantity: count})
	}
	return cart, nil
}

func (b *basket) added(event *domain.ItemAdded) {
	if b.count == nil {
		b.count = make(map[string]int32)
	}
	b.count[event.GetItem().GetProductId()] += event.GetItem().GetQuantity()
}

func (b *basket) removed(event *domain.ItemRemoved) { delete(b.count, event.GetProductId()) }

// An event sourced entity: methods of the state decide on commands, and others apply events.
func Example_eventSourced() {
	service := eventsourced.New(
		eventsourced.Config{Service: &shoppingcart.ShoppingCart_ServiceDesc, PersistenceID: "basket"},
		eventsourced.Command(shoppingcart.ShoppingCart_AddItem_FullMethodName, (*basket).add),
		eventsourced.Command(shoppingcart.ShoppingCart_RemoveItem_FullMethodName, (*basket).remove),
		eventsourced.Command(shoppingcart.ShoppingCart_GetCart_FullMethodName, (*basket).get),
		eventsourced.Event((*basket).added),
		eventsourced.Event((*basket).removed),
	)
	server := cloudstate.Server{Services: []cloudstate.Service{service}}
	fmt.Println(server.Check())
	// Output: <nil>
}

// A value entity: functions read the value, and replace or delete it.
func Example_valueEntity() {
	type ctx = value.Context[*vedomain.Cart]
	add := func(ctx *ctx, command *vecart.AddLineItem) (*emptypb.Empty, error) {
		cart := ctx.State()
		cart.Items = append(cart.Items, &vedomain.LineItem{ProductId: command.GetProductId(), Quantity: command.GetQuantity()})
		ctx.Update(cart)
		return &emptypb.Empty{}, nil
	}
	remove := func(ctx *ctx, _ *vecart.RemoveLineItem) (*emptypb.Empty, error) {
		return nil, fmt.Errorf("the cart of %s takes nothing back", ctx.EntityID())
	}
	get := func(ctx *ctx, _ *vecart.GetShoppingCart) (*vecart.Cart, error) {
		return &vecart.Cart{Items: make([]*vecart.LineItem, len(ctx.State().GetItems()))}, nil
	}
	empty := func(ctx *ctx, _ *vecart.RemoveShoppingCart) (*emptypb.Empty, error) {
		ctx.Delete()
		return &emptypb.Empty{}, nil
	}
	service := value.New(
		value.Config{Service: &vecart.ShoppingCart_ServiceDesc, PersistenceID: "cart"},
		value.Command(vecart.ShoppingCart_AddItem_FullMethodName, add),
		value.Command(vecart.ShoppingCart_RemoveItem_FullMethodName, remove),
		value.Command(vecart.ShoppingCart_GetCart_FullMethodName, get),
		value.Command(vecart.ShoppingCart_RemoveCart_FullMethodName, empty),
	)
	server := cloudstate.Server{Services: []cloudstate.Service{service}}
	fmt.Println(server.Check())
	// Output: <nil>
}

// An action: one function for each rpc, of the shape that the rpc has.
func Example_action() {
	type (
		request  = actionmodel.Request
		response = actionmodel.Response
	)
	unary := func(ctx *action.Context, in *request) (*response, error) {
		caller, _ := ctx.Metadata().Get("x-caller")
		return &response{Message: "hello " + caller}, nil
	}
	streamedIn := func(_ *action.Context, in iter.Seq2[*request, error]) (*response, error) {
		count := 0
		for _, err := range in {
			if err != nil {
				return nil, err
			}
			count++
		}
		return &response{Message: fmt.Sprint(count)}, nil
	}
	streamedOut := func(ctx *action.Context, in *request, out *action.Responses[*response]) error {
		ctx.SideEffect(actionmodel.ActionTwo_Call_FullMethodName, &actionmodel.OtherRequest{Id: "log"})
		for range in.GetGroups() {
			if err := out.Reply(&response{}); err != nil {
				return err
			}
		}
		return nil
	}
	streamed := func(ctx *action.Context, in iter.Seq2[*request, error], out *action.Responses[*response]) error {
		for request, err := range in {
			if err != nil {
				return err
			}
			if err := streamedOut(ctx, request, out); err != nil {
				return err
			}
		}
		return nil
	}
	service := action.New(&actionmodel.ActionTckModel_ServiceDesc,
		action.Unary(actionmodel.ActionTckModel_ProcessUnary_FullMethodName, unary),
		action.StreamedIn(actionmodel.ActionTckModel_ProcessStreamedIn_FullMethodName, streamedIn),
		action.StreamedOut(actionmodel.ActionTckModel_ProcessStreamedOut_FullMethodName, streamedOut),
		action.Streamed(actionmodel.ActionTckModel_ProcessStreamed_FullMethodName, streamed),
	)
	server := cloudstate.Server{Services: []cloudstate.Service{service}}
	fmt.Println(server.Check())
	// Output: <nil>
}

// What is forgotten or mistyped is found at start, and the error says what to write.
func ExampleServer_Check() {
	server := cloudstate.Server{Services: []cloudstate.Service{
		eventsourced.New(
			eventsourced.Config{Service: &shoppingcart.ShoppingCart_ServiceDesc, PersistenceID: "basket"},
			eventsourced.Command(shoppingcart.ShoppingCart_AddItem_FullMethodName, (*basket).add),
			eventsourced.Command(shoppingcart.ShoppingCart_GetCart_FullMethodName, (*basket).get),
		),
	}}
	fmt.Println(server.Check())
	// Output:
	// user function is not fit to be served:
	// service com.example.shoppingcart.ShoppingCart: handlers do not match the service: rpc RemoveItem has no handler: add eventsourced.Command("/com.example.shoppingcart.ShoppingCart/RemoveItem", ...) taking *com.example.shoppingcart.RemoveLineItem and giving *google.protobuf.Empty
}

// Run serves until SIGTERM or SIGINT, here on a free port and until the context ends.
func ExampleServer_Run() {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := os.Setenv("PORT", "0"); err != nil {
		fmt.Println(err)
	}
	service := action.New(&actionmodel.ActionTwo_ServiceDesc, action.Unary(actionmodel.ActionTwo_Call_FullMethodName,
		func(*action.Context, *actionmodel.OtherRequest) (*actionmodel.Response, error) {
			return &actionmodel.Response{}, nil
		}))
	server := cloudstate.Server{Name: "two", Services: []cloudstate.Service{service}}
	fmt.Println(server.Run(ctx))
	// Output: <nil>
}
