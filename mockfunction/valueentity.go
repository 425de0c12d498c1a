package mockfunction

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// ValueEntity is the stream of one value entity instance, in the script's hands.
type ValueEntity struct {
	*Stream[*valueentity.ValueEntityStreamOut, *valueentity.ValueEntityStreamIn]
	// Owner holds the service and entity id of the init that the stream began with; empty if it began with something else. The init
	// is still to be received.
	Owner Claim
}

// ValueEntityBehaviour makes the instance that answers a new stream; nil if init names a service that it does not know, which
// fails the stream. It is called by many goroutines.
type ValueEntityBehaviour func(init *valueentity.ValueEntityInit) ValueEntityInstance

// ValueEntityInstance answers one stream; its methods are called one at a time.
type ValueEntityInstance interface {
	// Command returns the reply; nil leaves the command without one.
	Command(command *cloudstate.Command) *valueentity.ValueEntityReply
}

// ValueEntity waits for the next value entity stream for the script that falls under c; Claim{} takes any.
func (f *Function) ValueEntity(ctx context.Context, c Claim) (*ValueEntity, error) {
	what := "a stream for value entity " + c.describe()
	return next(ctx, f, f.valueEntity, what, func(s *ValueEntity) bool { return c.matches(s.Owner) })
}

// ExpectInit expects want as the next message.
func (s *ValueEntity) ExpectInit(ctx context.Context, want *valueentity.ValueEntityInit) error {
	return s.Expect(ctx, &valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Init{Init: want}})
}

// Reply sends reply.
func (s *ValueEntity) Reply(reply *valueentity.ValueEntityReply) error {
	return s.Send(&valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: reply}})
}

func (f *Function) handleValueEntity(transport grpc.ServerStream, method string) error {
	newIn := func() *valueentity.ValueEntityStreamIn { return &valueentity.ValueEntityStreamIn{} }
	s := accept[*valueentity.ValueEntityStreamOut](f, transport, method, newIn)
	first := s.ReceiveNow()
	init := first.Msg.GetInit()
	owner := Claim{Service: init.GetServiceName(), ID: init.GetEntityId()}
	if f.cfg.ValueEntity == nil || f.claimed(owner) {
		s.Unread(first)
		f.valueEntity.put(&ValueEntity{Stream: s, Owner: owner})
		return s.hold()
	}
	if init == nil {
		return s.finish(violation("a value entity stream begins with init"))
	}
	instance := f.cfg.ValueEntity(init)
	if instance == nil {
		return s.finish(violation("no value entity %q is served here", owner.Service))
	}
	for {
		item := s.ReceiveNow()
		command := item.Msg.GetCommand()
		if command == nil {
			return s.finish(closing(item.Bad, item.End))
		}
		if id := command.GetEntityId(); id != owner.ID {
			return s.finish(violation("a command for %q came on the stream of %q", id, owner.ID))
		}
		reply := instance.Command(command)
		if reply == nil {
			continue
		}
		out := &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: reply}}
		if err := s.Send(out); err != nil {
			return s.finish(status.New(codes.Canceled, err.Error()))
		}
	}
}
