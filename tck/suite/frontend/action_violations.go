package frontend

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// actionForms are the ways to call an action with one message, each with the method of the model that is called so.
var actionForms = []struct {
	name, method string
	open         func(ctx context.Context, p *mockproxy.Proxy, command *protocol.ActionCommand) (*mockproxy.Action, error)
}{
	{"unary", "ProcessUnary", openUnary},
	{"streamed-in", "ProcessStreamedIn", func(ctx context.Context, p *mockproxy.Proxy, command *protocol.ActionCommand) (*mockproxy.Action, error) {
		call, err := p.HandleStreamedIn(ctx)
		return withHeader(call, err, command)
	}},
	{"streamed-out", "ProcessStreamedOut", func(ctx context.Context, p *mockproxy.Proxy, command *protocol.ActionCommand) (*mockproxy.Action, error) {
		return p.HandleStreamedOut(ctx, command)
	}},
	{"streamed", "ProcessStreamed", func(ctx context.Context, p *mockproxy.Proxy, command *protocol.ActionCommand) (*mockproxy.Action, error) {
		call, err := p.HandleStreamed(ctx)
		return withHeader(call, err, command)
	}},
}

// actionViolationCases covers commands that nobody serves, and calls that are no commands.
func actionViolationCases() []suite.Case {
	var cases []suite.Case
	for _, form := range actionForms {
		refused := func(name, what, service, method string) suite.Case {
			return actCase(form.name+"-"+name, "a "+form.name+" call of "+what+" is refused", requires("ACT-24"),
				func(ctx context.Context, t *suite.T) {
					p := dial(ctx, t)
					call, err := form.open(ctx, p, actCommand(service, method, actRequest(group(actReply("no")))))
					expectRefused(ctx, t, call, err, "the command is for "+what)
					stillServes(ctx, t, p)
				})
		}
		cases = append(cases,
			refused("unknown-service", "a service that is not served", "cloudstate.tck.model.NoSuchService", "Process"),
			refused("unknown-method", "a method that the service does not have", actModel, "NoSuchMethod"),
			actCase(form.name+"-garbage", "a "+form.name+" call whose command is no message at all is refused", requires("ACT-24"),
				func(ctx context.Context, t *suite.T) {
					p := dial(ctx, t)
					call, err := openRaw(ctx, p, form.name)
					if err == nil {
						ignoreEnded(t, call.SendRaw([]byte{0xff, 0xff, 0xff, 0xff}))
						ignoreEnded(t, call.CloseSend())
					}
					expectRefused(ctx, t, call, err, "the command is no message at all")
					stillServes(ctx, t, p)
				}),
		)
	}
	return cases
}

// openUnary makes a unary call as a stream, so that its answer can be looked at like the others'.
func openUnary(ctx context.Context, p *mockproxy.Proxy, command *protocol.ActionCommand) (*mockproxy.Action, error) {
	call, err := p.OpenUnary(ctx)
	if err != nil {
		return nil, err
	}
	if err := call.Send(command); err != nil {
		return nil, err
	}
	return call, call.CloseSend()
}

// openRaw opens a call of the form without sending anything.
func openRaw(ctx context.Context, p *mockproxy.Proxy, form string) (*mockproxy.Action, error) {
	switch form {
	case "unary":
		return p.OpenUnary(ctx)
	case "streamed-in":
		return p.HandleStreamedIn(ctx)
	case "streamed-out":
		return p.OpenStreamedOut(ctx)
	}
	return p.HandleStreamed(ctx)
}

// withHeader sends command the way that the streamed forms want it: header, message, half-close. That the frontend ends the call
// already on the header is its right.
func withHeader(call *mockproxy.Action, err error, command *protocol.ActionCommand) (*mockproxy.Action, error) {
	if err != nil {
		return nil, err
	}
	if call.Header(command.GetServiceName(), command.GetName()) == nil {
		_ = call.Send(&protocol.ActionCommand{Payload: proto.CloneOf(command.GetPayload())})
	}
	return call, call.CloseSend()
}

// expectRefused expects a failure response or a status other than OK.
func expectRefused(ctx context.Context, t *suite.T, call *mockproxy.Action, err error, why string) {
	f := suite.Failure{
		Requirement: "ACT-24",
		Expected:    "a failure response or a status other than OK, because " + why,
		Remedy:      "say that there is no such service or method; never ignore it or crash on it",
	}
	t.Check(err, f)
	t.Cleanup(call.Cancel)
	out, err := call.Recv(ctx)
	if out.GetFailure() != nil {
		return
	}
	if code, ended := endedWith(err); ended && code != codes.OK {
		return
	}
	f.Got = describe(out, err)
	t.Fail(f)
}

// stillServes shows that the frontend goes on.
func stillServes(ctx context.Context, t *suite.T, p *mockproxy.Proxy) {
	got, err := p.HandleUnary(ctx, actCommand(actModel, "ProcessUnary", actRequest(group(actReply("still")))))
	f := suite.Failure{Remedy: "keep what one call does wrong from reaching other calls"}
	t.Check(err, f)
	t.Equal(actReplied("still"), Normalise(got), f)
}
