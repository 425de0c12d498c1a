package action

import (
	"iter"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
)

// Handler is one part of an action's definition, made by [Unary], [StreamedIn], [StreamedOut] or [Streamed].
type Handler func(*Action)

// method runs the handler of an rpc. Where that gives one response, run sends it; the error is what remains to be
// stated to the caller, nil for nothing.
type method struct {
	descriptor protoreflect.MethodDescriptor
	run        func(*call) error
}

// Unary handles an rpc that takes one message and gives one, named by the generated constant
// pb.<Service>_<Method>_FullMethodName. What it returns goes to the caller: a reply, unless it forwarded, or an error.
// A nil reply without forward is no reply, which is right for calls that nobody waits for (side effects, events).
func Unary[In, Out proto.Message](name string, handle func(ctx *Context, request In) (Out, error)) Handler {
	return define[In, Out](name, false, false, func(c *call) error {
		input, err := rpc.Input[In](c.request)
		if err != nil {
			return err
		}
		reply, err := handle(c.ctx, input)
		if err != nil {
			return err
		}
		return c.respond(reply)
	})
}

// StreamedIn handles an rpc that takes a stream of messages and gives one. The sequence ends when the caller has sent
// everything, and can be ranged over once. An error in it, of a message that cannot be read or a call that was given
// up, is its last element and fails the call whatever the handler returns. The handler's result is as for [Unary].
func StreamedIn[In, Out proto.Message](
	name string, handle func(ctx *Context, requests iter.Seq2[In, error]) (Out, error),
) Handler {
	return define[In, Out](name, true, false, func(c *call) error {
		reply, err := handle(c.ctx, requests[In](c))
		if err != nil || c.inputErr != nil {
			return firstError(err, c.inputErr)
		}
		return c.respond(reply)
	})
}

// StreamedOut handles an rpc that takes one message and gives a stream of responses, which ends when the handler
// returns. An error that it returns is the last response.
func StreamedOut[In, Out proto.Message](
	name string, handle func(ctx *Context, request In, responses *Responses[Out]) error,
) Handler {
	return define[In, Out](name, false, true, func(c *call) error {
		input, err := rpc.Input[In](c.request)
		if err != nil {
			return err
		}
		return handle(c.ctx, input, &Responses[Out]{call: c})
	})
}

// Streamed handles an rpc that takes a stream of messages and gives a stream of responses, in whatever order the
// handler likes. The sequence is as for [StreamedIn], the responses are as for [StreamedOut].
func Streamed[In, Out proto.Message](
	name string, handle func(ctx *Context, requests iter.Seq2[In, error], responses *Responses[Out]) error,
) Handler {
	return define[In, Out](name, true, true, func(c *call) error {
		err := handle(c.ctx, requests[In](c), &Responses[Out]{call: c})
		return firstError(err, c.inputErr)
	})
}

func define[In, Out proto.Message](name string, streamsIn, streamsOut bool, run func(*call) error) Handler {
	return func(action *Action) {
		action.handlers = append(action.handlers, rpc.Handler{
			Method: name, Input: rpc.NameOf[In](), Output: rpc.NameOf[Out](),
			Constructor: constructor(streamsIn, streamsOut), StreamsIn: streamsIn, StreamsOut: streamsOut,
		})
		descriptor, err := rpc.FindMethod(name)
		if err != nil {
			return // rpc.Check says what is wrong with the name
		}
		action.methods[string(descriptor.Name())] = method{descriptor: descriptor, run: run}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
