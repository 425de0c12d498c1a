package action

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
)

// call is one call of an rpc, whatever its shape. Not for concurrent use, but for receiving beside sending.
type call struct {
	ctx     *Context
	outcome cloudstate.Outcome // since the last response
	limit   int                // bytes of one message to the proxy
	send    func(*pb.ActionResponse) error
	sent    error // why the call is over, once sending has failed

	request  *anypb.Any                        // the only message, of a call that is not streamed in
	recv     func() (*pb.ActionCommand, error) // the next message of one that is; io.EOF after the last
	ended    bool                              // no more messages
	inputErr error                             // why there are no more, unless the caller had sent everything
}

func newCall(ctx context.Context, target method, command *pb.ActionCommand, limit int) *call {
	c := &call{limit: limit, request: command.GetPayload()}
	c.ctx = &Context{Context: cloudstate.NewContext(
		ctx, target.descriptor, cloudstate.MetadataOf(command.GetMetadata()), &c.outcome)}
	return c
}

// respond sends the forward if there is one, otherwise the reply, otherwise neither (SPEC ACT-11, ACT-13).
func (c *call) respond(reply proto.Message) error {
	response := &pb.ActionResponse{SideEffects: c.outcome.SideEffects}
	switch {
	case c.outcome.Forward != nil:
		response.Response = &pb.ActionResponse_Forward{Forward: c.outcome.Forward}
	case !wire.Absent(reply):
		wrapped, err := wire.Reply(reply, c.outcome.ReplyMetadata.Proto())
		if err != nil {
			return c.fail(err)
		}
		response.Response = &pb.ActionResponse_Reply{Reply: wrapped}
	}
	return c.flush(response)
}

// fail sends a failure, with the side effects so far (SPEC ACT-14).
func (c *call) fail(err error) error {
	return c.flush(failure(err, c.outcome.SideEffects...))
}

func (c *call) flush(response *pb.ActionResponse) error {
	c.outcome = cloudstate.Outcome{}
	if c.sent != nil {
		return c.sent
	}
	if err := wire.CheckSize(response, c.limit); err != nil {
		response = failure(err)
	}
	c.sent = c.send(response)
	return c.sent
}

// requests is the stream of messages as a sequence.
func requests[In proto.Message](c *call) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for !c.ended {
			var input In
			command, err := c.recv()
			if errors.Is(err, io.EOF) {
				c.ended = true
				return
			}
			if err == nil {
				c.ctx.message = cloudstate.MetadataOf(command.GetMetadata())
				input, err = rpc.Input[In](command.GetPayload())
			}
			if err != nil {
				c.ended, c.inputErr = true, err
				yield(input, err)
				return
			}
			if !yield(input, nil) {
				return
			}
		}
	}
}
