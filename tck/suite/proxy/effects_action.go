package proxy

import (
	"errors"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// actionTarget is a method of an action whose calls belong to the case's script.
type actionTarget struct {
	s     *scene
	claim mockfunction.Claim
}

// action claims the calls of a service's method for the script until the case ends.
func (s *scene) action(service, name string) *actionTarget {
	a := &actionTarget{s: s, claim: mockfunction.Claim{Service: service, ID: name}}
	s.t.Cleanup(s.function.Claim(a.claim))
	return a
}

// actionCall is one call of an action, in the script's hands.
type actionCall struct {
	*mockfunction.Action
	t *suite.T
}

// next takes the next call.
func (a *actionTarget) next(requirement string) *actionCall {
	stream, err := a.s.function.Action(a.s.ctx, a.claim)
	a.s.t.Check(err, suite.Failure{Requirement: requirement})
	a.s.t.Cleanup(stream.Complete)
	return &actionCall{Action: stream, t: a.s.t}
}

// receive receives the next command of a call.
func (a *actionTarget) receive(in *actionCall, requirement string) *action.ActionCommand {
	command, err := in.Recv(a.s.ctx)
	a.s.t.Check(err, suite.Failure{Requirement: requirement})
	return command
}

// expect receives this command.
func (a *actionTarget) expect(in *actionCall, requirement string, want *action.ActionCommand) {
	got, err := in.Recv(a.s.ctx)
	var mismatch *trace.Mismatch
	if errors.As(err, &mismatch) {
		mismatch.Expected = trace.Text(want)
	}
	a.s.t.Check(err, suite.Failure{Requirement: requirement})
	a.s.t.Equal(want, got, suite.Failure{Requirement: requirement})
}

// answers sends a response with this outcome and these side effects, and completes a call that takes only one.
func (c *actionCall) answers(outcome *cloudstate.ClientAction, effects ...*cloudstate.SideEffect) {
	response := &action.ActionResponse{SideEffects: effects}
	switch {
	case outcome.GetReply() != nil:
		response.Response = &action.ActionResponse_Reply{Reply: outcome.GetReply()}
	case outcome.GetForward() != nil:
		response.Response = &action.ActionResponse_Forward{Forward: outcome.GetForward()}
	case outcome.GetFailure() != nil:
		response.Response = &action.ActionResponse_Failure{Failure: outcome.GetFailure()}
	}
	c.t.Check(c.Respond(response), suite.Failure{Remedy: "keep a call of an action open until it is answered"})
}

// actionReply is a response with this text.
func actionReply(text string) *action.ActionResponse {
	return &action.ActionResponse{Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: pack(&actmodel.Response{Message: text})}}}
}
