package proxy

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// kind is what the cases need to know of one kind of stateful entity. What SPEC.md demands of both kinds alike is written as one case
// over a kind, with the requirement ids and the fixed texts of each.
type kind struct {
	area       string // of SPEC.md, lower case
	entityType string
	// model obeys the steps of a request; two and configured answer anything, and configured passivates after 100 ms.
	model, two, configured string
	// The fixed descriptions that clients get.
	unexpectedReply, unexpectedFailure, unexpectedMessage, unexpectedEnd, terminated string

	// begin returns what the proxy sends first on the stream of an entity into which stored was written, in this order.
	begin func(service, id string, stored []string) []proto.Message
	// command, reply and failure wrap a message for the stream.
	command func(*cloudstate.Command) proto.Message
	reply   func(id int64, a answer) proto.Message
	failure func(*cloudstate.Failure) proto.Message
	// nothing is a message in which nothing is set.
	nothing proto.Message
	// request makes the request for entity id; the text tells requests apart, and is empty for one without.
	request  func(id, text string) proto.Message
	response func(text string) proto.Message
}

// answer is what the user function answers a command with.
type answer struct {
	action  *cloudstate.ClientAction
	effects []*cloudstate.SideEffect
	// writes are the values to store: an event each, or the last of them as the value.
	writes []string
}

// byKind returns the requirement id that has the same meaning for this kind.
func (k *kind) byKind(es, ve string) string {
	if k == eventSourced {
		return es
	}
	return ve
}

// both lists the ids for this kind of pairs of requirement ids: es, ve, es, ve and so on. An empty id is left out.
func (k *kind) both(pairs ...string) []string {
	var ids []string
	for i := 0; i < len(pairs); i += 2 {
		if id := k.byKind(pairs[i], pairs[i+1]); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// the kinds that the area's cases are made for.
var (
	eventSourced = &kind{
		area: "es", entityType: suite.EventSourced,
		model: model.EventSourcedService, two: model.EventSourcedTwo, configured: model.EventSourcedConfigured,
		unexpectedReply: "Unexpected entity reply", unexpectedFailure: "Unexpected entity failure",
		unexpectedMessage: "Unexpected entity message", unexpectedEnd: "Unexpected entity termination", terminated: "Entity terminated",
		begin: func(service, id string, stored []string) []proto.Message {
			return esBegin(service, id, nil, 1, stored)
		},
		command: func(c *cloudstate.Command) proto.Message {
			return &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: c}}
		},
		reply: func(id int64, a answer) proto.Message {
			return esOut(&eventsourced.EventSourcedReply{CommandId: id, ClientAction: a.action, SideEffects: a.effects, Events: esEvents(a.writes...)})
		},
		failure: func(f *cloudstate.Failure) proto.Message {
			return &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Failure{Failure: f}}
		},
		nothing: &eventsourced.EventSourcedStreamOut{},
		request: func(id, text string) proto.Message {
			request := &esmodel.Request{Id: id}
			if text != "" {
				request.Actions = []*esmodel.RequestAction{{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: text}}}}
			}
			return request
		},
		response: func(text string) proto.Message { return &esmodel.Response{Message: text} },
	}
	valueBased = &kind{
		area: "ve", entityType: suite.ValueEntity,
		model: model.ValueEntityService, two: model.ValueEntityTwo, configured: model.ValueEntityConfigured,
		unexpectedReply: "Unexpected Value entity reply", unexpectedFailure: "Unexpected Value entity failure",
		unexpectedMessage: "Unexpected Value entity failure", unexpectedEnd: "Unexpected Value entity termination",
		terminated: "Value entity terminated",
		begin: func(service, id string, stored []string) []proto.Message {
			state := &valueentity.ValueEntityInitState{}
			if len(stored) > 0 {
				state.Value = pack(&vemodel.Persisted{Value: stored[len(stored)-1]})
			}
			return []proto.Message{veInit(service, id, state)}
		},
		command: func(c *cloudstate.Command) proto.Message {
			return &valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Command{Command: c}}
		},
		reply: func(id int64, a answer) proto.Message {
			reply := &valueentity.ValueEntityReply{CommandId: id, ClientAction: a.action, SideEffects: a.effects}
			if len(a.writes) > 0 {
				reply.StateAction = veUpdate(pack(&vemodel.Persisted{Value: a.writes[len(a.writes)-1]}))
			}
			return veOut(reply)
		},
		failure: func(f *cloudstate.Failure) proto.Message {
			return &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Failure{Failure: f}}
		},
		nothing: &valueentity.ValueEntityStreamOut{},
		request: func(id, text string) proto.Message {
			request := &vemodel.Request{Id: id}
			if text != "" {
				request.Actions = []*vemodel.RequestAction{{Action: &vemodel.RequestAction_Update{Update: &vemodel.Update{Value: text}}}}
			}
			return request
		},
		response: func(text string) proto.Message { return &vemodel.Response{Message: text} },
	}
)

// esBegin is the start of an event sourced stream: init, then events of which the first has number sequence.
func esBegin(service, id string, snapshot *eventsourced.EventSourcedSnapshot, sequence int64, values []string) []proto.Message {
	init := &eventsourced.EventSourcedInit{ServiceName: service, EntityId: id, Snapshot: snapshot}
	messages := []proto.Message{&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: init}}}
	for i, event := range esEvents(values...) {
		messages = append(messages, esEvent(sequence+int64(i), event))
	}
	return messages
}

func esEvent(sequence int64, payload *anypb.Any) proto.Message {
	event := &eventsourced.EventSourcedEvent{Sequence: sequence, Payload: payload}
	return &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Event{Event: event}}
}

func esEvents(values ...string) []*anypb.Any {
	var events []*anypb.Any
	for _, value := range values {
		events = append(events, pack(&esmodel.Persisted{Value: value}))
	}
	return events
}

func esOut(reply *eventsourced.EventSourcedReply) proto.Message {
	return &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}}
}

func veInit(service, id string, state *valueentity.ValueEntityInitState) proto.Message {
	init := &valueentity.ValueEntityInit{ServiceName: service, EntityId: id, State: state}
	return &valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Init{Init: init}}
}

func veOut(reply *valueentity.ValueEntityReply) proto.Message {
	return &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: reply}}
}

func veUpdate(value *anypb.Any) *valueentity.ValueEntityAction {
	return &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Update{Update: &valueentity.ValueEntityUpdate{Value: value}}}
}

func veDelete() *valueentity.ValueEntityAction {
	return &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Delete{Delete: &valueentity.ValueEntityDelete{}}}
}

// The client actions.

func replied(response proto.Message) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: pack(response)}}}
}

func failed(failure *cloudstate.Failure) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: failure}}
}

func forwarded(forward *cloudstate.Forward) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{Forward: forward}}
}

// with is the answer with one more side effect.
func (a answer) with(effect *cloudstate.SideEffect) answer {
	a.effects = append(a.effects, effect)
	return a
}
