package driver

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/action"
	"github.com/stateful-serverless/cloudstate/reference-proxy/userfunction"
)

// ActionCalls makes the calls of the action protocol; [userfunction.Pool] does.
type ActionCalls interface {
	ActionUnary(ctx context.Context, method string, in []byte) ([]byte, error)
	ActionStream(ctx context.Context, method string) (*userfunction.Stream, error)
}

// Actions calls the user function's actions. Its methods may be called concurrently.
type Actions struct {
	Calls ActionCalls
	// Timeout bounds a unary call, as the command time-out bounds an entity's (LIM-06).
	Timeout time.Duration
	// Report passes a protocol violation on; it must not block.
	Report func(text string)
}

// Unary makes one unary call. An error is the context's, the user function's own
// gRPC status (ACT-25), or an [entity.Fault].
func (a *Actions) Unary(ctx context.Context, service string, cmd *entity.Command) (entity.Outcome, error) {
	bounded, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	msg, err := a.Calls.ActionUnary(bounded, action.MethodUnary, action.Command(service, cmd))
	if err != nil {
		if bounded.Err() != nil && ctx.Err() == nil {
			return entity.Outcome{}, &entity.Fault{Class: entity.FaultTimeout, Text: "the user function did not answer within " + a.Timeout.String()}
		}
		return entity.Outcome{}, callFault(err)
	}
	return a.outcome(service, cmd.Name, msg)
}

func (a *Actions) outcome(service, name string, msg []byte) (entity.Outcome, error) {
	out, err := action.Response(msg)
	if err != nil {
		a.Report("action [" + service + "." + name + "]: " + err.Error())
		return entity.Outcome{}, &entity.Fault{Class: entity.FaultProtocol, Text: "Unexpected action response"}
	}
	return out, nil
}

// ActionCall is a call to an action that has begun.
type ActionCall struct {
	actions       *Actions
	service, name string
	stream        *userfunction.Stream
	cancel        context.CancelFunc
}

// Begin begins a call of any streaming kind, a unary one included; when it returns,
// the user function's connection has the call's first message, so that calls begun
// one after the other come in this order. first is the call's one command when the
// client does not stream; otherwise it carries the call's name and metadata, and recv
// gives the client's messages, then io.EOF when the client half-closed. The user
// function sees the client's half-close and cancellation (ACT-07, ACT-10). The caller
// must take the Outcomes.
func (a *Actions) Begin(ctx context.Context, service string, clientStreaming, serverStreaming bool, first *entity.Command,
	recv func() ([]byte, error),
) (*ActionCall, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := a.Calls.ActionStream(ctx, action.Method(clientStreaming, serverStreaming))
	if err != nil {
		cancel()
		return nil, callFault(err)
	}
	if clientStreaming {
		if err := s.Send(action.Header(service, first)); err == nil {
			go pump(s, first.TypeURL, recv, cancel)
		}
	} else if err := s.Send(action.Command(service, first)); err == nil {
		_ = s.CloseSend()
	}
	// A failure to send is not handled above: Recv says why the stream ended.
	return &ActionCall{a, service, first.Name, s, cancel}, nil
}

// Outcomes gives emit each response in order, until the user function ends the call
// (ACT-08, ACT-09). emit's error ends the call, too.
func (c *ActionCall) Outcomes(emit func(entity.Outcome) error) error {
	defer c.cancel()
	defer c.stream.Cancel()
	for {
		msg, err := c.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return callFault(err)
		}
		out, err := c.actions.outcome(c.service, c.name, msg)
		if err != nil {
			return err
		}
		if err := emit(out); err != nil {
			return err
		}
	}
}

// pump relays the client's messages until the client half-closes or goes, or the
// call is over.
func pump(s *userfunction.Stream, typeURL string, recv func() ([]byte, error), cancel context.CancelFunc) {
	for {
		msg, err := recv()
		if errors.Is(err, io.EOF) {
			_ = s.CloseSend()
			return
		}
		if err != nil {
			cancel()
			return
		}
		if s.Send(action.Payload(typeURL, msg)) != nil {
			return
		}
	}
}

// callFault keeps the user function's own status and the context's end, and makes
// faults of the rest.
func callFault(err error) error {
	switch {
	case errors.Is(err, userfunction.ErrNoRoom), errors.Is(err, userfunction.ErrClosed):
		return openFault(err)
	case errors.Is(err, userfunction.ErrUnavailable):
		return &entity.Fault{Class: entity.FaultUnavailable, Text: "the user function is gone"}
	}
	return err
}
