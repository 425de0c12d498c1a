package value

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
)

// definition is an Entity whatever the type of its value.
type definition interface {
	newInstance(entityID string, state *anypb.Any, limit int) (runner, error)
}

// server is the gRPC service for all value entities of a user function.
type server struct {
	pb.UnimplementedValueEntityServer
	entities map[string]definition // by service name
	settings cloudstate.Settings
}

func register(registrar grpc.ServiceRegistrar, services []cloudstate.Service, settings cloudstate.Settings) {
	s := &server{entities: make(map[string]definition), settings: settings}
	for _, service := range services {
		if entity, ok := service.(definition); ok {
			s.entities[service.Name()] = entity
		}
	}
	pb.RegisterValueEntityServer(registrar, s)
}

// Handle serves one instance from init until the proxy half-closes the stream, which completes it (SPEC VE-59).
func (s *server) Handle(grpcStream pb.ValueEntity_HandleServer) error {
	stream := &stream{ValueEntity_HandleServer: grpcStream, server: s, log: s.settings.Logger}
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.receive(in); err != nil {
			return stream.end(in.GetCommand().GetId(), err)
		}
	}
}

// stream is where one entity stream stands.
type stream struct {
	pb.ValueEntity_HandleServer
	server   *server
	log      *slog.Logger
	service  string
	entityID string
	instance runner // nil before init
}

// receive acts on one message. An error ends the stream.
func (s *stream) receive(in *pb.ValueEntityStreamIn) error {
	switch message := in.GetMessage().(type) {
	case *pb.ValueEntityStreamIn_Init:
		return s.init(message.Init)
	case *pb.ValueEntityStreamIn_Command:
		return s.command(message.Command)
	default:
		return violation("message that is neither init nor command")
	}
}

func (s *stream) init(init *pb.ValueEntityInit) (err error) {
	if s.instance != nil {
		return violation("second init")
	}
	entity, ok := s.server.entities[init.GetServiceName()]
	if !ok {
		return violation("unknown service %q", init.GetServiceName())
	}
	s.service, s.entityID = init.GetServiceName(), init.GetEntityId()
	s.log = s.log.With("service", s.service, "entity", s.entityID)
	s.instance, err = entity.newInstance(s.entityID, init.GetState().GetValue(), s.server.settings.MaxMessageSize)
	return err
}

func (s *stream) command(command *protocol.Command) error {
	switch {
	case s.instance == nil:
		return violation("command before init")
	case command.GetEntityId() != s.entityID:
		return violation("command for entity %q on the stream of entity %q", command.GetEntityId(), s.entityID)
	case command.GetPayload() == nil:
		return violation("command without payload")
	}
	var reply *pb.ValueEntityReply
	err := wire.Guard(s.log, "command "+command.GetName()+" of "+s.service, func() error {
		reply = s.instance.handle(s.Context(), command)
		return nil
	})
	if err != nil {
		return err
	}
	return s.Send(&pb.ValueEntityStreamOut{Message: &pb.ValueEntityStreamOut_Reply{Reply: reply}})
}

// end states to the proxy why the stream ends, and for which command if for one (SPEC VE-55), and ends it.
func (s *stream) end(commandID int64, err error) error {
	if s.Context().Err() != nil {
		return err
	}
	s.log.Error("entity stream ends", "command", commandID, "error", err)
	failure := wire.Failure(commandID, err)
	if err := s.Send(&pb.ValueEntityStreamOut{Message: &pb.ValueEntityStreamOut_Failure{Failure: failure}}); err != nil {
		return err
	}
	return status.Error(status.Code(err), failure.GetDescription())
}

// violation is an error for a message against the protocol (SPEC VE-27 to VE-31).
func violation(format string, args ...any) error {
	return status.Error(codes.InvalidArgument, "protocol violation: "+fmt.Sprintf(format, args...))
}
