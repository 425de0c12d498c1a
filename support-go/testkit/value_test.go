package testkit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
	"github.com/stateful-serverless/cloudstate/support-go/value"
)

// stock is a value that travels as JSON.
type stock map[string]int32

func (stock) JSONType() string { return "stock" }

// UnmarshalJSON refuses what MarshalJSON, which a map has of itself, may have written.
func (s *stock) UnmarshalJSON(text []byte) error {
	counts := map[string]int32{}
	if err := json.Unmarshal(text, &counts); err != nil {
		return err
	}
	if _, ok := counts["unreadable"]; ok {
		return errors.New("cannot be read again")
	}
	*s = counts
	return nil
}

type stockContext = value.Context[stock]

func addStock(ctx *stockContext, command *pb.AddLineItem) (*emptypb.Empty, error) {
	current := ctx.State()
	if current == nil {
		current = stock{}
	}
	current[command.GetProductId()] += command.GetQuantity()
	ctx.Update(current)
	switch command.GetName() {
	case "late":
		return nil, status.Error(codes.Aborted, "too late")
	case "panic":
		panic("out of stock")
	}
	return &emptypb.Empty{}, nil
}

func removeStock(ctx *stockContext, command *pb.RemoveLineItem) (*emptypb.Empty, error) {
	ctx.SideEffect(pb.ShoppingCart_GetCart_FullMethodName, &pb.GetShoppingCart{UserId: "log"})
	ctx.Forward(pb.ShoppingCart_RemoveCart_FullMethodName, &pb.RemoveShoppingCart{UserId: command.GetUserId()})
	return nil, nil
}

func getStock(ctx *stockContext, _ *pb.GetShoppingCart) (*pb.Cart, error) {
	ctx.AddReplyMetadata(cloudstate.Text("command", fmt.Sprint(ctx.CommandID())))
	reply := &pb.Cart{}
	for product, count := range ctx.State() {
		reply.Items = append(reply.Items, &pb.LineItem{ProductId: product, Quantity: count})
	}
	return reply, nil
}

func clearStock(ctx *stockContext, _ *pb.RemoveShoppingCart) (*emptypb.Empty, error) {
	ctx.Delete()
	return &emptypb.Empty{}, nil
}

func stockService() cloudstate.Service {
	return value.New(value.Config{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "stock"},
		value.Command(pb.ShoppingCart_AddItem_FullMethodName, addStock),
		value.Command(pb.ShoppingCart_RemoveItem_FullMethodName, removeStock),
		value.Command(pb.ShoppingCart_GetCart_FullMethodName, getStock),
		value.Command(pb.ShoppingCart_RemoveCart_FullMethodName, clearStock))
}

func addValue(product, name string) *pb.AddLineItem {
	return &pb.AddLineItem{UserId: who, ProductId: product, Name: name, Quantity: 1}
}

func getValue() *pb.GetShoppingCart { return &pb.GetShoppingCart{UserId: who} }

// TestValue: what is stored goes with the changes of commands that succeed, and is all that an instance starts from.
func TestValue(t *testing.T) {
	t.Parallel()
	kit := testkit.NewValue[stock](t, stockService(), who)
	if kit.Exists() || kit.State() != nil {
		t.Errorf("a new entity has the value %v", kit.State())
	}
	result := kit.Run("AddItem", addValue("tea", ""))
	result.WantReply(&emptypb.Empty{})
	if !result.Updated || result.Deleted {
		t.Errorf("the result does not tell of the update: %+v", result)
	}
	result = kit.Run("AddItem", addValue("rye", "late"))
	result.WantFailure(codes.Aborted)
	if result.Updated {
		t.Error("a failed command has updated the value")
	}
	same(t, "value", stock{"tea": 1}, kit.State())

	kit.Given(stock{"rye": 7})
	kit.Run("GetCart", getValue()).WantReply(&pb.Cart{Items: []*pb.LineItem{{ProductId: "rye", Quantity: 7}}})
	result = kit.Run(pb.ShoppingCart_RemoveItem_FullMethodName, &pb.RemoveLineItem{UserId: who})
	same(t, "forward", &testkit.Call{
		Method: pb.ShoppingCart_RemoveCart_FullMethodName, Message: &pb.RemoveShoppingCart{UserId: who},
	}, result.Forward)
	same(t, "effects", []testkit.Effect{{Call: testkit.Call{
		Method: pb.ShoppingCart_GetCart_FullMethodName, Message: &pb.GetShoppingCart{UserId: "log"},
	}}}, result.Effects)

	if result = kit.Run("RemoveCart", &pb.RemoveShoppingCart{UserId: who}); !result.Deleted || kit.Exists() {
		t.Errorf("the value %v is there after it was deleted: %+v", kit.State(), result)
	}
	kit.Restart()
	kit.Run("GetCart", getValue()).WantReply(&pb.Cart{})
	kit.Run("AddItem", addValue("oat", ""))
	kit.Restart()
	result = kit.Run("GetCart", getValue())
	result.WantReply(&pb.Cart{Items: []*pb.LineItem{{ProductId: "oat", Quantity: 1}}})
	// A new stream counts its commands from 1.
	same(t, "reply metadata", cloudstate.Metadata{cloudstate.Text("command", "1")}, result.Metadata)
}
