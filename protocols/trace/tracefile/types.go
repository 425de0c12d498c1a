package tracefile

import (
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/crdt"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	crdtmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/crdt"
	eventsourcedmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	valueentitymodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// known are the files whose types every reader knows. They are listed, and not taken from whatever a program happens to link in, so that one
// program's file is readable by all. A type may join the list in a new minor version of the format.
var known = sync.OnceValue(func() *protoregistry.Files {
	files := &protoregistry.Files{}
	for _, file := range []protoreflect.FileDescriptor{
		anypb.File_google_protobuf_any_proto, durationpb.File_google_protobuf_duration_proto, emptypb.File_google_protobuf_empty_proto,
		structpb.File_google_protobuf_struct_proto, timestamppb.File_google_protobuf_timestamp_proto,
		wrapperspb.File_google_protobuf_wrappers_proto,
		cloudstate.File_cloudstate_entity_proto, eventsourced.File_cloudstate_event_sourced_proto,
		valueentity.File_cloudstate_value_entity_proto, action.File_cloudstate_action_proto, crdt.File_cloudstate_crdt_proto,
		eventsourcedmodel.File_cloudstate_tck_model_eventsourced_proto, valueentitymodel.File_cloudstate_tck_model_valueentity_proto,
		actionmodel.File_cloudstate_tck_model_action_proto, crdtmodel.File_cloudstate_tck_model_crdt_proto,
	} {
		if err := files.RegisterFile(file); err != nil {
			panic(err) //nolint:forbidigo // the files are linked together in this program, so they do not clash
		}
	}
	return files
})

// Types are the message types that a trace's payloads are decoded with: the protocol's and the TCK model's, and those that it has learnt.
// It resolves the Any values of protojson. It is not safe for use by several goroutines while it learns.
type Types struct {
	learnt *protoregistry.Files
	whole  map[protoreflect.FullName]bool // whether a learnt type depends on nothing that is missing
}

// NewTypes returns the types that everybody knows.
func NewTypes() *Types {
	return &Types{learnt: &protoregistry.Files{}, whole: map[protoreflect.FullName]bool{}}
}

// Learn takes over the types of a discovery answer, in place of those of an earlier one. Descriptors that cannot be read teach nothing: it is
// not the record's part to complain of them.
func (t *Types) Learn(spec *cloudstate.EntitySpec) {
	var set descriptorpb.FileDescriptorSet
	if proto.Unmarshal(spec.GetProto(), &set) != nil {
		return
	}
	// Published libraries leave imports out. Those that everybody knows are added, what depends on others is of no use.
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(withImports(&set))
	if err != nil {
		return
	}
	t.learnt, t.whole = files, map[protoreflect.FullName]bool{}
}

// withImports adds the imports that the set leaves out and that are known here.
func withImports(set *descriptorpb.FileDescriptorSet) *descriptorpb.FileDescriptorSet {
	there := map[string]bool{}
	for _, file := range set.GetFile() {
		there[file.GetName()] = true
	}
	for wanting := set.GetFile(); len(wanting) > 0; {
		var added []*descriptorpb.FileDescriptorProto
		for _, file := range wanting {
			for _, path := range file.GetDependency() {
				if there[path] {
					continue
				}
				there[path] = true
				if file, err := known().FindFileByPath(path); err == nil {
					added = append(added, protodesc.ToFileDescriptorProto(file))
				}
			}
		}
		set.File = append(set.File, added...)
		wanting = added
	}
	return set
}

// NewMessage returns an empty message of the type that method (a full gRPC path) takes, or answers with; nil if the method is not known.
func (t *Types) NewMessage(method string, answer bool) proto.Message {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	if !name.IsValid() {
		return nil
	}
	for _, files := range []*protoregistry.Files{known(), t.learnt} {
		found, err := files.FindDescriptorByName(name)
		if err != nil {
			continue
		}
		descriptor, ok := found.(protoreflect.MethodDescriptor)
		if !ok {
			return nil
		}
		wanted := descriptor.Input()
		if answer {
			wanted = descriptor.Output()
		}
		if kind, err := t.FindMessageByName(wanted.FullName()); err == nil {
			return kind.New().Interface()
		}
		return nil
	}
	return nil
}

// FindMessageByName implements the resolver of protojson.
func (t *Types) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if _, err := known().FindDescriptorByName(name); err == nil {
		return protoregistry.GlobalTypes.FindMessageByName(name)
	}
	found, err := t.learnt.FindDescriptorByName(name)
	if err != nil {
		return nil, err
	}
	descriptor, ok := found.(protoreflect.MessageDescriptor)
	if !ok || !t.complete(descriptor) {
		return nil, protoregistry.NotFound
	}
	return dynamicpb.NewMessageType(descriptor), nil
}

// complete tells whether all that m's fields refer to is there. A type under inspection counts as complete: another of its fields decides.
func (t *Types) complete(m protoreflect.MessageDescriptor) bool {
	if whole, seen := t.whole[m.FullName()]; seen {
		return whole
	}
	var missing func(protoreflect.MessageDescriptor, map[protoreflect.FullName]bool) bool
	missing = func(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
		if m.IsPlaceholder() {
			return true
		}
		if seen[m.FullName()] {
			return false
		}
		seen[m.FullName()] = true
		fields := m.Fields()
		for i := range fields.Len() {
			field := fields.Get(i)
			if enum := field.Enum(); enum != nil && enum.IsPlaceholder() {
				return true
			}
			if inner := field.Message(); inner != nil && missing(inner, seen) {
				return true
			}
		}
		return false
	}
	whole := !missing(m, map[protoreflect.FullName]bool{})
	t.whole[m.FullName()] = whole
	return whole
}

// FindMessageByURL implements the resolver of protojson: by the name after the last slash, and Cloudstate's primitive and JSON values
// (SER-02 to SER-04) by their prefix.
func (t *Types) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if kind, ok := special(url); ok {
		return kind, nil
	}
	return t.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}

// FindExtensionByName implements the resolver of protojson; extensions stay unknown fields.
func (t *Types) FindExtensionByName(protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

// FindExtensionByNumber implements the resolver of protojson; extensions stay unknown fields.
func (t *Types) FindExtensionByNumber(protoreflect.FullName, protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}
