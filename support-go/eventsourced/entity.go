package eventsourced

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
)

// DefaultSnapshotEvery is the number of events between two snapshots when Config sets none (SPEC ES-26).
const DefaultSnapshotEvery = 100

// Config says what an event sourced entity is besides its handlers. Service and PersistenceID must be set.
type Config struct {
	// Service is the generated description, &pb.<Service>_ServiceDesc. Its rpcs are unary, and each input message has
	// a field marked as entity key.
	Service *grpc.ServiceDesc
	// PersistenceID names the entities in the store. Changing it later loses all of them (SPEC DISC-28).
	PersistenceID string
	// SnapshotEvery is the number of events between two snapshots; it counts only for an entity with a [Snapshot].
	// Default: DefaultSnapshotEvery.
	SnapshotEvery int
	// PassivationTimeout is how long the proxy keeps an idle instance, from a millisecond. Default: the proxy's.
	PassivationTimeout time.Duration
}

// Entity is the definition of an event sourced entity with state *S, a [cloudstate.Service]. It is made by [New], does
// not change after that, and serves any number of instances at the same time.
type Entity[S any] struct {
	config     Config
	descriptor protoreflect.ServiceDescriptor
	handlers   []rpc.Handler
	commands   map[string]command[S] // by rpc name
	events     map[string]event[S]   // by type URL
	snapshots  *snapshots[S]         // nil: the entity has none
	initial    func(entityID string) *S
	errs       []error
}

// New defines an entity from its handlers: a [Command] for each rpc, an [Event] for each type of event, at most one
// [Snapshot] and one [Initial]. Mistakes are reported by [Entity.Check], which the server calls at start.
func New[S any](config Config, handlers ...Handler[S]) *Entity[S] {
	entity := &Entity[S]{
		config:   config,
		commands: make(map[string]command[S]),
		events:   make(map[string]event[S]),
	}
	if entity.config.SnapshotEvery == 0 {
		entity.config.SnapshotEvery = DefaultSnapshotEvery
	}
	for _, handler := range handlers {
		handler(entity)
	}
	if entity.initial == nil {
		entity.initial = func(string) *S { return new(S) }
	}
	descriptor, err := rpc.Resolve(config.Service)
	if err != nil {
		entity.errs = append(entity.errs, err)
		return entity
	}
	entity.descriptor = descriptor
	entity.errs = append(entity.errs,
		rpc.CheckEntity(descriptor, config.PersistenceID, config.PassivationTimeout),
		rpc.Check(descriptor, entity.handlers, func(_, _ bool) string { return "eventsourced.Command" }))
	if config.SnapshotEvery < 0 {
		entity.errs = append(entity.errs,
			fmt.Errorf("%w: SnapshotEvery is %d: use a number of events, or 0 for the default", rpc.ErrService, config.SnapshotEvery))
	}
	return entity
}

// Name implements cloudstate.Service.
func (e *Entity[S]) Name() string {
	if e.config.Service == nil {
		return "(unknown)"
	}
	return e.config.Service.ServiceName
}

// Check implements cloudstate.Service.
func (e *Entity[S]) Check() error {
	return errors.Join(e.errs...)
}

// Descriptor implements cloudstate.Service.
func (e *Entity[S]) Descriptor() protoreflect.ServiceDescriptor {
	return e.descriptor
}

// Entity implements cloudstate.Service.
func (e *Entity[S]) Entity() *protocol.Entity {
	return &protocol.Entity{
		EntityType:          kind.EntityType,
		ServiceName:         e.Name(),
		PersistenceId:       e.config.PersistenceID,
		PassivationStrategy: rpc.Passivation(e.config.PassivationTimeout),
	}
}

// Kind implements cloudstate.Service.
func (e *Entity[S]) Kind() *cloudstate.Kind {
	return kind
}

var kind = &cloudstate.Kind{
	EntityType: pb.EventSourced_ServiceDesc.ServiceName,
	Register:   register,
}
