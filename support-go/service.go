package cloudstate

import (
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Service is one protobuf service of a user function. eventsourced.New, value.New and action.New make one; a user
// function hands it to a [Server] and needs none of these methods.
type Service interface {
	// Name returns the full protobuf name.
	Name() string
	// Check returns what is wrong with the definition, all of it, joined. The server calls it before anything else.
	Check() error
	// Descriptor returns the protobuf service, nil when Check fails because there is none.
	Descriptor() protoreflect.ServiceDescriptor
	// Entity returns the declaration for discovery.
	Entity() *protocol.Entity
	// Kind returns what serves services like this one.
	Kind() *Kind
}

// Kind is one of the protocols between proxy and user function: event sourced, value entity or action.
type Kind struct {
	// EntityType is the protocol's name for the kind, the full name of its gRPC service.
	EntityType string
	// Register adds the kind's gRPC service. services are all those of this kind, checked.
	Register func(registrar grpc.ServiceRegistrar, services []Service, settings Settings)
}

// Settings is what a server tells its kinds.
type Settings struct {
	Logger         *slog.Logger
	MaxMessageSize int // bytes, of one message to the proxy
}
