package value

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// runner is an instance whatever the type of its value. Its methods run the author's code: they may panic.
type runner interface {
	handle(ctx context.Context, command *protocol.Command) *pb.ValueEntityReply
}

// instance is one entity in memory, for as long as its stream lives. It keeps the value encoded: a command works on
// copies, so a failed one has nothing to roll back. Not for concurrent use.
type instance[S any] struct {
	entity *Entity[S]
	id     string
	state  *anypb.Any // nil when there is no value
	limit  int        // bytes of one message to the proxy
}

// newInstance starts from the stored value, nil for none (SPEC VE-07). The error says that it cannot be read.
func (e *Entity[S]) newInstance(entityID string, state *anypb.Any, limit int) (runner, error) {
	if state != nil {
		if _, err := payload.Decode[S](state); err != nil {
			return nil, fmt.Errorf("stored value: %w", err)
		}
	}
	return &instance[S]{entity: e, id: entityID, state: state, limit: limit}, nil
}

func (i *instance[S]) handle(parent context.Context, cmd *protocol.Command) *pb.ValueEntityReply {
	handler, ok := i.entity.commands[cmd.GetName()]
	if !ok {
		return fail(cmd, status.Errorf(codes.Unimplemented, "unknown command %s of service %s", cmd.GetName(), i.entity.Name()))
	}
	var outcome cloudstate.Outcome
	ctx := &Context[S]{
		Context:   cloudstate.NewContext(parent, handler.method, cloudstate.MetadataOf(cmd.GetMetadata()), &outcome),
		entityID:  i.id,
		commandID: cmd.GetId(),
		state:     i.state,
	}
	message, err := handler.run(ctx, cmd.GetPayload())
	if err != nil {
		return fail(cmd, err)
	}
	reply, err := i.reply(cmd, message, ctx.action, &outcome)
	if err != nil {
		return fail(cmd, err)
	}
	i.state = ctx.state
	return reply
}

func (i *instance[S]) reply(
	cmd *protocol.Command, message proto.Message, change *pb.ValueEntityAction, outcome *cloudstate.Outcome,
) (*pb.ValueEntityReply, error) {
	action, err := wire.EntityAction(message, outcome.Forward, outcome.ReplyMetadata.Proto())
	if err != nil {
		return nil, err
	}
	reply := &pb.ValueEntityReply{
		CommandId:    cmd.GetId(),
		ClientAction: action,
		SideEffects:  outcome.SideEffects,
		StateAction:  change,
	}
	return reply, wire.CheckSize(reply, i.limit)
}

// fail answers a command with a failure and nothing else (SPEC VE-18).
func fail(cmd *protocol.Command, err error) *pb.ValueEntityReply {
	return &pb.ValueEntityReply{
		CommandId:    cmd.GetId(),
		ClientAction: wire.FailureAction(wire.Failure(cmd.GetId(), err)),
	}
}
