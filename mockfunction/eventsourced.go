package mockfunction

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
)

// EventSourced is the stream of one event sourced instance, in the script's hands.
type EventSourced struct {
	*Stream[*eventsourced.EventSourcedStreamOut, *eventsourced.EventSourcedStreamIn]
	// Owner holds the service and entity id of the init that the stream began with; empty if it began with something else. The init
	// is still to be received.
	Owner Claim
}

// EventSourcedBehaviour makes the instance that answers a new stream; nil if init names a service that it does not know, which
// fails the stream. It is called by many goroutines.
type EventSourcedBehaviour func(init *eventsourced.EventSourcedInit) EventSourcedInstance

// EventSourcedInstance answers one stream; its methods are called one at a time.
type EventSourcedInstance interface {
	// Event replays one event.
	Event(event *eventsourced.EventSourcedEvent)
	// Command returns the reply; nil leaves the command without one.
	Command(command *cloudstate.Command) *eventsourced.EventSourcedReply
}

// EventSourced waits for the next event sourced stream for the script that falls under c; Claim{} takes any.
func (f *Function) EventSourced(ctx context.Context, c Claim) (*EventSourced, error) {
	what := "a stream for event sourced entity " + c.describe()
	return next(ctx, f, f.eventSourced, what, func(s *EventSourced) bool { return c.matches(s.Owner) })
}

// ExpectInit expects want as the next message.
func (s *EventSourced) ExpectInit(ctx context.Context, want *eventsourced.EventSourcedInit) error {
	return s.Expect(ctx, &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: want}})
}

// ExpectCommand expects want as the next message.
func (s *EventSourced) ExpectCommand(ctx context.Context, want *cloudstate.Command) error {
	return s.Expect(ctx, &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: want}})
}

// Reply sends reply.
func (s *EventSourced) Reply(reply *eventsourced.EventSourcedReply) error {
	return s.Send(&eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}})
}

// SendFailure sends a failure of the stream itself; a failure of one command is a reply.
func (s *EventSourced) SendFailure(failure *cloudstate.Failure) error {
	return s.Send(&eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Failure{Failure: failure}})
}

func (f *Function) handleEventSourced(transport grpc.ServerStream, method string) error {
	newIn := func() *eventsourced.EventSourcedStreamIn { return &eventsourced.EventSourcedStreamIn{} }
	s := accept[*eventsourced.EventSourcedStreamOut](f, transport, method, newIn)
	first := s.ReceiveNow()
	init := first.Msg.GetInit()
	owner := Claim{Service: init.GetServiceName(), ID: init.GetEntityId()}
	if f.cfg.EventSourced == nil || f.claimed(owner) {
		s.Unread(first)
		f.eventSourced.put(&EventSourced{Stream: s, Owner: owner})
		return s.hold()
	}
	if init == nil {
		return s.finish(violation("an event sourced stream begins with init"))
	}
	instance := f.cfg.EventSourced(init)
	if instance == nil {
		return s.finish(violation("no event sourced entity %q is served here", owner.Service))
	}
	for {
		item := s.ReceiveNow()
		switch message := item.Msg.GetMessage().(type) {
		case *eventsourced.EventSourcedStreamIn_Event:
			instance.Event(message.Event)
		case *eventsourced.EventSourcedStreamIn_Command:
			if id := message.Command.GetEntityId(); id != owner.ID {
				return s.finish(violation("a command for %q came on the stream of %q", id, owner.ID))
			}
			reply := instance.Command(message.Command)
			if reply == nil {
				continue
			}
			out := &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}}
			if err := s.Send(out); err != nil {
				return s.finish(status.New(codes.Canceled, err.Error()))
			}
		default:
			return s.finish(closing(item.Bad, item.End))
		}
	}
}
