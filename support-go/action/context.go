package action

import (
	"slices"

	"google.golang.org/protobuf/proto"

	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// Context is what a handler is given for one call. Side effects asked for through it go with the next response.
type Context struct {
	*cloudstate.Context
	message cloudstate.Metadata // of the message last received from a stream
}

// Metadata returns what came with the call, followed by what came with the message last taken from a stream of
// requests, where the transport has such a thing (SPEC ACT-06).
func (c *Context) Metadata() cloudstate.Metadata {
	return slices.Concat(c.Context.Metadata(), c.message)
}

// Responses is where a handler sends a stream of responses. Each is sent at once and blocks while the proxy does not
// take it; the error says that the call is over, and the handler should return it. A handler may receive in another
// goroutine than it sends, but a Responses and the Context belong to one goroutine at a time.
type Responses[Out proto.Message] struct {
	call *call
}

// Reply sends a reply, or the forward if the context was asked for one.
func (r *Responses[Out]) Reply(reply Out) error {
	return r.call.respond(reply)
}

// Forward lets another rpc of this user function give the response, as [cloudstate.Context.Forward] does.
func (r *Responses[Out]) Forward(method string, message proto.Message, metadata ...cloudstate.Entry) error {
	r.call.ctx.Forward(method, message, metadata...)
	return r.call.respond(nil)
}

// Fail sends a failure. The proxy ends the caller's call with it (SPEC ACT-19), the stream to the proxy goes on (ACT-18).
func (r *Responses[Out]) Fail(err error) error {
	return r.call.fail(err)
}

// Effects sends the side effects asked for, without a reply (SPEC ACT-13): the caller gets nothing for it.
func (r *Responses[Out]) Effects() error {
	return r.call.respond(nil)
}
