package action

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
)

// server is the gRPC service for all actions of a user function. Its four methods differ only in where messages come
// from and responses go to.
type server struct {
	pb.UnimplementedActionProtocolServer
	actions  map[string]*Action // by service name
	settings cloudstate.Settings
}

func register(registrar grpc.ServiceRegistrar, services []cloudstate.Service, settings cloudstate.Settings) {
	s := &server{actions: make(map[string]*Action), settings: settings}
	for _, service := range services {
		if action, ok := service.(*Action); ok {
			s.actions[service.Name()] = action
		}
	}
	pb.RegisterActionProtocolServer(registrar, s)
}

// HandleUnary serves an rpc that takes one message and gives one.
func (s *server) HandleUnary(ctx context.Context, command *pb.ActionCommand) (*pb.ActionResponse, error) {
	var only *pb.ActionResponse
	err := s.serve(ctx, command, nil, false, func(response *pb.ActionResponse) error {
		only = response
		return nil
	})
	return only, err
}

// HandleStreamedIn serves an rpc that takes a stream of messages and gives one.
func (s *server) HandleStreamedIn(stream pb.ActionProtocol_HandleStreamedInServer) error {
	header, err := header(stream.Recv)
	if err != nil {
		return err
	}
	return s.serve(stream.Context(), header, stream.Recv, false, stream.SendAndClose)
}

// HandleStreamedOut serves an rpc that takes one message and gives a stream of them.
func (s *server) HandleStreamedOut(command *pb.ActionCommand, stream pb.ActionProtocol_HandleStreamedOutServer) error {
	return s.serve(stream.Context(), command, nil, true, stream.Send)
}

// HandleStreamed serves an rpc that takes a stream of messages and gives one of them.
func (s *server) HandleStreamed(stream pb.ActionProtocol_HandleStreamedServer) error {
	header, err := header(stream.Recv)
	if err != nil {
		return err
	}
	return s.serve(stream.Context(), header, stream.Recv, true, stream.Send)
}

// header takes the first message of a stream, which names the rpc and carries no request (SPEC ACT-04).
func header(recv func() (*pb.ActionCommand, error)) (*pb.ActionCommand, error) {
	header, err := recv()
	if errors.Is(err, io.EOF) {
		return nil, status.Error(codes.InvalidArgument, "protocol violation: stream without a first message that names the rpc")
	}
	return header, err
}

// serve runs the handler that command names and sends its responses. Whatever goes wrong is stated in a response; the
// error is for calls that are over. recv is nil for a call that is not streamed in.
func (s *server) serve(
	ctx context.Context, command *pb.ActionCommand, recv func() (*pb.ActionCommand, error), streamsOut bool,
	send func(*pb.ActionResponse) error,
) error {
	target, err := s.find(command, recv != nil, streamsOut)
	if err != nil {
		s.settings.Logger.Warn("action call refused", "error", err)
		return send(failure(err))
	}
	call := newCall(ctx, target, command, s.settings.MaxMessageSize)
	call.recv, call.send = recv, send
	where := fmt.Sprintf("%s of %s", command.GetName(), command.GetServiceName())
	err = wire.Guard(s.settings.Logger, where, func() error { return target.run(call) })
	var panicked *wire.PanicError
	switch {
	case err == nil:
		return nil
	case call.sent != nil:
		return call.sent
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	case errors.As(err, &panicked):
		return send(failure(err))
	default:
		return call.fail(err)
	}
}

// find returns the handler for a command (SPEC ACT-24).
func (s *server) find(command *pb.ActionCommand, streamsIn, streamsOut bool) (method, error) {
	action, ok := s.actions[command.GetServiceName()]
	if !ok {
		return method{}, status.Errorf(codes.Unimplemented, "Unknown service: %s", command.GetServiceName())
	}
	target, ok := action.methods[command.GetName()]
	if !ok {
		return method{}, status.Errorf(codes.Unimplemented,
			"Unknown command: %s of service %s", command.GetName(), command.GetServiceName())
	}
	descriptor := target.descriptor
	if descriptor.IsStreamingClient() != streamsIn || descriptor.IsStreamingServer() != streamsOut {
		return method{}, status.Errorf(codes.Unimplemented,
			"protocol violation: %s was called in the way of another kind of streaming than it has", descriptor.FullName())
	}
	if streamsIn && command.GetPayload() != nil {
		return method{}, status.Errorf(codes.InvalidArgument,
			"protocol violation: the first message of a stream to %s carries a payload", descriptor.FullName())
	}
	return target, nil
}

func failure(err error, effects ...*protocol.SideEffect) *pb.ActionResponse {
	return &pb.ActionResponse{
		Response:    &pb.ActionResponse_Failure{Failure: wire.Failure(0, err)},
		SideEffects: effects,
	}
}
