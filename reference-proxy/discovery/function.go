package discovery

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Function is what one user function serves, checked and ready to be served. It is immutable: share it between goroutines,
// change none of its fields.
type Function struct {
	// Info is what the user function said of itself; never nil, empty when it said nothing.
	Info *cloudstate.ServiceInfo
	// Legacy tells that the user function speaks a protocol from before version 0.2 (it reports 0.0 or nothing).
	Legacy bool
	// Files holds every descriptor of FileSet and nothing else.
	Files *protoregistry.Files
	// FileSet is the supplied files, and the well-known ones that the user function imports but left out, each after its imports.
	FileSet []*descriptorpb.FileDescriptorProto
	// Services are the services to serve, sorted by name.
	Services []*Service
	// Warnings say what the user function's author should know although it is served; each is one line.
	Warnings []string
	// Digest identifies the answer: equal digests mean the same files, entities and service info, in whatever order they came.
	Digest [32]byte

	byPath map[string]*Method
	byName map[methodName]*Method
}

// methodName finds a method without joining its names into a path first.
type methodName struct{ service, method string }

// Service is one gRPC service of the user function, served as one entity kind.
type Service struct {
	// Name is the full protobuf name, for example example.shoppingcart.ShoppingCart.
	Name string
	// Kind says which entity protocol serves it.
	Kind Kind
	// PersistenceID separates the state of this service's instances from that of others. Unique within the function and not
	// empty for event sourced and value entities; the service name where a CRDT gives none; empty for actions (DISC-28, GAP-06, GAP-07).
	PersistenceID string
	// PassivationTimeout is how long an instance may be idle; 0 means the proxy's default (DISC-30, GAP-08).
	PassivationTimeout time.Duration
	// Methods are in the order of their declaration.
	Methods []*Method
}

// Method is one rpc of a Service.
type Method struct {
	// Service is the service that declares the method.
	Service *Service
	// Name is the simple name, as Command.name carries it.
	Name string
	// Path is the gRPC path: /package.Service/Method.
	Path string
	// Input and Output describe the request and reply; both come from Function.Files.
	Input, Output protoreflect.MessageDescriptor
	// ClientStreaming and ServerStreaming are true only where the kind allows it (ES-01, VE-01, CRDT-01).
	ClientStreaming, ServerStreaming bool
	// InputTypeURL and OutputTypeURL are type.googleapis.com/ and the full message name.
	InputTypeURL, OutputTypeURL string
	// Key reads the entity key from a request; nil for actions, never nil otherwise (SERV-17, SERV-18).
	Key *KeyExtractor
}

// Method finds a method by the full name of its service and its own simple name, as forwards and side effects name it; nil when
// there is none. It does not allocate.
func (f *Function) Method(service, method string) *Method {
	return f.byName[methodName{service, method}]
}

// MethodByPath finds a method by its gRPC path (/package.Service/Method); nil when there is none. It does not allocate.
func (f *Function) MethodByPath(path string) *Method {
	return f.byPath[path]
}

// index fills the look-up tables from Services.
func (f *Function) index() {
	f.byPath = make(map[string]*Method)
	f.byName = make(map[methodName]*Method)
	for _, s := range f.Services {
		for _, m := range s.Methods {
			f.byPath[m.Path] = m
			f.byName[methodName{s.Name, m.Name}] = m
		}
	}
}
