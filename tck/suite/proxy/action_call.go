package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// form is one of the four kinds of call, as the model has them.
type form struct {
	name    string // of the model's method
	handler string // full method of the user function
	manyIn  bool
	manyOut bool
	id      string // in case ids
}

var (
	unary       = form{"ProcessUnary", action.ActionProtocol_HandleUnary_FullMethodName, false, false, "unary"}
	streamedIn  = form{"ProcessStreamedIn", action.ActionProtocol_HandleStreamedIn_FullMethodName, true, false, "streamed-in"}
	streamedOut = form{"ProcessStreamedOut", action.ActionProtocol_HandleStreamedOut_FullMethodName, false, true, "streamed-out"}
	streamed    = form{"ProcessStreamed", action.ActionProtocol_HandleStreamed_FullMethodName, true, true, "streamed"}
	forms       = []form{unary, streamedIn, streamedOut, streamed}
)

func (f form) method() string { return "/" + model.ActionService + "/" + f.name }

// actionCase makes a case about actions on the shared proxy.
func actionCase(name, title string, requirements []string, run func(s *scene)) suite.Case {
	return suite.Case{
		ID: "act/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, Needs: []string{suite.Action},
		Run: func(ctx context.Context, t *suite.T) { run(shared(ctx, t)) },
	}
}

// claims keeps the calls of command of the action service away from the model behaviour; those that the case has not taken end after it.
func (s *scene) claims(service, command string) {
	claim := mockfunction.Claim{Service: service, ID: command}
	release := s.function.Claim(claim)
	s.t.Cleanup(func() {
		release()
		now, cancel := context.WithCancel(context.Background())
		cancel()
		for {
			call, err := s.function.Action(now, claim)
			if err != nil {
				return
			}
			call.Fail(codes.Aborted, "the case is over")
		}
	})
}

// handling is one call of an action at the user function, in the script's hands. Its methods end the case when the proxy does something
// else than expected.
type handling struct {
	*mockfunction.Action
	s *scene
}

// handles takes the next call of command, which must have this form.
func (s *scene) handles(requirement, service, command string, f form) *handling {
	call, err := s.function.Action(s.ctx, mockfunction.Claim{Service: service, ID: command})
	s.t.Check(err, suite.Failure{Requirement: requirement, Remedy: "call the user function once for each call of a client"})
	s.t.Cleanup(func() { call.Fail(codes.Aborted, "the case is over") })
	s.t.Require(call.Method == f.handler, suite.Failure{
		Requirement: "ACT-01", Expected: fmt.Sprintf("a call of %s for %s", f.handler, command), Got: "a call of " + call.Method,
	})
	return &handling{call, s}
}

// expects receives exactly this command.
func (h *handling) expects(requirement string, want *action.ActionCommand) {
	h.s.t.Check(h.Expect(h.s.ctx, want), suite.Failure{Requirement: requirement})
}

// begins receives what a model call begins with: the header with the payload, or alone where the client streams.
func (h *handling) begins(requirement string, f form, text string, md *cloudstate.Metadata) {
	want := &action.ActionCommand{ServiceName: model.ActionService, Name: f.name, Metadata: md}
	if !f.manyIn {
		want.Payload = pack(step(text))
	}
	h.expects(requirement, want)
}

// gets receives a later command of a streamed call.
func (h *handling) gets(requirement, text string) {
	h.expects(requirement, &action.ActionCommand{Payload: pack(step(text))})
}

// halfClosed waits for the proxy's half-close, which must come next.
func (h *handling) halfClosed(requirement string) {
	h.s.t.Check(h.ExpectHalfClose(h.s.ctx), suite.Failure{Requirement: requirement})
}

// cancelled waits for the proxy to cancel its call.
func (h *handling) cancelled(requirement, why string) {
	h.s.t.Check(h.ExpectCancel(h.s.ctx), suite.Failure{
		Requirement: requirement, Expected: "the proxy to cancel its call, because " + why,
		Remedy: "a call to the user function lives no longer than the client's call that it was made for",
	})
}

// responds sends one response; the forms with one response end with it.
func (h *handling) responds(response *action.ActionResponse) {
	h.s.t.Check(h.Respond(response), suite.Failure{Expected: "the proxy to keep its call open until the user function has ended it"})
}

func (h *handling) replies(text string) { h.responds(actReply(text)) }

// step is a model request whose text tells it from others.
func step(text string) *actmodel.Request {
	return &actmodel.Request{Groups: []*actmodel.ProcessGroup{{Steps: []*actmodel.ProcessStep{
		{Step: &actmodel.ProcessStep_Reply{Reply: &actmodel.Reply{Message: text}}},
	}}}}
}

func said(text string) *actmodel.Response { return &actmodel.Response{Message: text} }

func actReply(text string, effects ...*cloudstate.SideEffect) *action.ActionResponse {
	return actPayload(pack(said(text)), effects...)
}

func actPayload(payload *anypb.Any, effects ...*cloudstate.SideEffect) *action.ActionResponse {
	return &action.ActionResponse{Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: payload}}, SideEffects: effects}
}

func actFailure(f *cloudstate.Failure, effects ...*cloudstate.SideEffect) *action.ActionResponse {
	return &action.ActionResponse{Response: &action.ActionResponse_Failure{Failure: f}, SideEffects: effects}
}

func actForward(id string, effects ...*cloudstate.SideEffect) *action.ActionResponse {
	return &action.ActionResponse{
		Response: &action.ActionResponse_Forward{Forward: &cloudstate.Forward{
			ServiceName: model.ActionTwo, CommandName: "Call", Payload: pack(&actmodel.OtherRequest{Id: id}),
		}},
		SideEffects: effects,
	}
}

func actEffect(id string, synchronous bool) *cloudstate.SideEffect {
	return &cloudstate.SideEffect{
		ServiceName: model.ActionTwo, CommandName: "Call", Payload: pack(&actmodel.OtherRequest{Id: id}), Synchronous: synchronous,
	}
}

// two takes the next call of ActionTwo, which must be the one with this id.
func (s *scene) two(requirement, id string) *handling {
	h := s.handles(requirement, model.ActionTwo, "Call", unary)
	h.expects(requirement, &action.ActionCommand{ServiceName: model.ActionTwo, Name: "Call", Payload: pack(&actmodel.OtherRequest{Id: id})})
	return h
}

// untwo requires that no other call of ActionTwo has come; why says what has not ended yet.
func (s *scene) untwo(requirement, why string) { s.unmade(requirement, model.ActionTwo, "Call", why) }

// unmade requires that no further call of this command has come; why says why there is no reason for one.
func (s *scene) unmade(requirement, service, command, why string) {
	now, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.function.Action(now, mockfunction.Claim{Service: service, ID: command}); err == nil {
		s.t.Fail(suite.Failure{Requirement: requirement, Expected: "no further call of " + service + ": " + why, Got: "a call"})
	}
}

// clientStream is a client's call of a model method, with any number of messages either way.
type clientStream struct {
	*suite.Stream
	s      *scene
	method string
	cancel context.CancelFunc
}

// opens starts a call of form f; nothing but its headers is sent.
func (s *scene) opens(f form, md metadata.MD) *clientStream {
	client := s.client
	if client == nil {
		client = s.t.Client()
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.t.Cleanup(cancel)
	stream, err := client.Stream(ctx, f.method(), md)
	s.t.Check(err, suite.Failure{Requirement: "SERV-01", Expected: "the proxy to accept a call of " + f.method()})
	return &clientStream{stream, s, f.method(), cancel}
}

// begun starts a call of form f; where the client does not stream, its request is sent and the call half-closed.
func (s *scene) begun(f form, text string) *clientStream {
	c := s.opens(f, nil)
	if !f.manyIn {
		c.says(text)
		c.closes()
	}
	return c
}

func (c *clientStream) says(text string) { c.sends(step(text)) }

func (c *clientStream) sends(m proto.Message) {
	if err := c.Send(m); err != nil && !errors.Is(err, io.EOF) {
		c.s.t.KitFault(err)
	}
}

func (c *clientStream) closes() {
	if err := c.CloseSend(); err != nil {
		c.s.t.KitFault(err)
	}
}

// gets receives the response with this text.
func (c *clientStream) gets(requirement, text string) {
	got := &actmodel.Response{}
	c.s.t.Check(c.Recv(got), suite.Failure{
		Requirement: requirement, Expected: fmt.Sprintf("the client of %s to get the response %q", c.method, text),
	})
	c.s.t.Equal(said(text), got, suite.Failure{Requirement: requirement})
}

// completes requires that the call ends with OK and without a further message.
func (c *clientStream) completes(requirement string) {
	body, err := c.RecvBytes()
	if errors.Is(err, io.EOF) {
		return
	}
	got := fmt.Sprintf("a further message: %x", body)
	if err != nil {
		got = err.Error()
	}
	c.s.t.Fail(suite.Failure{
		Requirement: requirement, Expected: fmt.Sprintf("the client's call of %s to end with status OK", c.method), Got: got,
	})
}

// fails requires that the call ends with this status and without a further message; an empty text allows any description.
func (c *clientStream) fails(requirement string, code codes.Code, text string) {
	body, err := c.RecvBytes()
	f := suite.Failure{Requirement: requirement}
	switch {
	case err == nil:
		f.Got = fmt.Sprintf("a further message: %x", body)
		err = errors.New(f.Got)
	case errors.Is(err, io.EOF):
		err = nil
	}
	c.s.t.Status(err, code, text, f)
}
