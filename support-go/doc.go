// Package cloudstate is the Go library for Cloudstate user functions: it serves event sourced entities, value entities
// and actions to a Cloudstate proxy, which owns their state and faces the callers.
//
// An author describes each service with package eventsourced, value or action, from typed functions and the generated
// protobuf code, and runs them:
//
//	func main() {
//		if err := cloudstate.Run(context.Background(), cart.Service()); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// What enters: the proxy's gRPC calls (discovery, entity streams, action calls) on HOST and PORT. What leaves: the
// answers of the handlers, with the events, state changes, forwards and side effects that they asked for. A [Server]
// checks at start that each rpc has a handler of the right types, so a mistake is found there and named.
//
// Errors: a handler fails its command by returning an error. The caller sees its text as gRPC status UNKNOWN, or with
// the code of a gRPC status error (google.golang.org/grpc/status). A panic ends only the entity instance or call in
// which it happened; its value and stack are logged and never sent.
//
// Package testkit tests a user function without proxy or network; docs/support-go/testing.md is its guide.
//
// It never stores anything, never calls the proxy, and never shares state between entity instances.
package cloudstate
