package mockproxy

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
)

// EventSourced is the stream of one event sourced instance.
type EventSourced struct {
	*Stream[*eventsourced.EventSourcedStreamIn, *eventsourced.EventSourcedStreamOut]
	entityID string
}

// EventSourced opens the stream of an instance. Nothing is sent yet: begin with [EventSourced.Init]. The stream ends with ctx.
func (p *Proxy) EventSourced(ctx context.Context) (*EventSourced, error) {
	newOut := func() *eventsourced.EventSourcedStreamOut { return &eventsourced.EventSourcedStreamOut{} }
	s, err := open[*eventsourced.EventSourcedStreamIn](ctx, p, eventsourced.EventSourced_Handle_FullMethodName, newOut)
	if err != nil {
		return nil, err
	}
	return &EventSourced{Stream: s}, nil
}

// Init sends an init without a snapshot; later commands are for entityID.
func (e *EventSourced) Init(service, entityID string) error {
	return e.init(&eventsourced.EventSourcedInit{ServiceName: service, EntityId: entityID})
}

// InitSnapshot sends an init with a snapshot that covers the events up to sequence.
func (e *EventSourced) InitSnapshot(service, entityID string, sequence int64, snapshot proto.Message) error {
	value, err := Any(snapshot)
	if err != nil {
		return err
	}
	return e.init(&eventsourced.EventSourcedInit{
		ServiceName: service,
		EntityId:    entityID,
		Snapshot:    &eventsourced.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: value},
	})
}

func (e *EventSourced) init(init *eventsourced.EventSourcedInit) error {
	e.entityID = init.GetEntityId()
	return e.Send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: init}})
}

// Event replays one event with its sequence number.
func (e *EventSourced) Event(sequence int64, payload proto.Message) error {
	value, err := Any(payload)
	if err != nil {
		return err
	}
	event := &eventsourced.EventSourcedEvent{Sequence: sequence, Payload: value}
	return e.Send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Event{Event: event}})
}

// Command sends command id to the instance that Init named; name is the rpc's simple name.
func (e *EventSourced) Command(id int64, name string, payload proto.Message) error {
	value, err := Any(payload)
	if err != nil {
		return err
	}
	return e.SendCommand(&cloudstate.Command{EntityId: e.entityID, Id: id, Name: name, Payload: value})
}

// SendCommand sends c as it is.
func (e *EventSourced) SendCommand(c *cloudstate.Command) error {
	return e.Send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: c}})
}

// ExpectReply expects want as the next message.
func (e *EventSourced) ExpectReply(ctx context.Context, want *eventsourced.EventSourcedReply) error {
	return e.Expect(ctx, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: want}})
}

// ExpectFailure expects want as the next message: a failure of the stream, not of one command (that one is a reply).
func (e *EventSourced) ExpectFailure(ctx context.Context, want *cloudstate.Failure) error {
	return e.Expect(ctx, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Failure{Failure: want}})
}
