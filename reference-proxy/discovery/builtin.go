package discovery

import (
	"fmt"
	"sync"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/apipb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/sourcecontextpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/crdt"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// builtinFiles are the files that a user function may import and yet leave out of its descriptor set (DISC-40). A copy that it
// supplies itself is always used instead (DISC-42).
var builtinFiles = []protoreflect.FileDescriptor{
	anypb.File_google_protobuf_any_proto,
	apipb.File_google_protobuf_api_proto,
	descriptorpb.File_google_protobuf_descriptor_proto,
	durationpb.File_google_protobuf_duration_proto,
	emptypb.File_google_protobuf_empty_proto,
	fieldmaskpb.File_google_protobuf_field_mask_proto,
	gofeaturespb.File_google_protobuf_go_features_proto,
	pluginpb.File_google_protobuf_compiler_plugin_proto,
	sourcecontextpb.File_google_protobuf_source_context_proto,
	structpb.File_google_protobuf_struct_proto,
	timestamppb.File_google_protobuf_timestamp_proto,
	typepb.File_google_protobuf_type_proto,
	wrapperspb.File_google_protobuf_wrappers_proto,

	annotations.File_google_api_annotations_proto,
	annotations.File_google_api_client_proto,
	annotations.File_google_api_field_behavior_proto,
	annotations.File_google_api_field_info_proto,
	annotations.File_google_api_http_proto,
	annotations.File_google_api_resource_proto,
	annotations.File_google_api_routing_proto,
	httpbody.File_google_api_httpbody_proto,

	cloudstate.File_cloudstate_entity_proto,
	cloudstate.File_cloudstate_entity_key_proto,
	cloudstate.File_cloudstate_eventing_proto,
	cloudstate.File_cloudstate_legacy_entity_key_proto,
	action.File_cloudstate_action_proto,
	crdt.File_cloudstate_crdt_proto,
	eventsourced.File_cloudstate_event_sourced_proto,
	valueentity.File_cloudstate_value_entity_proto,
}

// noExtensions makes a parser leave every extension in its wire form.
var noExtensions = new(protoregistry.Types)

// builtins holds the files above and all that they import, by path, their options parsed as a user function's are.
var builtins = sync.OnceValue(func() map[string]*descriptorpb.FileDescriptorProto {
	files := make(map[string]*descriptorpb.FileDescriptorProto)
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if files[fd.Path()] != nil {
			return
		}
		raw, err := proto.Marshal(protodesc.ToFileDescriptorProto(fd))
		file := new(descriptorpb.FileDescriptorProto)
		if err == nil {
			err = proto.UnmarshalOptions{Resolver: noExtensions}.Unmarshal(raw, file)
		}
		if err != nil {
			panic(fmt.Sprintf("generated descriptor %s of this very program does not survive encoding: %v", fd.Path(), err)) //nolint:forbidigo // what protoc-gen-go made is well-formed
		}
		files[fd.Path()] = file
		for i := range fd.Imports().Len() {
			if imported := fd.Imports().Get(i).FileDescriptor; !imported.IsPlaceholder() {
				add(imported)
			}
		}
	}
	for _, fd := range builtinFiles {
		add(fd)
	}
	return files
})
