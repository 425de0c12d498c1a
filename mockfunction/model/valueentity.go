package model

import (
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// ValueEntity makes an instance of the value entity model services; it is a [mockfunction.ValueEntityBehaviour].
func ValueEntity(init *protocol.ValueEntityInit) mockfunction.ValueEntityInstance {
	switch init.GetServiceName() {
	case ValueEntityService, ValueEntityTwo, ValueEntityConfigured:
	default:
		return nil
	}
	e := &valueEntity{service: init.GetServiceName()}
	var stored valueentity.Persisted
	if value := init.GetState().GetValue(); value != nil && value.UnmarshalTo(&stored) == nil {
		e.state = stored.GetValue()
	}
	return e
}

type valueEntity struct {
	service string
	state   string
}

func (e *valueEntity) Command(command *cloudstate.Command) *protocol.ValueEntityReply {
	out := &protocol.ValueEntityReply{CommandId: command.GetId()}
	if name := commandName(e.service == ValueEntityService); command.GetName() != name {
		out.ClientAction = failure(command.GetId(), "no such command: "+command.GetName(), false)
		return out
	}
	if e.service != ValueEntityService {
		out.ClientAction = reply(&valueentity.Response{})
		return out
	}
	var request valueentity.Request
	if err := command.GetPayload().UnmarshalTo(&request); err != nil {
		out.ClientAction = failure(command.GetId(), err.Error(), false)
		return out
	}
	state := e.state
	for _, step := range request.GetActions() {
		switch action := step.GetAction().(type) {
		case *valueentity.RequestAction_Update:
			state = action.Update.GetValue()
			out.StateAction = &protocol.ValueEntityAction{Action: &protocol.ValueEntityAction_Update{
				Update: &protocol.ValueEntityUpdate{Value: pack(&valueentity.Persisted{Value: state})},
			}}
		case *valueentity.RequestAction_Delete:
			state = ""
			out.StateAction = &protocol.ValueEntityAction{Action: &protocol.ValueEntityAction_Delete{
				Delete: &protocol.ValueEntityDelete{},
			}}
		case *valueentity.RequestAction_Forward:
			out.ClientAction = forward(ValueEntityTwo, &valueentity.Request{Id: action.Forward.GetId()})
		case *valueentity.RequestAction_Effect:
			request := &valueentity.Request{Id: action.Effect.GetId()}
			out.SideEffects = append(out.SideEffects, effect(ValueEntityTwo, request, action.Effect.GetSynchronous()))
		case *valueentity.RequestAction_Fail:
			return &protocol.ValueEntityReply{
				CommandId:    command.GetId(),
				ClientAction: failure(command.GetId(), action.Fail.GetMessage(), false),
			}
		}
	}
	e.state = state
	if out.ClientAction == nil {
		out.ClientAction = reply(&valueentity.Response{Message: e.state})
	}
	return out
}
