package testkit_test

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	domain "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/action"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

// basket counts items by product.
type basket struct{ count map[string]int32 }

func (b *basket) add(ctx *eventsourced.Context, command *shoppingcart.AddLineItem) (*emptypb.Empty, error) {
	if command.GetQuantity() <= 0 {
		return nil, status.Error(codes.InvalidArgument, "the quantity must be positive")
	}
	ctx.Emit(&domain.ItemAdded{Item: &domain.LineItem{ProductId: command.GetProductId(), Quantity: command.GetQuantity()}})
	return &emptypb.Empty{}, nil
}

// remove has the mistake that is made most often: it changes the state itself, and no event says so.
func (b *basket) remove(_ *eventsourced.Context, command *shoppingcart.RemoveLineItem) (*emptypb.Empty, error) {
	delete(b.count, command.GetProductId())
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
	b.count[event.GetItem().GetProductId()] += event.GetItem().GetQuantity()
}

func basketService() cloudstate.Service {
	return eventsourced.New(
		eventsourced.Config{Service: &shoppingcart.ShoppingCart_ServiceDesc, PersistenceID: "basket"},
		eventsourced.Command(shoppingcart.ShoppingCart_AddItem_FullMethodName, (*basket).add),
		eventsourced.Command(shoppingcart.ShoppingCart_RemoveItem_FullMethodName, (*basket).remove),
		eventsourced.Command(shoppingcart.ShoppingCart_GetCart_FullMethodName, (*basket).get),
		eventsourced.Event((*basket).added),
		eventsourced.Initial(func(string) *basket { return &basket{count: make(map[string]int32)} }),
	)
}

// In a test, t is the *testing.T; an example has none, so it gets one from Try.
func ExampleNewEventSourced() {
	err := testkit.Try(func(t testkit.T) {
		kit := testkit.NewEventSourced(t, basketService(), "ada")
		kit.Given(&domain.ItemAdded{Item: &domain.LineItem{ProductId: "tea", Quantity: 1}})

		result := kit.Run(shoppingcart.ShoppingCart_AddItem_FullMethodName,
			&shoppingcart.AddLineItem{UserId: "ada", ProductId: "tea", Quantity: 2})
		result.WantReply(&emptypb.Empty{})
		result.WantEvents(&domain.ItemAdded{Item: &domain.LineItem{ProductId: "tea", Quantity: 2}})

		kit.Run(shoppingcart.ShoppingCart_AddItem_FullMethodName,
			&shoppingcart.AddLineItem{UserId: "ada", ProductId: "rye", Quantity: 0}).WantFailure(codes.InvalidArgument)

		kit.Restart()
		cart := testkit.Reply[*shoppingcart.Cart](
			kit.Run(shoppingcart.ShoppingCart_GetCart_FullMethodName, &shoppingcart.GetShoppingCart{UserId: "ada"}))
		fmt.Println(len(cart.GetItems()), cart.GetItems()[0].GetQuantity(), testkit.State[basket](kit).count)
	})
	fmt.Println(err)
	// Output:
	// 1 3 map[tea:3]
	// <nil>
}

// A state that its events do not make is found by the command that made it, whatever the test looks at.
func ExampleEventSourced_Run() {
	err := testkit.Try(func(t testkit.T) {
		kit := testkit.NewEventSourced(t, basketService(), "ada")
		kit.Given(&domain.ItemAdded{Item: &domain.LineItem{ProductId: "tea", Quantity: 1}})
		kit.Run("RemoveItem", &shoppingcart.RemoveLineItem{UserId: "ada", ProductId: "tea"})
	})
	told, _, _ := strings.Cut(err.Error(), ". ")
	fmt.Println(told)
	// Output:
	// testkit: RemoveItem: the state is not what the events make of it: only eventsourced.Event handlers may change it, and they must give the same result each time
}

func ExampleNewAction() {
	greet := func(ctx *action.Context, request *actionmodel.OtherRequest) (*actionmodel.Response, error) {
		ctx.SideEffect(actionmodel.ActionTwo_Call_FullMethodName, &actionmodel.OtherRequest{Id: "log"})
		return &actionmodel.Response{Message: "hello " + request.GetId()}, nil
	}
	service := action.New(&actionmodel.ActionTwo_ServiceDesc, action.Unary(actionmodel.ActionTwo_Call_FullMethodName, greet))
	err := testkit.Try(func(t testkit.T) {
		kit := testkit.NewAction(t, service)
		result := kit.Run(context.Background(), actionmodel.ActionTwo_Call_FullMethodName, &actionmodel.OtherRequest{Id: "ada"})
		fmt.Println(testkit.Reply[*actionmodel.Response](result).GetMessage())
		fmt.Println(result.Effects[0].Method)
	})
	fmt.Println(err)
	// Output:
	// hello ada
	// /cloudstate.tck.model.action.ActionTwo/Call
	// <nil>
}
