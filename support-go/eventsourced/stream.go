package eventsourced

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/probe"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
)

// definition is an Entity whatever the type of its state.
type definition interface {
	newInstance(entityID string, limit int) runner
}

// server is the gRPC service for all event sourced entities of a user function.
type server struct {
	pb.UnimplementedEventSourcedServer
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
	pb.RegisterEventSourcedServer(registrar, s)
}

// Handle serves one instance from init until the proxy half-closes the stream, which completes it (SPEC ES-48).
func (s *server) Handle(grpcStream pb.EventSourced_HandleServer) error {
	stream := &stream{EventSourced_HandleServer: grpcStream, server: s, log: s.settings.Logger}
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
	pb.EventSourced_HandleServer
	server    *server
	log       *slog.Logger
	service   string
	entityID  string
	instance  runner // nil before init
	commanded bool   // a command has come: no event may follow
}

// receive acts on one message. An error ends the stream.
func (s *stream) receive(in *pb.EventSourcedStreamIn) error {
	switch message := in.GetMessage().(type) {
	case *pb.EventSourcedStreamIn_Init:
		return s.init(message.Init)
	case *pb.EventSourcedStreamIn_Event:
		if s.instance == nil || s.commanded {
			return violation("event at a place other than between init and the first command")
		}
		return s.guard("replay of an event", func() error { return s.instance.replay(message.Event) })
	case *pb.EventSourcedStreamIn_Command:
		return s.command(message.Command)
	default:
		return violation("message that is neither init, event nor command")
	}
}

func (s *stream) init(init *pb.EventSourcedInit) error {
	if s.instance != nil {
		return violation("second init")
	}
	entity, ok := s.server.entities[init.GetServiceName()]
	if !ok {
		return violation("unknown service %q", init.GetServiceName())
	}
	s.service, s.entityID = init.GetServiceName(), init.GetEntityId()
	s.log = s.log.With("service", s.service, "entity", s.entityID)
	return s.guard("init", func() error {
		s.instance = entity.newInstance(s.entityID, s.server.settings.MaxMessageSize)
		probe.Report(s.Context(), s.instance.probe)
		if init.GetSnapshot() == nil {
			return nil
		}
		return s.instance.restore(init.GetSnapshot())
	})
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
	s.commanded = true
	var reply *pb.EventSourcedReply
	err := s.guard("command "+command.GetName(), func() (err error) {
		reply, err = s.instance.handle(s.Context(), command)
		return err
	})
	if err != nil {
		return err
	}
	return s.Send(&pb.EventSourcedStreamOut{Message: &pb.EventSourcedStreamOut_Reply{Reply: reply}})
}

func (s *stream) guard(where string, f func() error) error {
	if s.service != "" {
		where += " of " + s.service
	}
	return wire.Guard(s.log, where, f)
}

// end states to the proxy why the stream ends, and for which command if for one (SPEC ES-44), and ends it.
func (s *stream) end(commandID int64, err error) error {
	if s.Context().Err() != nil {
		return err
	}
	s.log.Error("entity stream ends", "command", commandID, "error", err)
	failure := wire.Failure(commandID, err)
	if err := s.Send(&pb.EventSourcedStreamOut{Message: &pb.EventSourcedStreamOut_Failure{Failure: failure}}); err != nil {
		return err
	}
	return status.Error(status.Code(err), failure.GetDescription())
}

// violation is an error for a message against the protocol (SPEC ES-11, ES-12, ES-50 to ES-52).
func violation(format string, args ...any) error {
	return status.Error(codes.InvalidArgument, "protocol violation: "+fmt.Sprintf(format, args...))
}
