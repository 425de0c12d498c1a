package model

import (
	"fmt"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
)

// commands are the model's commands by the form of call that each has.
var commands = map[string]string{
	protocol.ActionProtocol_HandleUnary_FullMethodName:       "ProcessUnary",
	protocol.ActionProtocol_HandleStreamedIn_FullMethodName:  "ProcessStreamedIn",
	protocol.ActionProtocol_HandleStreamedOut_FullMethodName: "ProcessStreamedOut",
	protocol.ActionProtocol_HandleStreamed_FullMethodName:    "ProcessStreamed",
}

// Action makes an instance of the action model services; it is a [mockfunction.ActionBehaviour].
func Action(method string, header *protocol.ActionCommand) mockfunction.ActionInstance {
	switch header.GetServiceName() {
	case ActionService:
		if commands[method] != header.GetName() {
			return nil
		}
	case ActionTwo:
		if method != protocol.ActionProtocol_HandleUnary_FullMethodName || header.GetName() != "Call" {
			return nil
		}
	default:
		return nil
	}
	combine := method == protocol.ActionProtocol_HandleUnary_FullMethodName ||
		method == protocol.ActionProtocol_HandleStreamedIn_FullMethodName
	return &actionCall{service: header.GetServiceName(), combine: combine, combined: &protocol.ActionResponse{}}
}

// actionCall answers one call. With combine, all steps of all requests make one response, given when the call is done; otherwise
// each group of steps makes a response of its own.
type actionCall struct {
	service  string
	combine  bool
	combined *protocol.ActionResponse
}

func (a *actionCall) Command(command *protocol.ActionCommand) []*protocol.ActionResponse {
	if a.service != ActionService {
		return a.respond(&protocol.ActionResponse{Response: &protocol.ActionResponse_Reply{
			Reply: &cloudstate.Reply{Payload: pack(&action.Response{})},
		}})
	}
	var request action.Request
	if err := command.GetPayload().UnmarshalTo(&request); err != nil {
		return a.respond(failed(fmt.Sprintf("the model needs an action Request: %v", err)))
	}
	var out []*protocol.ActionResponse
	for _, group := range request.GetGroups() {
		response := a.combined
		if !a.combine {
			response = &protocol.ActionResponse{}
			out = append(out, response)
		}
		for _, step := range group.GetSteps() {
			apply(step, response)
		}
	}
	return out
}

func (a *actionCall) Done() []*protocol.ActionResponse {
	if a.combine {
		return []*protocol.ActionResponse{a.combined}
	}
	return nil
}

func (a *actionCall) respond(response *protocol.ActionResponse) []*protocol.ActionResponse {
	if a.combine {
		a.combined = response
		return nil
	}
	return []*protocol.ActionResponse{response}
}

// apply performs one step; of several that decide the response, the last one wins.
func apply(step *action.ProcessStep, out *protocol.ActionResponse) {
	switch s := step.GetStep().(type) {
	case *action.ProcessStep_Reply:
		payload := pack(&action.Response{Message: s.Reply.GetMessage()})
		out.Response = &protocol.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: payload}}
	case *action.ProcessStep_Forward:
		request := &action.OtherRequest{Id: s.Forward.GetId()}
		out.Response = &protocol.ActionResponse_Forward{Forward: &cloudstate.Forward{
			ServiceName: ActionTwo, CommandName: "Call", Payload: pack(request),
		}}
	case *action.ProcessStep_Fail:
		out.Response = failed(s.Fail.GetMessage()).Response
	case *action.ProcessStep_Effect:
		request := &action.OtherRequest{Id: s.Effect.GetId()}
		out.SideEffects = append(out.SideEffects, effect(ActionTwo, request, s.Effect.GetSynchronous()))
	}
}

func failed(description string) *protocol.ActionResponse {
	return &protocol.ActionResponse{Response: &protocol.ActionResponse_Failure{
		Failure: &cloudstate.Failure{Description: description},
	}}
}
