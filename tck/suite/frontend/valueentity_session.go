package frontend

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// veStream is the stream of one instance of the value entity model, from the proxy's side. Its methods end the case when the
// frontend does something else than expected.
type veStream struct {
	*mockproxy.ValueEntity
	ctx  context.Context
	t    *suite.T
	id   string
	last int64 // id of the last command sent
}

// veCase is a case on one fresh instance of the value entity model: run drives it, and afterwards its stream must end without a
// further message.
func veCase(name, title string, requirements []string, run func(v *veStream)) suite.Case {
	return veFree(name, title, requirements, func(ctx context.Context, t *suite.T) {
		v := openVE(ctx, t, dial(ctx, t), t.ID("ve"))
		v.init()
		run(v)
		v.finish()
	})
}

// veFree is a case about the value entity model that opens its streams itself.
func veFree(name, title string, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
	return suite.Case{
		ID: "ve/frontend/" + name, Title: title, Requirements: requirements, Kind: suite.Frontend,
		Needs: []string{suite.ValueEntity, veModel}, Run: run,
	}
}

// openVE opens a stream for instance id; nothing is sent yet.
func openVE(ctx context.Context, t *suite.T, p *mockproxy.Proxy, id string) *veStream {
	stream, err := p.ValueEntity(ctx)
	t.Check(err, suite.Failure{Remedy: "serve cloudstate.valueentity.ValueEntity"})
	t.Cleanup(stream.Cancel)
	return &veStream{ValueEntity: stream, ctx: ctx, t: t, id: id}
}

// sent ends the case if a message could not be sent because the frontend had ended the stream.
func (v *veStream) sent(err error) {
	v.t.Check(err, suite.Failure{Remedy: "keep the stream open until the proxy half-closes it"})
}

// init begins the stream of an entity for which nothing is stored.
func (v *veStream) init() { v.sent(v.Init(veModel, v.id, nil)) }

// initWith begins the stream of an entity whose stored value is state.
func (v *veStream) initWith(state string) {
	v.sent(v.Init(veModel, v.id, &model.Persisted{Value: state}))
}

// process sends the next command, with these steps; none makes it a read.
func (v *veStream) process(steps ...*model.RequestAction) {
	v.last++
	v.sent(v.Command(v.last, "Process", &model.Request{Id: v.id, Actions: steps}))
}

// expect receives the reply to the last command, which must be the one described.
func (v *veStream) expect(requirement string, action *cloudstate.ClientAction, parts ...vePart) {
	if failure := action.GetFailure(); failure != nil {
		failure.CommandId = v.last
	}
	want := &protocol.ValueEntityReply{CommandId: v.last, ClientAction: action}
	for _, part := range parts {
		part(want)
	}
	message := &protocol.ValueEntityStreamOut{Message: &protocol.ValueEntityStreamOut_Reply{Reply: want}}
	got, err := v.Recv(v.ctx)
	if err != nil {
		v.t.Check(expecting(err, trace.Text(message)), suite.Failure{Requirement: requirement})
	}
	v.t.Check(trace.Compare(v.Where(), message, Normalise(got)), suite.Failure{Requirement: requirement})
}

// reads sends a command that changes nothing and expects this state in the reply, and no state action.
func (v *veStream) reads(requirement, state string) {
	v.process()
	v.expect(requirement, veState(state))
}

func (v *veStream) finish() { finish(v.ctx, v.t, v, "VE-10") }

// passivate half-closes the stream and expects the frontend to complete it with status OK.
func (v *veStream) passivate() {
	v.t.Check(v.Passivate(v.ctx), suite.Failure{
		Requirement: "VE-59",
		Remedy:      "when the proxy half-closes an instance's stream, forget the instance and end the call with status OK",
	})
}

// fails expects the stream to be failed: a top-level failure, or a status other than OK, or both, and no other message.
func (v *veStream) fails(requirement, why string) {
	f := suite.Failure{
		Requirement: requirement,
		Expected:    "the stream to be failed (a top-level failure, a status other than OK, or both), because " + why,
		Remedy:      "fail the stream; never answer it, ignore it or crash on it",
	}
	out, err := v.Recv(v.ctx)
	if err == nil && out.GetFailure() != nil {
		ignoreEnded(v.t, v.CloseSend())
		_, err := v.ExpectEnd(v.ctx)
		v.t.Check(err, f)
		return
	}
	if code, ended := endedWith(err); ended && code != codes.OK {
		return
	}
	f.Got = describe(out, err)
	v.t.Fail(f)
}

// vePart is one more part of an expected reply.
type vePart func(*protocol.ValueEntityReply)

// veState is the client action that answers with the model's state.
func veState(state string) *cloudstate.ClientAction {
	return replyWith(&model.Response{Message: state})
}

func veForwarded(id string) *cloudstate.ClientAction { return forwardTo(veTwo, &model.Request{Id: id}) }

func veUpdated(state string) vePart {
	return func(r *protocol.ValueEntityReply) {
		r.StateAction = &protocol.ValueEntityAction{Action: &protocol.ValueEntityAction_Update{
			Update: &protocol.ValueEntityUpdate{Value: pack(&model.Persisted{Value: state})},
		}}
	}
}

func veDeleted() vePart {
	return func(r *protocol.ValueEntityReply) {
		r.StateAction = &protocol.ValueEntityAction{Action: &protocol.ValueEntityAction_Delete{Delete: &protocol.ValueEntityDelete{}}}
	}
}

func veEffected(id string, synchronous bool) vePart {
	return func(r *protocol.ValueEntityReply) {
		r.SideEffects = append(r.SideEffects, effectOn(veTwo, &model.Request{Id: id}, synchronous))
	}
}

// The steps that a request asks the model to take.

func update(value string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Update{Update: &model.Update{Value: value}}}
}

func updates(values ...string) []*model.RequestAction {
	out := make([]*model.RequestAction, len(values))
	for i, value := range values {
		out[i] = update(value)
	}
	return out
}

func remove() *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Delete{Delete: &model.Delete{}}}
}

func veForward(id string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Forward{Forward: &model.Forward{Id: id}}}
}

func veEffect(id string, synchronous bool) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Effect{Effect: &model.Effect{Id: id, Synchronous: synchronous}}}
}

func veFail(message string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: message}}}
}
