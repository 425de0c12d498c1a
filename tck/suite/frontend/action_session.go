package frontend

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// actCase is a case about the action model.
func actCase(name, title string, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
	return suite.Case{
		ID: "act/frontend/" + name, Title: title, Requirements: requirements, Kind: suite.Frontend,
		Needs: []string{suite.Action, actModel}, Run: run,
	}
}

// actCommand is the only command of a unary or server-streaming call.
func actCommand(service, name string, payload proto.Message) *protocol.ActionCommand {
	return &protocol.ActionCommand{ServiceName: service, Name: name, Payload: pack(payload)}
}

// actStream is one streamed call of the action model. Its methods end the case when the frontend does something else than expected.
type actStream struct {
	*mockproxy.Action
	ctx context.Context
	t   *suite.T
}

// streamed opens a bidirectional call, and sends its header.
func streamed(ctx context.Context, t *suite.T) *actStream {
	call, err := dial(ctx, t).HandleStreamed(ctx)
	a := newActStream(ctx, t, call, err)
	a.sent(a.Header(actModel, "ProcessStreamed"))
	return a
}

// streamedIn opens a client-streaming call, and sends its header.
func streamedIn(ctx context.Context, t *suite.T) *actStream {
	call, err := dial(ctx, t).HandleStreamedIn(ctx)
	a := newActStream(ctx, t, call, err)
	a.sent(a.Header(actModel, "ProcessStreamedIn"))
	return a
}

// streamedOut makes a server-streaming call.
func streamedOut(ctx context.Context, t *suite.T, groups ...*model.ProcessGroup) *actStream {
	call, err := dial(ctx, t).HandleStreamedOut(ctx, actCommand(actModel, "ProcessStreamedOut", actRequest(groups...)))
	return newActStream(ctx, t, call, err)
}

func newActStream(ctx context.Context, t *suite.T, call *mockproxy.Action, err error) *actStream {
	t.Check(err, suite.Failure{Remedy: "serve cloudstate.action.ActionProtocol"})
	t.Cleanup(call.Cancel)
	return &actStream{Action: call, ctx: ctx, t: t}
}

// sent ends the case if a message could not be sent because the frontend had ended the call.
func (a *actStream) sent(err error) {
	a.t.Check(err, suite.Failure{Remedy: "keep the call open until the proxy half-closes it"})
}

// request sends one message of the client.
func (a *actStream) request(groups ...*model.ProcessGroup) { a.sent(a.Message(actRequest(groups...))) }

// halfClose tells the frontend that no more messages will come.
func (a *actStream) halfClose() {
	if err := a.CloseSend(); err != nil {
		a.t.KitFault(err)
	}
}

// expect receives the next response, which must be want.
func (a *actStream) expect(requirement string, want *protocol.ActionResponse) {
	got, err := a.Recv(a.ctx)
	if err != nil {
		a.t.Check(expecting(err, trace.Text(want)), suite.Failure{Requirement: requirement})
	}
	a.t.Check(trace.Compare(a.Where(), want, Normalise(got)), suite.Failure{Requirement: requirement})
}

// ends expects the call to be over, with status OK and without a further response.
func (a *actStream) ends(requirement string) {
	a.t.Check(a.ExpectCompletion(a.ctx), suite.Failure{Requirement: requirement, Remedy: "end the call with status OK after the last response"})
}

// unaryIs makes a unary call and expects this response.
func unaryIs(ctx context.Context, t *suite.T, requirement string, groups []*model.ProcessGroup, want *protocol.ActionResponse) {
	got, err := dial(ctx, t).HandleUnary(ctx, actCommand(actModel, "ProcessUnary", actRequest(groups...)))
	if err != nil {
		t.Check(expecting(err, trace.Text(want)), suite.Failure{Requirement: requirement})
	}
	t.Equal(want, Normalise(got), suite.Failure{Requirement: requirement})
}

// The responses that the model gives.

func actReplied(message string, effects ...*cloudstate.SideEffect) *protocol.ActionResponse {
	reply := &cloudstate.Reply{Payload: pack(&model.Response{Message: message})}
	return &protocol.ActionResponse{Response: &protocol.ActionResponse_Reply{Reply: reply}, SideEffects: effects}
}

func actForwarded(id string, effects ...*cloudstate.SideEffect) *protocol.ActionResponse {
	forward := forwardTo(actTwo, &model.OtherRequest{Id: id}).GetForward()
	return &protocol.ActionResponse{Response: &protocol.ActionResponse_Forward{Forward: forward}, SideEffects: effects}
}

func actFailed(description string, effects ...*cloudstate.SideEffect) *protocol.ActionResponse {
	failure := &cloudstate.Failure{Description: description}
	return &protocol.ActionResponse{Response: &protocol.ActionResponse_Failure{Failure: failure}, SideEffects: effects}
}

func actSilent(effects ...*cloudstate.SideEffect) *protocol.ActionResponse {
	return &protocol.ActionResponse{SideEffects: effects}
}

func actEffected(id string, synchronous bool) *cloudstate.SideEffect {
	return effectOn(actTwo, &model.OtherRequest{Id: id}, synchronous)
}

// The steps that a request asks the model to take.

func actRequest(groups ...*model.ProcessGroup) *model.Request { return &model.Request{Groups: groups} }

func group(steps ...*model.ProcessStep) *model.ProcessGroup { return &model.ProcessGroup{Steps: steps} }

func actReply(message string) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Reply{Reply: &model.Reply{Message: message}}}
}

func actForward(id string) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Forward{Forward: &model.Forward{Id: id}}}
}

func actFail(message string) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Fail{Fail: &model.Fail{Message: message}}}
}

func actEffect(id string, synchronous bool) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Effect{Effect: &model.SideEffect{Id: id, Synchronous: synchronous}}}
}
