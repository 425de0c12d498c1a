package discovery

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
)

// referenceKey is the rule of SERV-13 to SERV-15 and SERV-42 to SERV-50 once more, over a decoded message.
func referenceKey(m protoreflect.Message) (string, error) {
	var parts []string
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !isKey(fd) {
			continue
		}
		var part string
		switch v := m.Get(fd); fd.Kind() {
		case protoreflect.StringKind:
			if part = v.String(); !utf8.ValidString(part) {
				return "", ErrInvalidUTF8
			}
		case protoreflect.BytesKind:
			part = base64.StdEncoding.EncodeToString(v.Bytes())
		case protoreflect.EnumKind:
			part = strconv.Itoa(int(v.Enum()))
			if name := fd.Enum().Values().ByNumber(v.Enum()); name != nil {
				part = string(name.Name())
			}
		default:
			part = fmt.Sprint(v.Interface())
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		if parts[0] == "" {
			return "", ErrEmptyKey
		}
		return parts[0], nil
	}
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, `\`, `\\`), "-", `\-`)
	}
	return strings.Join(parts, "-"), nil
}

func isKey(fd protoreflect.FieldDescriptor) bool {
	return boolOption(fd.Options(), optionEntityKey) || boolOption(fd.Options(), optionLegacyEntityKey)
}

// checkAgainstDecoder holds the extractor against a real decoder: what the decoder reads gives the same key, and only what no
// decoder reads is malformed.
func checkAgainstDecoder(t interface {
	Helper()
	Fatalf(string, ...any)
}, md protoreflect.MessageDescriptor, k *KeyExtractor, wire []byte) {
	t.Helper()
	key, err := k.Extract(wire)
	m := dynamicpb.NewMessage(md)
	decodeErr := proto.UnmarshalOptions{AllowPartial: true, Resolver: noExtensions}.Unmarshal(wire, m)
	if decodeErr != nil {
		if err == nil && key == "" {
			t.Fatalf("%x: an empty key without an error", wire)
		}
		return
	}
	want, wantErr := referenceKey(m)
	if key != want || !errors.Is(err, wantErr) {
		t.Fatalf("%s %x: key %q, error %v; a decoder says %q, %v", md.FullName(), wire, key, err, want, wantErr)
	}
}

// TestExtractorAgreesWithADecoder: random messages of random types.
func TestExtractorAgreesWithADecoder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		md := drawMessageType(t)
		found := new(findings)
		k := newKeyExtractor("x.S.M", md, found)
		if found.bad() {
			t.Fatalf("refused: %v", found.problems)
		}
		checkAgainstDecoder(t, md, k, drawWire(t, md, 0))
	})
}

// TestTruncatedRequests: cut anywhere, a request is either still a message, with the key of what is left, or malformed.
func TestTruncatedRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		md := drawMessageType(t)
		k := newKeyExtractor("x.S.M", md, new(findings))
		wire := drawWire(t, md, 0)
		checkAgainstDecoder(t, md, k, wire[:rapid.IntRange(0, len(wire)).Draw(t, "cut")])
	})
}

var keyTypes = []descriptorpb.FieldDescriptorProto_Type{
	descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES, descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_UINT32,
	descriptorpb.FieldDescriptorProto_TYPE_UINT64, descriptorpb.FieldDescriptorProto_TYPE_SINT32, descriptorpb.FieldDescriptorProto_TYPE_SINT64,
	descriptorpb.FieldDescriptorProto_TYPE_FIXED32, descriptorpb.FieldDescriptorProto_TYPE_FIXED64, descriptorpb.FieldDescriptorProto_TYPE_SFIXED32,
	descriptorpb.FieldDescriptorProto_TYPE_SFIXED64, descriptorpb.FieldDescriptorProto_TYPE_ENUM,
}

var otherTypes = append([]descriptorpb.FieldDescriptorProto_Type{
	descriptorpb.FieldDescriptorProto_TYPE_FLOAT, descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE,
}, keyTypes...)

// drawMessageType makes a message type x.M: some key fields, some others, some of both in a oneof, proto2 or proto3.
func drawMessageType(t *rapid.T) protoreflect.MessageDescriptor {
	proto2 := rapid.Bool().Draw(t, "proto2")
	numbers := rapid.SliceOfNDistinct(rapid.Int32Range(1, 40), 1, 8, rapid.ID[int32]).Draw(t, "numbers")
	inOneof := rapid.IntRange(0, len(numbers)).Draw(t, "fields in the oneof")
	message := &descriptorpb.DescriptorProto{Name: proto.String("M")}
	if inOneof > 0 {
		message.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: proto.String("o")}}
	}
	for i, number := range numbers {
		field := &descriptorpb.FieldDescriptorProto{
			Name:   proto.String(fmt.Sprintf("f%d", i)),
			Number: proto.Int32(number),
			Label:  descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if i == 0 || rapid.Bool().Draw(t, "key") {
			field.Type = rapid.SampledFrom(keyTypes).Draw(t, "type").Enum()
			option := optionEntityKey
			if rapid.Bool().Draw(t, "legacy") {
				option = optionLegacyEntityKey
			}
			field.Options = new(descriptorpb.FieldOptions)
			field.Options.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, option, protowire.VarintType), 1))
		} else {
			field.Type = rapid.SampledFrom(otherTypes).Draw(t, "type").Enum()
			if rapid.Bool().Draw(t, "repeated") {
				field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
		}
		switch field.GetType() {
		case descriptorpb.FieldDescriptorProto_TYPE_MESSAGE:
			field.TypeName = proto.String(".x.M")
		case descriptorpb.FieldDescriptorProto_TYPE_ENUM:
			field.TypeName = proto.String(".x.E")
		}
		if i < inOneof {
			field.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
			field.OneofIndex = proto.Int32(0)
		}
		message.Field = append(message.Field, field)
	}
	file := &descriptorpb.FileDescriptorProto{
		Name:        proto.String("x.proto"),
		Package:     proto.String("x"),
		Syntax:      proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{message},
		EnumType: []*descriptorpb.EnumDescriptorProto{{
			Name: proto.String("E"),
			Value: []*descriptorpb.EnumValueDescriptorProto{
				{Name: proto.String("ZERO"), Number: proto.Int32(0)}, {Name: proto.String("ONE"), Number: proto.Int32(1)}, {Name: proto.String("LESS"), Number: proto.Int32(-1)},
			},
		}},
	}
	if proto2 {
		file.Syntax = proto.String("proto2")
	}
	fd, err := protodesc.NewFile(file, new(protoregistry.Files))
	if err != nil {
		t.Fatalf("no such type: %v", err)
	}
	return fd.Messages().Get(0)
}

// drawWire makes a message as an encoder might, or as only a hostile one would: fields in any order and number, known ones with
// the wrong wire type, unknown ones, groups.
func drawWire(t *rapid.T, md protoreflect.MessageDescriptor, depth int) []byte {
	var wire []byte
	for range rapid.IntRange(0, 8).Draw(t, "occurrences") {
		if rapid.IntRange(0, 3).Draw(t, "strange") == 0 {
			number := protowire.Number(rapid.Int32Range(1, 50).Draw(t, "number"))
			wire = append(wire, drawField(t, number, rapid.SampledFrom([]protowire.Type{0, 1, 2, 3, 5}).Draw(t, "wire"))...)
			continue
		}
		fd := md.Fields().Get(rapid.IntRange(0, md.Fields().Len()-1).Draw(t, "field"))
		if fd.Kind() == protoreflect.MessageKind {
			if depth < 2 {
				wire = protowire.AppendTag(wire, fd.Number(), protowire.BytesType)
				wire = protowire.AppendBytes(wire, drawWire(t, md, depth+1))
			}
			continue
		}
		wire = append(wire, drawField(t, fd.Number(), wireTypes[fd.Kind()])...)
	}
	return wire
}

func drawField(t *rapid.T, number protowire.Number, typ protowire.Type) []byte {
	wire := protowire.AppendTag(nil, number, typ)
	integer := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxInt32, math.MaxUint32, math.MaxInt64, math.MaxUint64}))
	switch typ {
	case protowire.VarintType:
		return protowire.AppendVarint(wire, integer.Draw(t, "varint"))
	case protowire.Fixed32Type:
		return protowire.AppendFixed32(wire, uint32(integer.Draw(t, "fixed32")))
	case protowire.Fixed64Type:
		return protowire.AppendFixed64(wire, integer.Draw(t, "fixed64"))
	case protowire.StartGroupType:
		wire = append(wire, drawField(t, number, protowire.VarintType)...)
		return protowire.AppendTag(wire, number, protowire.EndGroupType)
	default:
		text := rapid.OneOf(rapid.StringMatching(`[ab\\-]{0,5}`), rapid.String(), rapid.StringN(40, 120, -1)).Draw(t, "text")
		return protowire.AppendString(wire, text)
	}
}

// keyedMethods are the methods with a key of all valid permutations, and a sample of each.
func keyedMethods(t testing.TB) []*Method {
	t.Helper()
	var methods []*Method
	for _, p := range descriptors.All() {
		if !p.Valid {
			continue
		}
		f, problems := Validate(p.Spec(), Options{Served: Kinds()})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for _, s := range f.Services {
			for _, m := range s.Methods {
				if m.Key != nil {
					methods = append(methods, m)
				}
			}
		}
	}
	return methods
}

// FuzzExtract feeds any bytes to the extractors of the canonical permutations.
func FuzzExtract(f *testing.F) {
	methods := keyedMethods(f)
	index := make(map[string]int)
	for i, m := range methods {
		index[m.Path] = i
	}
	for _, p := range descriptors.All() {
		for _, s := range p.Samples {
			f.Add(uint(index["/"+s.Service+"/"+s.Method]), s.Message)
		}
	}
	f.Fuzz(func(t *testing.T, method uint, wire []byte) {
		m := methods[method%uint(len(methods))]
		checkAgainstDecoder(t, m.Input, m.Key, wire)
		if key, err := m.Key.Extract(wire); err == nil && !utf8.ValidString(key) {
			t.Fatalf("%x: key %q is not UTF-8", wire, key)
		}
	})
}
