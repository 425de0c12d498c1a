// Package eventsourced serves event sourced entities: their state is what their events make of it.
//
// An author writes a struct of state, command handlers that decide, and event handlers that alone change the state:
//
//	type cart struct{ items map[string]int32 }
//
//	func (c *cart) addItem(ctx *eventsourced.Context, cmd *pb.AddLineItem) (*emptypb.Empty, error) {
//		if cmd.GetQuantity() <= 0 {
//			return nil, status.Error(codes.InvalidArgument, "quantity must be positive")
//		}
//		ctx.Emit(&domain.ItemAdded{ProductId: cmd.GetProductId(), Quantity: cmd.GetQuantity()})
//		return &emptypb.Empty{}, nil
//	}
//
//	func (c *cart) itemAdded(event *domain.ItemAdded) { c.items[event.GetProductId()] += event.GetQuantity() }
//
//	var service = eventsourced.New(
//		eventsourced.Config{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "shopping-cart"},
//		eventsourced.Command(pb.ShoppingCart_AddItem_FullMethodName, (*cart).addItem),
//		eventsourced.Event((*cart).itemAdded),
//	)
//
// What enters: the proxy's entity streams: init with a snapshot or none, events to replay, commands. What leaves: for
// each command one reply with its events, a snapshot every so many events, side effects, and the answer for the caller.
//
// Failures: an error returned by a command handler fails the command and keeps nothing of it; when it had emitted
// events the proxy is asked to restart the instance from its journal, because the state in memory has gone ahead of it
// (SPEC ES-32). A panic, and a message against the protocol, end that instance's stream only (ES-11, ES-12, ES-44, ES-50 to ES-52).
//
// Each instance is used by one goroutine at a time, so handlers need no locks for its state. The package never keeps
// an instance longer than its stream, and never stores anything.
package eventsourced
