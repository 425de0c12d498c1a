package frontend

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// esStream is the stream of one instance of the event sourced model, from the proxy's side. Its methods end the case when the
// frontend does something else than expected.
type esStream struct {
	*mockproxy.EventSourced
	ctx  context.Context
	t    *suite.T
	id   string
	last int64 // id of the last command sent
}

// esCase is a case on one fresh instance of the event sourced model: run drives it, and afterwards its stream must end without
// a further message.
func esCase(name, title string, requirements []string, run func(s *esStream)) suite.Case {
	return esFree(name, title, requirements, func(ctx context.Context, t *suite.T) {
		s := openES(ctx, t, dial(ctx, t), t.ID("es"))
		s.init()
		run(s)
		s.finish()
	})
}

// esFree is a case about the event sourced model that opens its streams itself.
func esFree(name, title string, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
	return suite.Case{
		ID: "es/frontend/" + name, Title: title, Requirements: requirements, Kind: suite.Frontend,
		Needs: []string{suite.EventSourced, esModel}, Run: run,
	}
}

// openES opens a stream for instance id; nothing is sent yet.
func openES(ctx context.Context, t *suite.T, p *mockproxy.Proxy, id string) *esStream {
	stream, err := p.EventSourced(ctx)
	t.Check(err, suite.Failure{Remedy: "serve cloudstate.eventsourced.EventSourced"})
	t.Cleanup(stream.Cancel)
	return &esStream{EventSourced: stream, ctx: ctx, t: t, id: id}
}

// sent ends the case if a message could not be sent because the frontend had ended the stream.
func (s *esStream) sent(err error) {
	s.t.Check(err, suite.Failure{Remedy: "keep the stream open until the proxy half-closes it"})
}

func (s *esStream) init() { s.sent(s.Init(esModel, s.id)) }

// initAt begins the stream with a snapshot of state, taken after event sequence.
func (s *esStream) initAt(sequence int64, state string) {
	s.sent(s.InitSnapshot(esModel, s.id, sequence, &model.Persisted{Value: state}))
}

// replay sends events, the first with number sequence.
func (s *esStream) replay(sequence int64, values ...string) {
	for i, value := range values {
		s.sent(s.Event(sequence+int64(i), &model.Persisted{Value: value}))
	}
}

// process sends the next command, with these steps; none makes it a read.
func (s *esStream) process(steps ...*model.RequestAction) {
	s.last++
	s.sent(s.Command(s.last, "Process", &model.Request{Id: s.id, Actions: steps}))
}

// expect receives the reply to the last command, which must be the one described.
func (s *esStream) expect(requirement string, action *cloudstate.ClientAction, parts ...esPart) {
	want := esReply(s.last, action, parts...)
	s.t.Check(s.compare(want), suite.Failure{Requirement: requirement})
}

// compare receives the next message and returns how it differs from want.
func (s *esStream) compare(want *protocol.EventSourcedReply) error {
	message := &protocol.EventSourcedStreamOut{Message: &protocol.EventSourcedStreamOut_Reply{Reply: want}}
	got, err := s.Recv(s.ctx)
	if err != nil {
		return expecting(err, trace.Text(message))
	}
	return trace.Compare(s.Where(), message, Normalise(got))
}

// expecting makes a failed wait for a message say which message was awaited.
func expecting(err error, want string) error {
	var mismatch *trace.Mismatch
	if errors.As(err, &mismatch) {
		mismatch.Expected = want
	}
	return err
}

// reads sends a command that changes nothing and expects this state in the reply.
func (s *esStream) reads(requirement, state string) {
	s.process()
	s.expect(requirement, esState(state))
}

func (s *esStream) finish() { finish(s.ctx, s.t, s, "ES-18") }

// passivate half-closes the stream and expects the frontend to complete it with status OK.
func (s *esStream) passivate() {
	s.t.Check(s.Passivate(s.ctx), suite.Failure{
		Requirement: "ES-48",
		Remedy:      "when the proxy half-closes an instance's stream, forget the instance and end the call with status OK",
	})
}

// fails expects the stream to be failed: a top-level failure, or a status other than OK, or both, and no other message.
func (s *esStream) fails(requirement, why string) {
	f := suite.Failure{
		Requirement: requirement,
		Expected:    "the stream to be failed (a top-level failure, a status other than OK, or both), because " + why,
		Remedy:      "fail the stream; never answer it, ignore it or crash on it",
	}
	out, err := s.Recv(s.ctx)
	if err == nil && out.GetFailure() != nil {
		ignoreEnded(s.t, s.CloseSend())
		_, err := s.ExpectEnd(s.ctx)
		s.t.Check(err, f)
		return
	}
	if code, ended := endedWith(err); ended && code != codes.OK {
		return
	}
	f.Got = describe(out, err)
	s.t.Fail(f)
}

// esPart is one more part of an expected reply.
type esPart func(*protocol.EventSourcedReply)

// esReply is the reply to command id; a failure in it is that command's.
func esReply(id int64, action *cloudstate.ClientAction, parts ...esPart) *protocol.EventSourcedReply {
	if failure := action.GetFailure(); failure != nil {
		failure.CommandId = id
	}
	reply := &protocol.EventSourcedReply{CommandId: id, ClientAction: action}
	for _, part := range parts {
		part(reply)
	}
	return reply
}

// esState is the client action that answers with the model's state.
func esState(state string) *cloudstate.ClientAction {
	return replyWith(&model.Response{Message: state})
}

func esForwarded(id string) *cloudstate.ClientAction { return forwardTo(esTwo, &model.Request{Id: id}) }

func esEvents(values ...string) esPart {
	events := make([]*anypb.Any, len(values))
	for i, value := range values {
		events[i] = pack(&model.Persisted{Value: value})
	}
	return func(r *protocol.EventSourcedReply) { r.Events = events }
}

func esSnapshot(state string) esPart {
	return func(r *protocol.EventSourcedReply) { r.Snapshot = pack(&model.Persisted{Value: state}) }
}

func esEffected(id string, synchronous bool) esPart {
	return func(r *protocol.EventSourcedReply) {
		r.SideEffects = append(r.SideEffects, effectOn(esTwo, &model.Request{Id: id}, synchronous))
	}
}

// The steps that a request asks the model to take.

func emit(value string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Emit{Emit: &model.Emit{Value: value}}}
}

func emits(values ...string) []*model.RequestAction {
	out := make([]*model.RequestAction, len(values))
	for i, value := range values {
		out[i] = emit(value)
	}
	return out
}

func esForward(id string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Forward{Forward: &model.Forward{Id: id}}}
}

func esEffect(id string, synchronous bool) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Effect{Effect: &model.Effect{Id: id, Synchronous: synchronous}}}
}

func esFail(message string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: message}}}
}
