package action

import (
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
)

// Action is the definition of an action, a [cloudstate.Service]. It is made by [New], does not change after that, and
// serves any number of calls at the same time.
type Action struct {
	service    *grpc.ServiceDesc
	descriptor protoreflect.ServiceDescriptor
	handlers   []rpc.Handler
	methods    map[string]method // by rpc name
	errs       []error
}

// New defines an action from its handlers, one for each rpc of the generated description &pb.<Service>_ServiceDesc:
// [Unary], [StreamedIn], [StreamedOut] or [Streamed] as the rpc is. Mistakes are reported by [Action.Check], which the
// server calls at start.
func New(service *grpc.ServiceDesc, handlers ...Handler) *Action {
	action := &Action{service: service, methods: make(map[string]method)}
	for _, handler := range handlers {
		handler(action)
	}
	descriptor, err := rpc.Resolve(service)
	if err != nil {
		action.errs = append(action.errs, err)
		return action
	}
	action.descriptor = descriptor
	action.errs = append(action.errs, rpc.Check(descriptor, action.handlers, constructor))
	return action
}

// constructor names what makes a handler for an rpc of a shape.
func constructor(streamsIn, streamsOut bool) string {
	switch {
	case streamsIn && streamsOut:
		return "action.Streamed"
	case streamsIn:
		return "action.StreamedIn"
	case streamsOut:
		return "action.StreamedOut"
	default:
		return "action.Unary"
	}
}

// Name implements cloudstate.Service.
func (a *Action) Name() string {
	if a.service == nil {
		return "(unknown)"
	}
	return a.service.ServiceName
}

// Check implements cloudstate.Service.
func (a *Action) Check() error {
	return errors.Join(a.errs...)
}

// Descriptor implements cloudstate.Service.
func (a *Action) Descriptor() protoreflect.ServiceDescriptor {
	return a.descriptor
}

// Entity implements cloudstate.Service. An action has neither persistence id nor passivation (SPEC ACT-26).
func (a *Action) Entity() *protocol.Entity {
	return &protocol.Entity{EntityType: kind.EntityType, ServiceName: a.Name()}
}

// Kind implements cloudstate.Service.
func (a *Action) Kind() *cloudstate.Kind {
	return kind
}

var kind = &cloudstate.Kind{
	EntityType: pb.ActionProtocol_ServiceDesc.ServiceName,
	Register:   register,
}
