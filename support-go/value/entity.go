package value

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// Config says what a value entity is besides its handlers. Service and PersistenceID must be set.
type Config struct {
	// Service is the generated description, &pb.<Service>_ServiceDesc. Its rpcs are unary, and each input message has
	// a field marked as entity key.
	Service *grpc.ServiceDesc
	// PersistenceID names the entities in the store. Changing it later loses all of them (SPEC DISC-28).
	PersistenceID string
	// PassivationTimeout is how long the proxy keeps an idle instance, from a millisecond. Default: the proxy's.
	PassivationTimeout time.Duration
}

// Entity is the definition of a value entity whose value is of type S, a [cloudstate.Service]. It is made by [New],
// does not change after that, and serves any number of instances at the same time.
type Entity[S any] struct {
	config     Config
	descriptor protoreflect.ServiceDescriptor
	handlers   []rpc.Handler
	commands   map[string]command[S] // by rpc name
	errs       []error
}

// Handler is one part of an entity's definition, made by [Command].
type Handler[S any] func(*Entity[S])

type command[S any] struct {
	method protoreflect.MethodDescriptor
	run    func(ctx *Context[S], request *anypb.Any) (proto.Message, error)
}

// New defines an entity from its handlers, a [Command] for each rpc. S, the type of the value, may be a protobuf
// message, a primitive, or a type with a JSONType method (package payload). Mistakes are reported by [Entity.Check],
// which the server calls at start.
func New[S any](config Config, handlers ...Handler[S]) *Entity[S] {
	entity := &Entity[S]{config: config, commands: make(map[string]command[S])}
	for _, handler := range handlers {
		handler(entity)
	}
	if _, err := payload.TypeURL[S](); err != nil {
		entity.errs = append(entity.errs, fmt.Errorf("value.New: %w", err))
	}
	descriptor, err := rpc.Resolve(config.Service)
	if err != nil {
		entity.errs = append(entity.errs, err)
		return entity
	}
	entity.descriptor = descriptor
	entity.errs = append(entity.errs,
		rpc.CheckEntity(descriptor, config.PersistenceID, config.PassivationTimeout),
		rpc.Check(descriptor, entity.handlers, func(_, _ bool) string { return "value.Command" }))
	return entity
}

// Command handles an rpc, named by the generated constant pb.<Service>_<Method>_FullMethodName. What the handler
// returns goes to the caller: a reply, unless it forwarded, or an error, which fails the command. It is called for one
// command of an instance at a time.
func Command[S any, In, Out proto.Message](
	method string, handle func(ctx *Context[S], command In) (Out, error),
) Handler[S] {
	return func(entity *Entity[S]) {
		entity.handlers = append(entity.handlers, rpc.Handler{
			Method: method, Input: rpc.NameOf[In](), Output: rpc.NameOf[Out](), Constructor: "value.Command",
		})
		descriptor, err := rpc.FindMethod(method)
		if err != nil {
			return // rpc.Check says what is wrong with the name
		}
		entity.commands[string(descriptor.Name())] = command[S]{
			method: descriptor,
			run: func(ctx *Context[S], request *anypb.Any) (proto.Message, error) {
				input, err := rpc.Input[In](request)
				if err != nil {
					return nil, err
				}
				return handle(ctx, input)
			},
		}
	}
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
	EntityType: pb.ValueEntity_ServiceDesc.ServiceName,
	Register:   register,
}
