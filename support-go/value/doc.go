// Package value serves value entities: their state is one value, stored whole and replaced whole.
//
// An author writes command handlers that read the value and update or delete it:
//
//	type context = value.Context[*domain.Cart]
//
//	func addItem(ctx *context, cmd *pb.AddLineItem) (*emptypb.Empty, error) {
//		cart := ctx.State()
//		cart.Items = append(cart.Items, &domain.LineItem{ProductId: cmd.GetProductId()})
//		ctx.Update(cart)
//		return &emptypb.Empty{}, nil
//	}
//
//	var service = value.New(
//		value.Config{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "cart"},
//		value.Command(pb.ShoppingCart_AddItem_FullMethodName, addItem),
//	)
//
// What enters: the proxy's entity streams: init with the stored value or none, then commands. What leaves: for each
// command one reply with the net change of the value, side effects, and the answer for the caller.
//
// Failures: an error returned by a handler fails the command and leaves the value as it was (SPEC VE-18, VE-42). A panic, and
// a message against the protocol, end that instance's stream only (VE-27 to VE-31).
//
// Each instance is used by one goroutine at a time. The package never keeps an instance longer than its stream, and
// never stores anything.
package value
