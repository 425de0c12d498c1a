package testkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

const (
	// patience is how long a handler may take: as long as a proxy waits by default (SPEC LIM-06).
	patience = time.Minute
	// window is how many messages may be under way in one direction before the sender waits, as under gRPC's flow control.
	window = 64
)

var (
	errSlow = fmt.Errorf("no answer within %v, when a proxy gives up", patience)
	errOver = errors.New("the handler has ended already")
)

// stream is one call of a protocol handler, in memory. It is the handler's grpc.ServerStream; the kit has the other end.
// Messages cross it encoded.
type stream struct {
	ctx    context.Context
	cancel context.CancelFunc
	in     chan []byte // closed by the kit: half-closed
	out    chan []byte // closed when the handler has returned
	err    error       // what it returned; to be read after out is closed
}

// call runs a handler until it returns, in a goroutine of its own.
func call(ctx context.Context, handle func(grpc.ServerStream) error) *stream {
	s := &stream{in: make(chan []byte, window), out: make(chan []byte, window)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.out)
		defer s.cancel() // a call's context ends with its handler
		s.err = handle(s)
	}()
	return s
}

// send gives the handler a message. The error says why it does not take it.
func (s *stream) send(message proto.Message) error {
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	if len(data) > cloudstate.DefaultMaxMessageSize {
		return fmt.Errorf("the message has %d bytes, a user function takes at most %d",
			len(data), cloudstate.DefaultMaxMessageSize)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.in <- data:
		return nil
	case <-s.ctx.Done():
		return errOver
	case <-timer.C:
		s.cancel()
		return errSlow
	}
}

// receive takes the handler's next message. The error is io.EOF when it returned without error, and otherwise says why
// there is no message.
func (s *stream) receive(into proto.Message) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case data, ok := <-s.out:
		switch {
		case ok:
			return proto.Unmarshal(data, into)
		case s.err != nil:
			return s.err
		default:
			return io.EOF
		}
	case <-timer.C:
		s.cancel()
		return errSlow
	}
}

// finish half-closes the stream, drops what still comes, and returns with what the handler returned.
func (s *stream) finish(into proto.Message) error {
	close(s.in)
	for {
		if err := s.receive(into); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context { return s.ctx }

// RecvMsg implements grpc.ServerStream.
func (s *stream) RecvMsg(into any) error {
	select {
	case data, ok := <-s.in:
		if !ok {
			return io.EOF
		}
		return proto.Unmarshal(data, into.(proto.Message)) //nolint:errcheck // the protocol's handlers know nothing else
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// SendMsg implements grpc.ServerStream.
func (s *stream) SendMsg(message any) error {
	data, err := proto.Marshal(message.(proto.Message)) //nolint:errcheck // the protocol's handlers know nothing else
	if err != nil {
		return err
	}
	select {
	case s.out <- data:
		return nil
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}

// SetHeader implements grpc.ServerStream. The protocol uses no headers.
func (s *stream) SetHeader(metadata.MD) error { return nil }

// SendHeader implements grpc.ServerStream.
func (s *stream) SendHeader(metadata.MD) error { return nil }

// SetTrailer implements grpc.ServerStream.
func (s *stream) SetTrailer(metadata.MD) {}
