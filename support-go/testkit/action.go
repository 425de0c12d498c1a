package testkit

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// Action is a kit for an action. It keeps nothing from one call to the next.
type Action struct {
	*function
}

// NewAction makes a kit. service is action.New's, checked as a server checks it at start.
func NewAction(t T, service cloudstate.Service) *Action {
	t.Helper()
	return &Action{function: load(t, service, "NewAction")}
}

// Run makes a call of a unary rpc and returns the response. method is the rpc's name or full name, such as the generated
// constant pb.<Service>_<Method>_FullMethodName; ctx is what the handler's context is made of, and metadata what a
// caller's headers would be. A panic ends the test.
func (k *Action) Run(ctx context.Context, method string, message proto.Message, metadata ...cloudstate.Entry) *Result {
	k.t.Helper()
	if m := k.method(method); m.IsStreamingClient() || m.IsStreamingServer() {
		k.t.Fatalf("testkit: %s is streamed: use Open, Send and Finish", m.Name())
	}
	call := k.Open(ctx, method, metadata...)
	call.Send(message)
	result := call.Next()
	if result == nil {
		k.t.Fatalf("testkit: %s was not answered", call.method.Name())
	}
	return result
}

// Open begins a call of an rpc that is streamed in, out or both ways: [ActionCall.Send] what it takes, then
// [ActionCall.Finish], or [ActionCall.Next] wherever a response is due. A call that is not finished is cancelled when
// the test ends.
func (k *Action) Open(ctx context.Context, method string, metadata ...cloudstate.Entry) *ActionCall {
	k.t.Helper()
	m := k.method(method)
	c := &ActionCall{kit: k, method: m, header: &pb.ActionCommand{
		ServiceName: k.service.Name(), Name: string(m.Name()), Metadata: cloudstate.Metadata(metadata).Proto(),
	}}
	c.stream = k.call(ctx, protocolRPC(m))
	k.t.Cleanup(c.Cancel)
	if m.IsStreamingClient() {
		c.send(c.header) // alone, before the first message (SPEC ACT-04)
	}
	return c
}

// protocolRPC is the rpc of the protocol for one of a shape (SPEC ACT-01).
func protocolRPC(method protoreflect.MethodDescriptor) string {
	switch {
	case method.IsStreamingClient() && method.IsStreamingServer():
		return "handleStreamed"
	case method.IsStreamingClient():
		return "handleStreamedIn"
	case method.IsStreamingServer():
		return "handleStreamedOut"
	default:
		return "handleUnary"
	}
}

// ActionCall is a call of an action under way.
type ActionCall struct {
	kit    *Action
	method protoreflect.MethodDescriptor
	header *pb.ActionCommand
	stream *stream
	sent   int  // messages of the caller
	closed bool // half-closed
	over   bool // nothing of it reaches the caller any more
}

// Send sends a message. It does not wait for the handler to take it. After the call's end it does nothing, as behind a
// proxy.
func (c *ActionCall) Send(message proto.Message) {
	c.kit.t.Helper()
	command := &pb.ActionCommand{Payload: c.kit.request(c.method, message)}
	if c.closed {
		c.kit.t.Fatalf("testkit: %s: Send after Finish", c.method.Name())
	}
	c.sent++
	if !c.method.IsStreamingClient() {
		if c.sent > 1 {
			c.kit.t.Fatalf("testkit: %s takes one message", c.method.Name())
		}
		command.ServiceName, command.Name, command.Metadata = c.header.GetServiceName(), c.header.GetName(), c.header.GetMetadata()
	}
	c.send(command)
}

func (c *ActionCall) send(command *pb.ActionCommand) {
	c.kit.t.Helper()
	if err := c.stream.send(command); err != nil && !errors.Is(err, errOver) {
		c.kit.broken(string(c.method.Name()), err)
	}
}

// Next waits for the next response, nil when the call has ended. A failure is the last one: a proxy ends the call with
// it (SPEC ACT-19).
func (c *ActionCall) Next() *Result {
	c.kit.t.Helper()
	if c.over {
		return nil
	}
	result := &Result{t: c.kit.t, command: string(c.method.Name())}
	response := &pb.ActionResponse{}
	switch err := c.stream.receive(response); {
	case errors.Is(err, io.EOF):
		c.over = true
		return nil
	case errors.Is(err, errSlow):
		c.kit.broken(string(c.method.Name()), err)
	case err != nil:
		result.Failure = status.Convert(err)
	}
	switch outcome := response.GetResponse().(type) {
	case *pb.ActionResponse_Reply:
		result.setReply(outcome.Reply)
	case *pb.ActionResponse_Forward:
		result.setForward(outcome.Forward)
	case *pb.ActionResponse_Failure:
		result.setFailure(outcome.Failure)
	}
	result.setEffects(response.GetSideEffects())
	if result.Failure != nil {
		c.Cancel()
		if panicked := c.kit.panics.take(); panicked != "" {
			c.kit.t.Fatalf("testkit: %s: %s\n%s", c.method.Name(), result.Failure.Message(), panicked)
		}
	}
	return result
}

// Finish tells the handler that no more messages come, waits for the call's end, and returns the responses that Next has
// not returned.
func (c *ActionCall) Finish() []*Result {
	c.kit.t.Helper()
	if !c.closed {
		c.closed = true
		close(c.stream.in)
	}
	var results []*Result
	for result := c.Next(); result != nil; result = c.Next() {
		results = append(results, result)
	}
	return results
}

// Cancel ends the call, as when the caller has gone, and waits for the handler to return. After the call's end it does
// nothing.
func (c *ActionCall) Cancel() {
	c.over = true
	c.stream.cancel()
	for {
		if err := c.stream.receive(&pb.ActionResponse{}); err != nil {
			return
		}
	}
}
