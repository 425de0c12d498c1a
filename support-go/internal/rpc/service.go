package rpc

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

var (
	// ErrService says that a service description cannot be used.
	ErrService = errors.New("service cannot be served")
	// ErrHandler says that handlers and rpcs of a service do not match.
	ErrHandler = errors.New("handlers do not match the service")
)

// Resolve finds the protobuf service that a generated description stands for.
func Resolve(service *grpc.ServiceDesc) (protoreflect.ServiceDescriptor, error) {
	if service == nil {
		return nil, fmt.Errorf("%w: none given: pass the generated &pb.<Service>_ServiceDesc", ErrService)
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service.ServiceName))
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w: import the package generated from its .proto file",
			ErrService, service.ServiceName, err)
	}
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%w: %q is a %T, not a service", ErrService, service.ServiceName, found)
	}
	if descriptor.Methods().Len() == 0 {
		return nil, fmt.Errorf("%w: %q has no rpc", ErrService, service.ServiceName)
	}
	return descriptor, nil
}

// FindMethod finds the protobuf rpc for a full method name, /package.Service/Method, as generated code spells it.
// The error says whether the name is malformed, or unknown to this program.
func FindMethod(fullMethod string) (protoreflect.MethodDescriptor, error) {
	service, method, err := Split(fullMethod)
	if err != nil {
		return nil, err
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return nil, fmt.Errorf("rpc %q: %w", fullMethod, err)
	}
	descriptor, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%q is not an rpc", fullMethod)
	}
	return descriptor, nil
}

// Split takes /package.Service/Method apart.
func Split(fullMethod string) (service, method string, err error) {
	service, method, ok := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	if !ok || !strings.HasPrefix(fullMethod, "/") || service == "" || method == "" {
		return "", "", fmt.Errorf("%q is not the full name of an rpc: "+
			"use the generated constant pb.<Service>_<Method>_FullMethodName", fullMethod)
	}
	return service, method, nil
}

// NameOf returns the full name of a message type, empty for an interface type such as proto.Message itself.
func NameOf[M proto.Message]() protoreflect.FullName {
	var message M
	if any(message) == nil {
		return ""
	}
	return message.ProtoReflect().Descriptor().FullName()
}

// KeyFields returns the fields of a message that are marked as entity key, by today's option or the legacy one, in the
// order of their declaration.
func KeyFields(message protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	var marked []protoreflect.FieldDescriptor
	fields := message.Fields()
	for i := range fields.Len() {
		options := fields.Get(i).Options()
		today, _ := proto.GetExtension(options, protocol.E_EntityKey).(bool)
		legacy, _ := proto.GetExtension(options, protocol.E_LegacyEntityKey).(bool)
		if today || legacy {
			marked = append(marked, fields.Get(i))
		}
	}
	return marked
}
