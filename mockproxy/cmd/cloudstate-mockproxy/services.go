package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// services is a discovery answer with its descriptors read. The descriptors are a registry of their own, because the user
// function's files may differ from those that are linked into this program.
type services struct {
	spec  *cloudstate.EntitySpec
	files *protoregistry.Files
	types *dynamicpb.Types
}

func readServices(spec *cloudstate.EntitySpec) (*services, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(spec.GetProto(), &set); err != nil {
		return nil, fmt.Errorf("the discovery answer's descriptors cannot be read: %w", err)
	}
	// Published libraries leave imports out; what does not depend on them is of use all the same.
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("the discovery answer's descriptors are not consistent: %w", err)
	}
	return &services{spec: spec, files: files, types: dynamicpb.NewTypes(files)}, nil
}

// print lists what the user function is and serves.
func (s *services) print(w io.Writer) error {
	info := s.spec.GetServiceInfo()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s), library %s %s, protocol %d.%d\n", orUnnamed(info.GetServiceName()), info.GetServiceVersion(),
		orUnnamed(info.GetServiceRuntime()), orUnnamed(info.GetSupportLibraryName()), info.GetSupportLibraryVersion(),
		info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion())
	for _, e := range s.spec.GetEntities() {
		fmt.Fprintf(&b, "\n%s\n  type            %s\n", e.GetServiceName(), e.GetEntityType())
		if e.GetPersistenceId() != "" {
			fmt.Fprintf(&b, "  persistence id  %s\n", e.GetPersistenceId())
		}
		if timeout := e.GetPassivationStrategy().GetTimeout(); timeout != nil {
			fmt.Fprintf(&b, "  passivation     after %d ms\n", timeout.GetTimeout())
		}
		d, err := s.service(e.GetServiceName())
		if err != nil {
			fmt.Fprintf(&b, "  %v\n", err)
			continue
		}
		for i := range d.Methods().Len() {
			m := d.Methods().Get(i)
			fmt.Fprintf(&b, "  rpc %s(%s%s) returns (%s%s)\n", m.Name(), stream(m.IsStreamingClient()), m.Input().FullName(),
				stream(m.IsStreamingServer()), m.Output().FullName())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func orUnnamed(s string) string {
	if s == "" {
		return "unnamed"
	}
	return s
}

func stream(is bool) string {
	if is {
		return "stream "
	}
	return ""
}

func (s *services) service(name string) (protoreflect.ServiceDescriptor, error) {
	d, err := s.files.FindDescriptorByName(protoreflect.FullName(name))
	if service, ok := d.(protoreflect.ServiceDescriptor); ok && err == nil {
		return service, nil
	}
	return nil, fmt.Errorf("service %s is not among the descriptors of the discovery answer", name)
}

// find returns the entity of service and its unary rpc command.
func (s *services) find(service, command string) (*cloudstate.Entity, protoreflect.MethodDescriptor, error) {
	var known []string
	for _, e := range s.spec.GetEntities() {
		known = append(known, e.GetServiceName())
		if e.GetServiceName() != service {
			continue
		}
		d, err := s.service(service)
		if err != nil {
			return nil, nil, err
		}
		method := d.Methods().ByName(protoreflect.Name(command))
		if method == nil {
			return nil, nil, fmt.Errorf("service %s has no rpc %q; run without --service to see what it has", service, command)
		}
		if method.IsStreamingClient() || method.IsStreamingServer() {
			return nil, nil, fmt.Errorf("rpc %s is streamed; this command sends only unary ones", method.FullName())
		}
		return e, method, nil
	}
	return nil, nil, fmt.Errorf("the user function serves no %s; it serves %s", service, strings.Join(known, ", "))
}

// encode makes method's request out of JSON.
func (s *services) encode(method protoreflect.MethodDescriptor, text string) (*anypb.Any, error) {
	m := dynamicpb.NewMessage(method.Input())
	if err := (protojson.UnmarshalOptions{Resolver: s}).Unmarshal([]byte(text), m); err != nil {
		return nil, fmt.Errorf("--json is no %s: %w", method.Input().FullName(), err)
	}
	return anypb.New(m)
}

// decode renders an answer as JSON.
func (s *services) decode(m proto.Message) (string, error) {
	text, err := protojson.MarshalOptions{Multiline: true, UseProtoNames: true, Resolver: s}.Marshal(m)
	return string(text), err
}

// The methods below make services the resolver of protojson: the user function's own types first, then those linked in here.

func (s *services) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	mt, err := s.types.FindMessageByName(name)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalTypes.FindMessageByName(name)
	}
	return mt, err
}

func (s *services) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return s.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}

func (s *services) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return s.types.FindExtensionByName(name)
}

func (s *services) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return s.types.FindExtensionByNumber(message, number)
}
