package mockfunction

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// Stream is one call by the proxy: the called side of a conversation that sends S and receives R. A script that took a stream
// ends it with [Stream.Complete] or [Stream.Fail]; until then it stays open, unless the proxy or [Function.Kill] ends it.
type Stream[S, R proto.Message] struct {
	*wire.Conversation[S, R]
	transport grpc.ServerStream
	wait      time.Duration
	once      sync.Once
	done      chan *status.Status
}

// Headers returns the metadata that the proxy opened the call with.
func (s *Stream[S, R]) Headers() metadata.MD {
	md, _ := metadata.FromIncomingContext(s.Context())
	return md
}

// Complete ends the call with status OK. Only the first of Complete and Fail counts; messages sent before are delivered.
func (s *Stream[S, R]) Complete() { s.end(status.New(codes.OK, "")) }

// Fail ends the call with this status.
func (s *Stream[S, R]) Fail(code codes.Code, message string) { s.end(status.New(code, message)) }

func (s *Stream[S, R]) end(st *status.Status) {
	s.once.Do(func() { s.done <- st })
}

// hold keeps the call open for the script until it or the proxy ends it.
func (s *Stream[S, R]) hold() error {
	select {
	case st := <-s.done:
		return s.finish(st)
	case <-s.Context().Done():
		return status.FromContextError(s.Context().Err()).Err()
	}
}

// finish records the status that the call ends with and makes it the handler's result. A call that the proxy has abandoned ends
// without anybody hearing its status.
func (s *Stream[S, R]) finish(st *status.Status) error {
	if s.Context().Err() != nil {
		return st.Err()
	}
	s.Note(trace.Message{Kind: trace.Status, Code: st.Code(), Reason: st.Message()}, true)
	return st.Err()
}

// ExpectHalfClose waits for the proxy to say that it will send no more, which must be the next thing it does.
func (s *Stream[S, R]) ExpectHalfClose(ctx context.Context) error {
	const want = "the end of the stream (half-close)"
	end, err := s.ExpectEnd(ctx)
	if err != nil {
		return err
	}
	if !end.HalfClose {
		return &trace.Mismatch{Where: s.Where(), Expected: want, Got: end.Error(), Cause: end}
	}
	return nil
}

// ExpectCancel waits until the proxy has cancelled the call or its connection is gone, before or after a half-close. Messages that
// the script has not received are of no account.
func (s *Stream[S, R]) ExpectCancel(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	select {
	case <-s.Context().Done():
		return nil
	case <-ctx.Done():
		return &trace.Mismatch{
			Where: s.Where(), Expected: "the call to be cancelled",
			Got: fmt.Sprintf("nothing within %s", time.Since(began).Round(time.Millisecond)), Cause: ctx.Err(),
		}
	}
}

// violation is the status of a behaviour whose peer broke the protocol.
func violation(format string, args ...any) *status.Status {
	return status.Newf(codes.InvalidArgument, "protocol violation: "+format, args...)
}

// closing is the status with which a behaviour ends after a stream has brought something other than a message it knows: OK after a
// half-close.
func closing(bad *wire.Undecodable, end *wire.End) *status.Status {
	switch {
	case bad != nil:
		return violation("%v", bad)
	case end == nil:
		return violation("a message that has no place here")
	case end.HalfClose:
		return status.New(codes.OK, "")
	}
	return end.Status
}
