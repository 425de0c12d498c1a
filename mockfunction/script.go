package mockfunction

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
)

// Side returns the user function's side of scripts ([script.Script.Run]): open waits for a call that neither a behaviour nor another
// script has. Discovery and error reports are answered without the script.
func (f *Function) Side() script.Side { return side{f} }

type side struct{ function *Function }

// Open implements script.Side.
func (s side) Open(ctx context.Context, o script.Opening) (script.Call, error) {
	claim := Claim{Service: o.Service, ID: o.Entity}
	switch o.Method {
	case eventsourced.EventSourced_Handle_FullMethodName:
		stream, err := s.function.EventSourced(ctx, claim)
		if err != nil {
			return nil, err
		}
		return take(stream.Stream), nil
	case valueentity.ValueEntity_Handle_FullMethodName:
		stream, err := s.function.ValueEntity(ctx, claim)
		if err != nil {
			return nil, err
		}
		return take(stream.Stream), nil
	}
	if !isAction(o.Method) {
		return nil, fmt.Errorf("%s is answered without the script", o.Method)
	}
	match := func(a *Action) bool { return a.Method == o.Method && claim.matches(a.Owner) }
	stream, err := next(ctx, s.function, s.function.action, "a call of "+o.Method+", action "+claim.describe(), match)
	if err != nil {
		return nil, err
	}
	return take(stream.Stream), nil
}

func take[S, R proto.Message](s *Stream[S, R]) script.Call {
	s.Receive()
	return scripted[S, R]{s}
}

// scripted is a call in a script's hands.
type scripted[S, R proto.Message] struct{ *Stream[S, R] }

// Send implements script.Call.
func (s scripted[S, R]) Send(m proto.Message) error {
	typed, ok := m.(S)
	if !ok {
		return fmt.Errorf("%s sends no %s", s.Where(), m.ProtoReflect().Descriptor().FullName())
	}
	return s.Stream.Send(typed)
}

// Next implements script.Call.
func (s scripted[S, R]) Next(ctx context.Context, want string) (match.Step, error) {
	item, err := s.Stream.Next(ctx, want)
	if err != nil {
		return match.Step{}, err
	}
	return match.StepOf(item), nil
}

// Close implements script.Call: the end with status OK.
func (s scripted[S, R]) Close() error {
	s.Complete()
	return nil
}

// Cancel implements script.Call: the called side has a status for it.
func (s scripted[S, R]) Cancel() { s.Fail(codes.Canceled, "the script gave the call up") }
