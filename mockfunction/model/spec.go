package model

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
)

// Full names of the TCK's model services.
const (
	EventSourcedService    = "cloudstate.tck.model.EventSourcedTckModel"
	EventSourcedTwo        = "cloudstate.tck.model.EventSourcedTwo"
	EventSourcedConfigured = "cloudstate.tck.model.EventSourcedConfigured"
	ValueEntityService     = "cloudstate.tck.model.valueentity.ValueEntityTckModel"
	ValueEntityTwo         = "cloudstate.tck.model.valueentity.ValueEntityTwo"
	ValueEntityConfigured  = "cloudstate.tck.model.valueentity.ValueEntityConfigured"
	ActionService          = "cloudstate.tck.model.action.ActionTckModel"
	ActionTwo              = "cloudstate.tck.model.action.ActionTwo"
)

// passivation is the timeout of the Configured services.
const passivation = 100 * time.Millisecond

// Spec returns the discovery answer for all eight model services, with the persistence ids that the TCK asks for.
func Spec() *cloudstate.EntitySpec {
	return mockfunction.NewSpec(
		[]protoreflect.FileDescriptor{
			eventsourced.File_cloudstate_tck_model_eventsourced_proto,
			valueentity.File_cloudstate_tck_model_valueentity_proto,
			action.File_cloudstate_tck_model_action_proto,
		},
		mockfunction.Entity(mockfunction.EventSourcedType, EventSourcedService, "event-sourced-tck-model"),
		mockfunction.Entity(mockfunction.EventSourcedType, EventSourcedTwo, "event-sourced-tck-model-two"),
		mockfunction.Passivated(
			mockfunction.Entity(mockfunction.EventSourcedType, EventSourcedConfigured, "event-sourced-configured"), passivation),
		mockfunction.Entity(mockfunction.ValueEntityType, ValueEntityService, "value-entity-tck-model"),
		mockfunction.Entity(mockfunction.ValueEntityType, ValueEntityTwo, "value-entity-tck-model-two"),
		mockfunction.Passivated(
			mockfunction.Entity(mockfunction.ValueEntityType, ValueEntityConfigured, "value-entity-configured"), passivation),
		mockfunction.Entity(mockfunction.ActionType, ActionService, ""),
		mockfunction.Entity(mockfunction.ActionType, ActionTwo, ""),
	)
}

// pack wraps m, which is always encodable: its strings came off the wire or are constants.
func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("model: %v", err)) //nolint:forbidigo // generated messages of valid UTF-8 always encode
	}
	return a
}

// commandName is the only command of an entity service: that of the models that do what they are told, or of the others.
func commandName(obeys bool) string {
	if obeys {
		return "Process"
	}
	return "Call"
}

func reply(payload proto.Message) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: pack(payload)}}}
}

func forward(service string, payload proto.Message) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{Forward: &cloudstate.Forward{
		ServiceName: service, CommandName: "Call", Payload: pack(payload),
	}}}
}

func failure(command int64, description string, restart bool) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{
		CommandId: command, Description: description, Restart: restart,
	}}}
}

func effect(service string, payload proto.Message, synchronous bool) *cloudstate.SideEffect {
	return &cloudstate.SideEffect{ServiceName: service, CommandName: "Call", Payload: pack(payload), Synchronous: synchronous}
}
