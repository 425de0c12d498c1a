package mockfunction

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// handle serves every call, whatever its method: it sees raw streams, so that scripts may answer with raw bytes.
func (f *Function) handle(_ any, transport grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(transport)
	if f.replay != nil {
		return f.replay.serve(f, transport, method)
	}
	switch method {
	case cloudstate.EntityDiscovery_Discover_FullMethodName:
		return unary(f, transport, method, &cloudstate.ProxyInfo{}, f.discover)
	case cloudstate.EntityDiscovery_ReportError_FullMethodName:
		return unary(f, transport, method, &cloudstate.UserFunctionError{}, f.reportError)
	case eventsourced.EventSourced_Handle_FullMethodName:
		return f.handleEventSourced(transport, method)
	case valueentity.ValueEntity_Handle_FullMethodName:
		return f.handleValueEntity(transport, method)
	case action.ActionProtocol_HandleUnary_FullMethodName,
		action.ActionProtocol_HandleStreamedIn_FullMethodName,
		action.ActionProtocol_HandleStreamedOut_FullMethodName,
		action.ActionProtocol_HandleStreamed_FullMethodName:
		return f.handleAction(transport, method)
	}
	return status.Errorf(codes.Unimplemented, "mockfunction serves no %s", method)
}

func (f *Function) discover(ctx context.Context, info *cloudstate.ProxyInfo) (proto.Message, error) {
	f.infos.put(info)
	if f.cfg.Discover != nil {
		return f.cfg.Discover(ctx, info)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spec, nil
}

func (f *Function) reportError(ctx context.Context, report *cloudstate.UserFunctionError) (proto.Message, error) {
	f.reports.put(report.GetMessage())
	if f.cfg.ReportError != nil {
		if err := f.cfg.ReportError(ctx, report.GetMessage()); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}

// unary answers one message with what answer makes of it.
func unary[R proto.Message](
	f *Function, transport grpc.ServerStream, method string, in R, answer func(context.Context, R) (proto.Message, error),
) error {
	s := accept[proto.Message](f, transport, method, func() R { return in })
	item := s.ReceiveNow()
	switch {
	case item.Bad != nil:
		return s.finish(status.New(codes.InvalidArgument, item.Bad.Error()))
	case item.End != nil:
		return s.finish(status.New(codes.InvalidArgument, "the call carried no message"))
	}
	out, err := answer(transport.Context(), item.Msg)
	if err != nil {
		return s.finish(status.Convert(err))
	}
	if err := s.Send(out); err != nil {
		return s.finish(status.Convert(err))
	}
	return s.finish(status.New(codes.OK, ""))
}

// accept begins the conversation of an incoming call and records its start.
func accept[S, R proto.Message](f *Function, transport grpc.ServerStream, method string, newR func() R) *Stream[S, R] {
	s := &Stream[S, R]{
		Conversation: wire.New[S](wire.Config{
			Transport: transport,
			Recorder:  f.cfg.Recorder,
			Stream:    f.cfg.Recorder.NewStream(),
			Method:    method,
			Self:      trace.Frontend,
			Peer:      trace.Proxy,
			Wait:      f.cfg.Wait,
		}, newR),
		transport: transport,
		wait:      f.cfg.Wait,
		done:      make(chan *status.Status, 1),
	}
	md, _ := metadata.FromIncomingContext(transport.Context())
	s.Note(trace.Message{Kind: trace.Open, Metadata: md}, false)
	return s
}
