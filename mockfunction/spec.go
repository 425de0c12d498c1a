package mockfunction

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// The entity types that a function can serve.
const (
	EventSourcedType = "cloudstate.eventsourced.EventSourced"
	ValueEntityType  = "cloudstate.valueentity.ValueEntity"
	ActionType       = "cloudstate.action.ActionProtocol"
)

// Entity declares that service (a full name) is of this entity type, with this persistence id (ignored for actions).
func Entity(entityType, service, persistenceID string) *cloudstate.Entity {
	return &cloudstate.Entity{EntityType: entityType, ServiceName: service, PersistenceId: persistenceID}
}

// Passivated sets e's passivation timeout, to the millisecond, and returns e.
func Passivated(e *cloudstate.Entity, after time.Duration) *cloudstate.Entity {
	e.PassivationStrategy = &cloudstate.EntityPassivationStrategy{
		Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
			Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: after.Milliseconds()},
		},
	}
	return e
}

// NewSpec returns the discovery answer of a well-behaved user function of protocol 0.2 that serves entities, whose services are
// defined in files. All that files import goes along, imports first (DISC-05).
func NewSpec(files []protoreflect.FileDescriptor, entities ...*cloudstate.Entity) *cloudstate.EntitySpec {
	spec, err := NewSpecOf(Closure(files...), entities...)
	if err != nil {
		panic(fmt.Sprintf("mockfunction: marshal linked descriptors: %v", err)) //nolint:forbidigo // descriptors linked into the program are valid
	}
	return spec
}

// NewSpecOf is [NewSpec] with the very files given, in their order and none added: to answer with what no well-behaved user
// function would. It fails only on what cannot be encoded at all, such as invalid UTF-8.
func NewSpecOf(files []*descriptorpb.FileDescriptorProto, entities ...*cloudstate.Entity) (*cloudstate.EntitySpec, error) {
	set, err := proto.MarshalOptions{Deterministic: true}.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		return nil, fmt.Errorf("mockfunction: marshal descriptors: %w", err)
	}
	return &cloudstate.EntitySpec{
		Proto:    set,
		Entities: entities,
		ServiceInfo: &cloudstate.ServiceInfo{
			ServiceName:           "cloudstate-mockfunction",
			ServiceVersion:        "0.2",
			ServiceRuntime:        "go",
			SupportLibraryName:    "cloudstate-mockfunction",
			SupportLibraryVersion: "0.2",
			ProtocolMajorVersion:  0,
			ProtocolMinorVersion:  2,
		},
	}, nil
}

// Closure returns files and everything that they import, each file once and after its imports.
func Closure(files ...protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	var out []*descriptorpb.FileDescriptorProto
	seen := make(map[string]bool)
	var add func(protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		out = append(out, protodesc.ToFileDescriptorProto(fd))
	}
	for _, fd := range files {
		add(fd)
	}
	return out
}
