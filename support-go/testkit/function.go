package testkit

import (
	"context"
	"log/slog"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
)

// kits says which kit is for which kind of service.
var kits = map[string]string{
	eventsourced.EventSourced_ServiceDesc.ServiceName: "NewEventSourced",
	valueentity.ValueEntity_ServiceDesc.ServiceName:   "NewValue",
	action.ActionProtocol_ServiceDesc.ServiceName:     "NewAction",
}

// function is a user function of one service.
type function struct {
	t       T
	service cloudstate.Service
	served  registration
	panics  *panics
	logger  *slog.Logger // to panics
}

// registration is what the library registers with gRPC for a kind of service: the handlers of its protocol.
type registration struct {
	protocol *grpc.ServiceDesc
	server   any
}

// RegisterService implements grpc.ServiceRegistrar.
func (r *registration) RegisterService(protocol *grpc.ServiceDesc, server any) {
	r.protocol, r.server = protocol, server
}

// load registers a service; constructor is the function of this package that was called for it.
func load(t T, service cloudstate.Service, constructor string) *function {
	t.Helper()
	if err := (&cloudstate.Server{Services: []cloudstate.Service{service}}).Check(); err != nil {
		t.Fatalf("testkit.%s: %v", constructor, err)
	}
	if right := kits[service.Kind().EntityType]; right != constructor {
		t.Fatalf("testkit.%s: %s is served as %s: use testkit.%s", constructor, service.Name(), service.Kind().EntityType, right)
	}
	f := &function{t: t, service: service, panics: &panics{}}
	f.logger = slog.New(f.panics)
	service.Kind().Register(&f.served, []cloudstate.Service{service}, cloudstate.Settings{
		Logger: f.logger, MaxMessageSize: cloudstate.DefaultMaxMessageSize,
	})
	return f
}

// call calls a handler of the protocol, by the name of its rpc. A unary one is a stream of one message each way.
func (f *function) call(ctx context.Context, name string) *stream {
	for _, streamed := range f.served.protocol.Streams {
		if streamed.StreamName == name {
			return call(ctx, func(s grpc.ServerStream) error { return streamed.Handler(f.served.server, s) })
		}
	}
	return call(ctx, func(s grpc.ServerStream) error {
		for _, unary := range f.served.protocol.Methods {
			if unary.MethodName == name {
				answer, err := unary.Handler(f.served.server, s.Context(), s.RecvMsg, nil)
				if err != nil {
					return err
				}
				return s.SendMsg(answer)
			}
		}
		return status.Errorf(codes.Unimplemented, "%s has no rpc %s", f.served.protocol.ServiceName, name)
	})
}

// method finds an rpc of the service by its simple name or its full one, the generated constant.
func (f *function) method(name string) protoreflect.MethodDescriptor {
	f.t.Helper()
	simple := name
	if of, method, err := rpc.Split(name); err == nil && of == f.service.Name() {
		simple = method
	}
	methods := f.service.Descriptor().Methods()
	if found := methods.ByName(protoreflect.Name(simple)); found != nil {
		return found
	}
	known := make([]string, methods.Len())
	for i := range known {
		known[i] = string(methods.Get(i).Name())
	}
	f.t.Fatalf("testkit: %s has no rpc %q; it has %s", f.service.Name(), name, strings.Join(known, ", "))
	return nil
}

// request encodes the message for an rpc.
func (f *function) request(method protoreflect.MethodDescriptor, message proto.Message) *anypb.Any {
	f.t.Helper()
	if message == nil || message.ProtoReflect().Descriptor().FullName() != method.Input().FullName() {
		f.t.Fatalf("testkit: %s takes *%s, not %T", method.Name(), method.Input().FullName(), message)
	}
	return encode(f.t, string(method.Name())+": request", message)
}

// broken ends the test for what a proxy would discard an instance or refuse an answer for.
func (f *function) broken(where string, err error) {
	f.t.Helper()
	if panicked := f.panics.take(); panicked != "" {
		f.t.Fatalf("testkit: %s: %v\n%s", where, err, panicked)
	}
	f.t.Fatalf("testkit: %s: %v", where, err)
}
