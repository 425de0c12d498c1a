// Package action serves actions: stateless services, whose rpcs may be streamed in, out or both ways.
//
// An author writes one function for each rpc, of one of four shapes:
//
//	func greet(ctx *action.Context, in *pb.Name) (*pb.Greeting, error)
//	func count(ctx *action.Context, in iter.Seq2[*pb.Item, error]) (*pb.Total, error)
//	func list(ctx *action.Context, in *pb.Query, out *action.Responses[*pb.Item]) error
//	func chat(ctx *action.Context, in iter.Seq2[*pb.Line, error], out *action.Responses[*pb.Line]) error
//
//	var service = action.New(&pb.Greeter_ServiceDesc,
//		action.Unary(pb.Greeter_Greet_FullMethodName, greet),
//		action.StreamedIn(pb.Greeter_Count_FullMethodName, count),
//		action.StreamedOut(pb.Greeter_List_FullMethodName, list),
//		action.Streamed(pb.Greeter_Chat_FullMethodName, chat),
//	)
//
// What enters: the proxy's action calls. What leaves: responses, each a reply, a forward, a failure or nothing, with
// the side effects asked for since the response before it (SPEC ACT-11).
//
// Failures: an error returned by a handler is the call's failure, or the last response of a stream. Unlike an entity's,
// a failed response keeps its side effects (ACT-14). A panic, and a call that no handler takes, are answered with a
// failure without side effects.
//
// Handlers are called concurrently. The package never keeps anything from one call to the next.
package action
