package fuzz

import (
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// inFlight stands in answers for the id of the command that is answered, which depends on what became of the stream before.
const inFlight = 77777777

// withCommand returns body with the id of the command in flight.
func withCommand(body proto.Message, id int64) proto.Message {
	body = proto.Clone(body)
	set := func(field *int64) {
		if *field == inFlight {
			*field = id
		}
	}
	var clientAction *cloudstate.ClientAction
	switch out := body.(type) {
	case *eventsourced.EventSourcedStreamOut:
		if out.GetReply() != nil {
			set(&out.GetReply().CommandId)
		}
		if out.GetFailure() != nil {
			set(&out.GetFailure().CommandId)
		}
		clientAction = out.GetReply().GetClientAction()
	case *valueentity.ValueEntityStreamOut:
		if out.GetReply() != nil {
			set(&out.GetReply().CommandId)
		}
		if out.GetFailure() != nil {
			set(&out.GetFailure().CommandId)
		}
		clientAction = out.GetReply().GetClientAction()
	}
	if clientAction.GetFailure() != nil {
		set(&clientAction.GetFailure().CommandId)
	}
	return body
}

// toProxy returns what a client calls, and what the user function answers.
func (g *generator) toProxy(kind Kind) []Step {
	var steps []Step
	switch kind {
	case EventSourced:
		for range 1 + g.IntN(4) {
			request := &esmodel.Request{Id: placeholder, Actions: []*esmodel.RequestAction{{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: g.word()}}}}}
			steps = append(steps, Step{Send: &Message{Body: request}, Answers: []Answer{{Send: &Message{Body: g.eventSourcedAnswer()}}}, Cancel: g.chance(30)})
		}
	case ValueEntity:
		for range 1 + g.IntN(4) {
			request := &vemodel.Request{Id: placeholder, Actions: []*vemodel.RequestAction{{Action: &vemodel.RequestAction_Update{Update: &vemodel.Update{Value: g.word()}}}}}
			steps = append(steps, Step{Send: &Message{Body: request}, Answers: []Answer{{Send: &Message{Body: g.valueAnswer()}}}, Cancel: g.chance(30)})
		}
	default:
		n := 1
		if streamsIn(kind) {
			n = 1 + g.IntN(3)
		}
		for i := range n {
			step := Step{Send: &Message{Body: g.actionRequest()}}
			if streamsOut(kind) || i == n-1 {
				step.Answers = []Answer{{Send: &Message{Body: g.actionAnswer(!streamsOut(kind))}}}
			}
			for streamsOut(kind) && g.chance(3) {
				step.Answers = append(step.Answers, Answer{Send: &Message{Body: g.actionAnswer(false)}})
			}
			steps = append(steps, step)
		}
	}
	return steps
}

// eventSourcedAnswer is an answer of an event sourced entity: a lawful one, or a failure that brings events.
func (g *generator) eventSourcedAnswer() *eventsourced.EventSourcedStreamOut {
	if g.chance(30) {
		failure := &cloudstate.Failure{CommandId: inFlight, Description: g.word()}
		return &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Failure{Failure: failure}}
	}
	reply := &eventsourced.EventSourcedReply{CommandId: inFlight}
	if failure := g.failure(); failure != nil {
		reply.ClientAction = failure
		if g.chance(3) { // of which nothing may be stored (ES-36)
			reply.Events = append(reply.Events, pack(&esmodel.Persisted{Value: g.word()}))
		}
	} else {
		reply.ClientAction = g.clientAction(&esmodel.Response{Message: g.word()}, model.EventSourcedTwo, &esmodel.Request{Id: placeholder})
		for range g.IntN(4) {
			reply.Events = append(reply.Events, pack(&esmodel.Persisted{Value: g.word()}))
		}
		if len(reply.Events) > 0 && g.chance(3) {
			reply.Snapshot = pack(&esmodel.Persisted{Value: g.word()})
		}
		reply.SideEffects = g.effects(model.EventSourcedTwo, &esmodel.Request{Id: placeholder})
	}
	return &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}}
}

// valueAnswer is an answer of a value entity: a lawful one, or a failure that brings a value.
func (g *generator) valueAnswer() *valueentity.ValueEntityStreamOut {
	if g.chance(30) {
		failure := &cloudstate.Failure{CommandId: inFlight, Description: g.word()}
		return &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Failure{Failure: failure}}
	}
	reply := &valueentity.ValueEntityReply{CommandId: inFlight}
	if failure := g.failure(); failure != nil {
		reply.ClientAction = failure
		if g.chance(3) { // of which nothing may be stored (VE-20)
			update := &valueentity.ValueEntityUpdate{Value: pack(&vemodel.Persisted{Value: g.word()})}
			reply.StateAction = &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Update{Update: update}}
		}
	} else {
		reply.ClientAction = g.clientAction(&vemodel.Response{Message: g.word()}, model.ValueEntityTwo, &vemodel.Request{Id: placeholder})
		switch g.IntN(4) {
		case 0:
			reply.StateAction = &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Delete{Delete: &valueentity.ValueEntityDelete{}}}
		case 1, 2:
			update := &valueentity.ValueEntityUpdate{Value: pack(&vemodel.Persisted{Value: g.word()})}
			reply.StateAction = &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Update{Update: update}}
		}
		reply.SideEffects = g.effects(model.ValueEntityTwo, &vemodel.Request{Id: placeholder})
	}
	return &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: reply}}
}

// failure fails a command, mostly not.
func (g *generator) failure() *cloudstate.ClientAction {
	if !g.chance(8) {
		return nil
	}
	failure := &cloudstate.Failure{CommandId: inFlight, Description: g.word(), GrpcStatusCode: int32(g.IntN(17)), Restart: g.chance(3)}
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: failure}}
}

func (g *generator) clientAction(reply proto.Message, service string, request proto.Message) *cloudstate.ClientAction {
	if g.chance(8) {
		forward := &cloudstate.Forward{ServiceName: service, CommandName: "Call", Payload: pack(request), Metadata: g.metadata()}
		return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{Forward: forward}}
	}
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: pack(reply), Metadata: g.metadata()}}}
}

func (g *generator) effects(service string, request proto.Message) []*cloudstate.SideEffect {
	if !g.chance(6) {
		return nil
	}
	return []*cloudstate.SideEffect{{ServiceName: service, CommandName: "Call", Payload: pack(request), Synchronous: g.chance(2), Metadata: g.metadata()}}
}

// actionAnswer is a lawful response of an action. One that is the only one mostly says something.
func (g *generator) actionAnswer(only bool) *action.ActionResponse {
	response := &action.ActionResponse{SideEffects: g.effects(model.ActionTwo, &actionmodel.OtherRequest{Id: g.word()})}
	switch g.IntN(8) {
	case 0:
		failure := &cloudstate.Failure{Description: g.word(), GrpcStatusCode: int32(g.IntN(17))}
		response.Response = &action.ActionResponse_Failure{Failure: failure}
	case 1:
		forward := &cloudstate.Forward{ServiceName: model.ActionTwo, CommandName: "Call", Payload: pack(&actionmodel.OtherRequest{Id: g.word()})}
		response.Response = &action.ActionResponse_Forward{Forward: forward}
	case 2:
		if !only {
			break
		}
		fallthrough
	default:
		reply := &cloudstate.Reply{Payload: pack(&actionmodel.Response{Message: g.word()}), Metadata: g.metadata()}
		response.Response = &action.ActionResponse_Reply{Reply: reply}
	}
	return response
}

// rediscovery is a lost connection and what the proxy is told when it asks again.
func (g *generator) rediscovery() []Step {
	return []Step{{Answers: []Answer{{Send: &Message{Body: functionSpec()}}}}}
}
