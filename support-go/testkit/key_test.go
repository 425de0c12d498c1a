package testkit

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// TestEntityID: the id is the one that SPEC.md has a proxy make, for each kind of key field, alone and joined.
func TestEntityID(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values map[string]any // by field
		want   string
	}{
		"text alone":     {map[string]any{"text": `a-b\c`}, `a-b\c`},
		"bytes":          {map[string]any{"raw": []byte{0xfb, 0xff}}, "+/8="},
		"number":         {map[string]any{"number": int64(-7)}, "-7"},
		"bool":           {map[string]any{"flag": true}, "true"},
		"enum":           {map[string]any{"kind": protoreflect.EnumNumber(1)}, "ONE"},
		"unknown enum":   {map[string]any{"kind": protoreflect.EnumNumber(9)}, "9"},
		"absent number":  {map[string]any{"number": nil}, "0"},
		"joined":         {map[string]any{"text": `a-b\c`, "number": int64(-7)}, `a\-b\\c-\-7`},
		"joined, absent": {map[string]any{"text": nil, "raw": nil, "flag": nil}, "--false"},
	} {
		t.Run(name, func(t *testing.T) {
			message := dynamicpb.NewMessage(keyed(t, c.values))
			for field, value := range c.values {
				if value != nil {
					message.Set(message.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOf(value))
				}
			}
			if id, _ := entityID(message); id != c.want {
				t.Errorf("the id is %q, want %q", id, c.want)
			}
		})
	}
}

// keyed is a message type with a field of each kind, of which those named are marked as key.
func keyed(t *testing.T, names map[string]any) protoreflect.MessageDescriptor {
	t.Helper()
	message := &descriptorpb.DescriptorProto{Name: proto.String("M")}
	for i, field := range []struct {
		name string
		kind descriptorpb.FieldDescriptorProto_Type
	}{
		{"text", descriptorpb.FieldDescriptorProto_TYPE_STRING},
		{"raw", descriptorpb.FieldDescriptorProto_TYPE_BYTES},
		{"number", descriptorpb.FieldDescriptorProto_TYPE_SINT64},
		{"flag", descriptorpb.FieldDescriptorProto_TYPE_BOOL},
		{"kind", descriptorpb.FieldDescriptorProto_TYPE_ENUM},
	} {
		options := &descriptorpb.FieldOptions{}
		if _, isKey := names[field.name]; isKey {
			proto.SetExtension(options, protocol.E_EntityKey, true)
		}
		added := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(field.name), Number: proto.Int32(int32(i + 1)), Type: field.kind.Enum(), Options: options,
		}
		if field.kind == descriptorpb.FieldDescriptorProto_TYPE_ENUM {
			added.TypeName = proto.String(".E")
		}
		message.Field = append(message.Field, added)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("keyed.proto"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{message},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("E"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("NONE"), Number: proto.Int32(0)}, {Name: proto.String("ONE"), Number: proto.Int32(1)},
		}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().Get(0)
}
