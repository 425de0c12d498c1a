package mockfunction

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
)

// Action is one call of an action, in any of its four forms, in the script's hands. The unary and streamed-out forms have one
// command in; the unary and streamed-in forms have one response out, which the script must send before it completes the call.
type Action struct {
	*Stream[*action.ActionResponse, *action.ActionCommand]
	// Method is the full path, such as "/cloudstate.action.ActionProtocol/handleUnary".
	Method string
	// Owner holds the service and the name of the first command, which is still to be received.
	Owner Claim
}

// ActionBehaviour makes the instance that answers a new call of the given full method, whose first command is header; nil if it
// knows no such service or method, which fails the call. It is called by many goroutines.
type ActionBehaviour func(method string, header *action.ActionCommand) ActionInstance

// ActionInstance answers one call; its methods are called one at a time. The unary and streamed-in forms take one response in
// all.
type ActionInstance interface {
	// Command returns the responses to one command with a payload, which in the streamed-in and streamed forms is every command but the
	// header.
	Command(command *action.ActionCommand) []*action.ActionResponse
	// Done returns the last responses, when there will be no more commands.
	Done() []*action.ActionResponse
}

// Action waits for the next action call for the script that falls under c; Claim{} takes any.
func (f *Function) Action(ctx context.Context, c Claim) (*Action, error) {
	what := "a call of action " + c.describe()
	return next(ctx, f, f.action, what, func(s *Action) bool { return c.matches(s.Owner) })
}

// Respond sends response and, in the forms that have only one, completes the call.
func (a *Action) Respond(response *action.ActionResponse) error {
	if err := a.Send(response); err != nil {
		return err
	}
	if !manyOut(a.Method) {
		a.Complete()
	}
	return nil
}

func isAction(method string) bool {
	return method == action.ActionProtocol_HandleUnary_FullMethodName || manyIn(method) || manyOut(method)
}

func manyIn(method string) bool {
	return method == action.ActionProtocol_HandleStreamedIn_FullMethodName || method == action.ActionProtocol_HandleStreamed_FullMethodName
}

func manyOut(method string) bool {
	return method == action.ActionProtocol_HandleStreamedOut_FullMethodName || method == action.ActionProtocol_HandleStreamed_FullMethodName
}

func (f *Function) handleAction(transport grpc.ServerStream, method string) error {
	s := accept[*action.ActionResponse](f, transport, method, func() *action.ActionCommand { return &action.ActionCommand{} })
	item := s.ReceiveNow()
	owner := Claim{Service: item.Msg.GetServiceName(), ID: item.Msg.GetName()}
	if f.cfg.Action == nil || f.claimed(owner) {
		s.Unread(item)
		f.action.put(&Action{Stream: s, Method: method, Owner: owner})
		return s.hold()
	}
	if item.Msg == nil {
		return s.finish(violation("an action call begins with a command"))
	}
	instance := f.cfg.Action(method, item.Msg)
	if instance == nil {
		return s.finish(status.Newf(codes.Unimplemented, "no action %s/%s is served here", owner.Service, owner.ID))
	}
	if manyIn(method) {
		item = s.ReceiveNow()
	}
	for item.Msg != nil {
		if err := sendAll(s, instance.Command(item.Msg)); err != nil {
			return err
		}
		item = s.ReceiveNow()
	}
	if st := closing(item.Bad, item.End); st.Code() != codes.OK {
		return s.finish(st)
	}
	if err := sendAll(s, instance.Done()); err != nil {
		return err
	}
	return s.finish(status.New(codes.OK, ""))
}

func sendAll(s *Stream[*action.ActionResponse, *action.ActionCommand], responses []*action.ActionResponse) error {
	for _, response := range responses {
		if err := s.Send(response); err != nil {
			return s.finish(status.New(codes.Canceled, err.Error()))
		}
	}
	return nil
}
