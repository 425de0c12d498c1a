package mockproxy

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// Stream is one call to the user function: the calling side of a conversation that sends S and receives R.
type Stream[S, R proto.Message] struct {
	*wire.Conversation[S, R]
	client grpc.ClientStream
	cancel context.CancelFunc
}

// CloseSend half-closes the call: the user function is told that no more messages will come.
func (s *Stream[S, R]) CloseSend() error {
	s.Note(trace.Message{Kind: trace.HalfClose}, true)
	return s.client.CloseSend()
}

// Cancel abandons the call: the user function sees the stream reset. It may be called at any time and more than once, by any
// goroutine; after the call's end it does nothing. Every stream must come to its end or be cancelled.
func (s *Stream[S, R]) Cancel() {
	if s.client.Context().Err() == nil {
		s.Note(trace.Message{Kind: trace.Cancel, Code: codes.Canceled}, true)
	}
	s.cancel()
}

// ExpectCompletion waits for the end of the call with status OK; anything else is a *trace.Mismatch.
func (s *Stream[S, R]) ExpectCompletion(ctx context.Context) error {
	end, err := s.ExpectEnd(ctx)
	if err != nil {
		return s.ended(err)
	}
	s.cancel()
	if end.Status.Code() != codes.OK {
		return &trace.Mismatch{Where: s.Where(), Expected: "the end of the stream, status OK", Got: end.Error(), Cause: end}
	}
	return nil
}

// Passivate half-closes the call, as a proxy does that passivates an instance, and expects the user function to complete its
// side (ES-48).
func (s *Stream[S, R]) Passivate(ctx context.Context) error {
	if err := s.CloseSend(); err != nil {
		return fmt.Errorf("%s: half-close: %w", s.Where(), err)
	}
	return s.ExpectCompletion(ctx)
}

// ended makes the words of a failed wait for the end exact.
func (s *Stream[S, R]) ended(err error) error {
	var m *trace.Mismatch
	if errors.As(err, &m) {
		m.Expected = "the end of the stream, status OK"
	}
	return err
}

// Any wraps m for a payload: nil stays unset, an *anypb.Any is taken as it is.
func Any(m proto.Message) (*anypb.Any, error) {
	switch m := m.(type) {
	case nil:
		return nil, nil
	case *anypb.Any:
		return m, nil
	}
	return anypb.New(m)
}
