package mockproxy

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
)

// Action is one call of an action, in any of the four forms that the protocol has.
type Action struct {
	*Stream[*action.ActionCommand, *action.ActionResponse]
}

// HandleUnary makes a unary action call and returns its response; the error is a *trace.Mismatch unless the answer was one
// response followed by status OK.
func (p *Proxy) HandleUnary(ctx context.Context, command *action.ActionCommand) (*action.ActionResponse, error) {
	response := &action.ActionResponse{}
	return response, p.Call(ctx, action.ActionProtocol_HandleUnary_FullMethodName, command, response)
}

// OpenUnary opens a unary action call and sends nothing: for scripts that send something other than one command.
func (p *Proxy) OpenUnary(ctx context.Context) (*Action, error) {
	return p.action(ctx, action.ActionProtocol_HandleUnary_FullMethodName)
}

// OpenStreamedOut opens a call with one command in and many responses out and sends nothing: for scripts that send something
// other than one command.
func (p *Proxy) OpenStreamedOut(ctx context.Context) (*Action, error) {
	return p.action(ctx, action.ActionProtocol_HandleStreamedOut_FullMethodName)
}

// HandleStreamedIn opens a call with many commands in and one response out. Begin with [Action.Header].
func (p *Proxy) HandleStreamedIn(ctx context.Context) (*Action, error) {
	return p.action(ctx, action.ActionProtocol_HandleStreamedIn_FullMethodName)
}

// HandleStreamedOut makes a call with one command in and many responses out. The command is sent and the call half-closed.
func (p *Proxy) HandleStreamedOut(ctx context.Context, command *action.ActionCommand) (*Action, error) {
	a, err := p.OpenStreamedOut(ctx)
	if err != nil {
		return nil, err
	}
	if err := ignoreEnded(a.Send(command)); err != nil {
		a.Cancel()
		return nil, err
	}
	return a, a.CloseSend()
}

// HandleStreamed opens a call with many commands in and many responses out. Begin with [Action.Header].
func (p *Proxy) HandleStreamed(ctx context.Context) (*Action, error) {
	return p.action(ctx, action.ActionProtocol_HandleStreamed_FullMethodName)
}

func (p *Proxy) action(ctx context.Context, method string) (*Action, error) {
	newOut := func() *action.ActionResponse { return &action.ActionResponse{} }
	s, err := open[*action.ActionCommand](ctx, p, method, newOut)
	if err != nil {
		return nil, err
	}
	return &Action{Stream: s}, nil
}

// Header sends the first message of a streamed-in or streamed call, which names the command and has no payload (ACT-04).
func (a *Action) Header(service, name string) error {
	return a.Send(&action.ActionCommand{ServiceName: service, Name: name})
}

// Message sends one of the client's messages on a streamed-in or streamed call.
func (a *Action) Message(payload proto.Message) error {
	value, err := Any(payload)
	if err != nil {
		return err
	}
	return a.Send(&action.ActionCommand{Payload: value})
}
