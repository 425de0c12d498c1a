package testkit_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vepb "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

// TestMisuse: what a test does wrong, and what it expects in vain, is told in words that say how to mend it.
func TestMisuse(t *testing.T) {
	t.Parallel()
	tallyKit := func(t testkit.T) *testkit.EventSourced { return testkit.NewEventSourced(t, tallyService(), who) }
	stockKit := func(t testkit.T) *testkit.Value[stock] { return testkit.NewValue[stock](t, stockService(), who) }
	echoKit := func(t testkit.T) *testkit.Action { return testkit.NewAction(t, echoService()) }
	ctx := t.Context()
	for name, c := range map[string]struct {
		do   func(testkit.T)
		want string
	}{
		"unknown command": {func(t testkit.T) { tallyKit(t).Run("Add", add("a", 1)) },
			`has no rpc "Add"; it has AddItem, RemoveItem, GetCart`},
		"command of another service": {func(t testkit.T) { tallyKit(t).Run(vepb.ShoppingCart_AddItem_FullMethodName, add("a", 1)) },
			`com.example.shoppingcart.ShoppingCart has no rpc "/com.example.valueentity.shoppingcart.ShoppingCart/AddItem"`},
		"wrong message": {func(t testkit.T) { tallyKit(t).Run("AddItem", get()) },
			"AddItem takes *com.example.shoppingcart.AddLineItem, not *shoppingcart.GetShoppingCart"},
		"no message": {func(t testkit.T) { stockKit(t).Run("AddItem", nil) },
			"AddItem takes *com.example.valueentity.shoppingcart.AddLineItem, not <nil>"},
		"message that cannot be encoded": {func(t testkit.T) { tallyKit(t).Run("AddItem", add("\xff", 1)) }, "AddItem: request: encode"},
		"message that is too large": {func(t testkit.T) { tallyKit(t).Run("AddItem", add(strings.Repeat("x", 12<<20), 1)) },
			"a user function takes at most 12582912"},
		"another entity": {func(t testkit.T) { tallyKit(t).Run("GetCart", &pb.GetShoppingCart{UserId: "bob"}) },
			`GetCart is for entity "bob" by its user_id, and this kit has entity "ada"`},
		"no entity id":      {func(t testkit.T) { testkit.NewEventSourced(t, tallyService(), "") }, "the entity id is empty"},
		"no service":        {func(t testkit.T) { testkit.NewAction(t, nil) }, "service number 1 is nil"},
		"wrong constructor": {func(t testkit.T) { testkit.NewEventSourced(t, stockService(), who) }, "use testkit.NewValue"},
		"unfit definition": {func(t testkit.T) {
			testkit.NewEventSourced(t, eventsourced.New(eventsourced.Config{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "x"},
				eventsourced.Command(pb.ShoppingCart_AddItem_FullMethodName, (*tally).add)), who)
		}, "rpc RemoveItem has no handler"},
		"events that are none": {func(t testkit.T) { tallyKit(t).Given(7) }, "no Cloudstate encoding for this Go type"},
		"events without handler": {func(t testkit.T) { tallyKit(t).Given(&emptypb.Empty{}) },
			`event of sequence number 1: "type.googleapis.com/google.protobuf.Empty" has no eventsourced.Event handler`},
		"snapshot without handler": {func(t testkit.T) {
			testkit.NewEventSourced(t, tallyService(func(h *handlers) { h.take = nil }), who).GivenSnapshot(1, stored())
		}, "the entity has no eventsourced.Snapshot to restore it"},
		"snapshot of another type": {func(t testkit.T) { tallyKit(t).GivenSnapshot(1, "text") }, "payload has the wrong type"},
		"snapshot of nothing":      {func(t testkit.T) { tallyKit(t).GivenSnapshot(0, stored()) }, "a snapshot covers at least one"},
		"snapshot too late": {func(t testkit.T) {
			kit := tallyKit(t)
			kit.Given(added("a", 1))
			kit.GivenSnapshot(1, stored())
		}, "give the snapshot first"},
		"state of another type": {func(t testkit.T) { testkit.State[handlers](tallyKit(t)) },
			"is a *testkit_test.tally, not a *testkit_test.handlers"},
		"value of another type": {func(t testkit.T) { testkit.NewValue[string](t, stockService(), who).Given("text") },
			"Given: no instance can start from the stored value"},
		"value read as another type": {func(t testkit.T) {
			kit := testkit.NewValue[string](t, stockService(), who)
			kit.Run("AddItem", addValue("a", ""))
			kit.State()
		}, `"json.cloudstate.io/stock" where "p.cloudstate.io/string" is expected`},
		"value that cannot be read again": {func(t testkit.T) { stockKit(t).Run("AddItem", addValue("unreadable", "")) },
			"AddItem: no instance can start from the stored value"},
		"panic of a value entity": {func(t testkit.T) { stockKit(t).Run("AddItem", addValue("a", "panic")) }, "panic: out of stock"},
		"panic of an action":      {func(t testkit.T) { echoKit(t).Run(ctx, "ProcessUnary", groups(13)) }, "panic: bad luck"},
		"panic in a stream": {func(t testkit.T) {
			call := echoKit(t).Open(ctx, "ProcessStreamed")
			call.Send(groups(1))
			call.Send(groups(13))
			call.Finish()
		}, "panic: bad luck"},
		"streamed rpc run":      {func(t testkit.T) { echoKit(t).Run(ctx, "ProcessStreamed", groups(1)) }, "ProcessStreamed is streamed: use Open"},
		"unknown rpc of action": {func(t testkit.T) { echoKit(t).Open(ctx, "Process") }, `has no rpc "Process"`},
		"wrong message to action": {func(t testkit.T) { echoKit(t).Open(ctx, "ProcessStreamed").Send(&emptypb.Empty{}) },
			"ProcessStreamed takes *cloudstate.tck.model.action.Request, not *emptypb.Empty"},
		"two messages": {func(t testkit.T) {
			call := echoKit(t).Open(ctx, "ProcessStreamedOut")
			call.Send(groups(1))
			call.Send(groups(1))
		}, "ProcessStreamedOut takes one message"},
		"message after the end": {func(t testkit.T) {
			call := echoKit(t).Open(ctx, "ProcessStreamed")
			call.Finish()
			call.Send(groups(1))
		}, "Send after Finish"},
		"reply of another type": {func(t testkit.T) { testkit.Reply[*pb.Cart](tallyKit(t).Run("AddItem", add("a", 1))) },
			"AddItem was answered with the reply *emptypb.Empty {}; want a reply *shoppingcart.Cart"},
		"reply instead of failure": {func(t testkit.T) { tallyKit(t).Run("AddItem", add("a", 1)).WantFailure(codes.OK) },
			"want a failure of code OK"},
		"failure instead of reply": {func(t testkit.T) { tallyKit(t).Run("AddItem", add("a", 0)).WantReply(&emptypb.Empty{}) },
			"AddItem was answered with the failure InvalidArgument: not that few; want the reply"},
		"failure of another code": {func(t testkit.T) { tallyKit(t).Run("AddItem", add("a", 0)).WantFailure(codes.NotFound) },
			"want a failure of code NotFound"},
		"another reply":  {func(t testkit.T) { tallyKit(t).Run("GetCart", get()).WantReply(cart(item("a", 1))) }, "GetCart: reply, want (-) and got (+)"},
		"another event":  {func(t testkit.T) { tallyKit(t).Run("AddItem", add("a", 1)).WantEvents(added("a", 2)) }, "AddItem: events, want (-) and got (+)"},
		"missing event":  {func(t testkit.T) { tallyKit(t).Run("GetCart", get()).WantEvents(added("a", 2)) }, "GetCart: events"},
		"one event more": {func(t testkit.T) { tallyKit(t).Run("AddItem", add("a", 1)).WantEvents() }, "AddItem: events"},
	} {
		t.Run(name, func(t *testing.T) {
			err := testkit.Try(c.do)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got: %v\nwant it to say: %s", err, c.want)
			}
		})
	}
}

// TestTry: all that a test said comes out, what it wanted cleaned is cleaned, last first, and Fatalf ends it.
func TestTry(t *testing.T) {
	t.Parallel()
	var did []string
	do := func(what string) func() { return func() { did = append(did, what) } }
	err := testkit.Try(func(t testkit.T) {
		t.Cleanup(do("first"))
		t.Cleanup(func() { t.Cleanup(do("inner")) })
		t.Errorf("one: %w", errors.ErrUnsupported)
		end := t.Fatalf
		end("two")
		do("after")()
	})
	if err == nil || err.Error() != "one: unsupported operation\ntwo" {
		t.Errorf("got %v", err)
	}
	same(t, "what was done", []string{"inner", "first"}, did)
	if err := testkit.Try(func(testkit.T) {}); err != nil {
		t.Error(err)
	}
}
