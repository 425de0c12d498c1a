// Package testkit tests user functions without proxy or network: commands in; reply, failure, forward, side effects,
// events, snapshot and state out.
//
//	func TestAddItem(t *testing.T) {
//		kit := testkit.NewEventSourced(t, cart.Service(), "ada")
//		result := kit.Run(pb.ShoppingCart_AddItem_FullMethodName,
//			&pb.AddLineItem{UserId: "ada", ProductId: "tea", Quantity: 2})
//		result.WantReply(&emptypb.Empty{})
//		result.WantEvents(&domain.ItemAdded{Item: &domain.LineItem{ProductId: "tea", Quantity: 2}})
//	}
//
// A kit stands where a proxy stands, in front of one entity or action, and talks to the library's own protocol
// handlers over streams in memory, so all that is said is encoded and decoded as it is behind a proxy. [EventSourced]
// keeps a journal, [Value] a value, [Action] nothing. Forwards and side effects are told, not carried out.
//
// What nobody asked for is checked all the same, and fails the test: the definition as a server checks it at start; that
// a command is for the kit's entity; panics, with value and stack; and that the state of an event sourced entity is
// what its events, and its snapshot, make of it. docs/support-go/testing.md shows it at work.
//
// Mistakes, of the test or of the user function, are told through [T] and end the test. A kit is for one goroutine; kits
// share nothing, so parallel tests have one each. What a kit started ends with its test.
//
// It never opens a port, never stores anything, and is not for programs: only for tests.
package testkit
