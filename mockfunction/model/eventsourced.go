package model

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
)

// DefaultSnapshotEvery is the number of events after which the model takes a snapshot.
const DefaultSnapshotEvery = 5

// EventSourced is the behaviour of the event sourced model services. The zero value is the one that the TCK asks for.
type EventSourced struct {
	// SnapshotEvery is the number of events between snapshots; 0 means [DefaultSnapshotEvery], below 0 never.
	SnapshotEvery int64
	// RestartOnFailure asks for a restart when a command fails after it emitted events, in place of rolling back (ES-32 allows
	// both).
	RestartOnFailure bool
}

// New makes an instance; it is a [mockfunction.EventSourcedBehaviour].
func (b EventSourced) New(init *protocol.EventSourcedInit) mockfunction.EventSourcedInstance {
	switch init.GetServiceName() {
	case EventSourcedService, EventSourcedTwo, EventSourcedConfigured:
	default:
		return nil
	}
	if b.SnapshotEvery == 0 {
		b.SnapshotEvery = DefaultSnapshotEvery
	}
	e := &eventSourced{EventSourced: b, service: init.GetServiceName()}
	if snapshot := init.GetSnapshot(); snapshot != nil {
		e.state, e.sequence = persistedValue(snapshot.GetSnapshot()), snapshot.GetSnapshotSequence()
	}
	return e
}

type eventSourced struct {
	EventSourced
	service  string
	state    string
	sequence int64
}

func (e *eventSourced) Event(event *protocol.EventSourcedEvent) {
	e.state += persistedValue(event.GetPayload())
	e.sequence = event.GetSequence()
}

func (e *eventSourced) Command(command *cloudstate.Command) *protocol.EventSourcedReply {
	out := &protocol.EventSourcedReply{CommandId: command.GetId()}
	if name := commandName(e.service == EventSourcedService); command.GetName() != name {
		out.ClientAction = failure(command.GetId(), "no such command: "+command.GetName(), false)
		return out
	}
	if e.service != EventSourcedService {
		out.ClientAction = reply(&eventsourced.Response{})
		return out
	}
	var request eventsourced.Request
	if err := command.GetPayload().UnmarshalTo(&request); err != nil {
		out.ClientAction = failure(command.GetId(), err.Error(), false)
		return out
	}
	state := e.state
	for _, step := range request.GetActions() {
		switch action := step.GetAction().(type) {
		case *eventsourced.RequestAction_Emit:
			state += action.Emit.GetValue()
			out.Events = append(out.Events, pack(&eventsourced.Persisted{Value: action.Emit.GetValue()}))
		case *eventsourced.RequestAction_Forward:
			out.ClientAction = forward(EventSourcedTwo, &eventsourced.Request{Id: action.Forward.GetId()})
		case *eventsourced.RequestAction_Effect:
			request := &eventsourced.Request{Id: action.Effect.GetId()}
			out.SideEffects = append(out.SideEffects, effect(EventSourcedTwo, request, action.Effect.GetSynchronous()))
		case *eventsourced.RequestAction_Fail:
			restart := e.RestartOnFailure && len(out.Events) > 0
			return &protocol.EventSourcedReply{
				CommandId:    command.GetId(),
				ClientAction: failure(command.GetId(), action.Fail.GetMessage(), restart),
			}
		}
	}
	before := e.sequence
	e.state, e.sequence = state, before+int64(len(out.Events))
	if e.SnapshotEvery > 0 && e.sequence/e.SnapshotEvery > before/e.SnapshotEvery {
		out.Snapshot = pack(&eventsourced.Persisted{Value: e.state})
	}
	if out.ClientAction == nil {
		out.ClientAction = reply(&eventsourced.Response{Message: e.state})
	}
	return out
}

// persistedValue reads the model's only stored type; a value of another type counts as empty.
func persistedValue(a *anypb.Any) string {
	var p eventsourced.Persisted
	if a.UnmarshalTo(&p) != nil {
		return ""
	}
	return p.GetValue()
}
