package tracefile

import (
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	// bytesURL is the type of a payload that is shown as bytes: {"@type": bytesURL, "type": "<its type>", "value": "<base64>"}.
	bytesURL = "trace.cloudstate.io/bytes"

	primitivePrefix = "p.cloudstate.io/"
	jsonPrefix      = "json.cloudstate.io/"
)

// specials are the messages that have no .proto file: values that Cloudstate wraps without one, whose only field is 1, and payloads shown as
// bytes.
var specials = sync.OnceValue(func() protoreflect.MessageDescriptors {
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: &name, Field: fields}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("cloudstate/trace/special.proto"), Package: proto.String("cloudstate.trace"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			message("unknown", field("type", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING), field("value", 2, descriptorpb.FieldDescriptorProto_TYPE_BYTES)),
			message("string", field("value", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING)),
			message("bytes", field("value", 1, descriptorpb.FieldDescriptorProto_TYPE_BYTES)),
			message("int32", field("value", 1, descriptorpb.FieldDescriptorProto_TYPE_INT32)),
			message("int64", field("value", 1, descriptorpb.FieldDescriptorProto_TYPE_INT64)),
			message("bool", field("value", 1, descriptorpb.FieldDescriptorProto_TYPE_BOOL)),
			message("float", field("value", 1, descriptorpb.FieldDescriptorProto_TYPE_FLOAT)),
			message("double", field("value", 1, descriptorpb.FieldDescriptorProto_TYPE_DOUBLE)),
		},
	}, nil)
	if err != nil {
		panic(err) //nolint:forbidigo // the descriptor is a constant
	}
	return file.Messages()
})

// special returns the type of a payload that has no .proto file.
func special(url string) (protoreflect.MessageType, bool) {
	name := ""
	switch {
	case url == bytesURL:
		name = "unknown"
	case strings.HasPrefix(url, jsonPrefix):
		name = "string"
	case strings.HasPrefix(url, primitivePrefix):
		name = strings.TrimPrefix(url, primitivePrefix)
	}
	descriptor := specials().ByName(protoreflect.Name(name))
	if descriptor == nil || name == "unknown" && url != bytesURL {
		return nil, false
	}
	return dynamicpb.NewMessageType(descriptor), true
}
