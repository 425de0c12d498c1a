package protocols_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// facts are statements about .proto files, each the value of a key: comparing two sets of them tells what is missing,
// what is extra and what differs, in words that name the place.
type facts map[string]string

// add states a fact. To state the same thing twice is a mistake of the test.
func (f facts) add(t *testing.T, key, value string) {
	t.Helper()
	if _, known := f[key]; known {
		t.Fatalf("%s is stated twice", key)
	}
	f[key] = value
}

// differences lists what is in one set only or has another value, keyed like the facts.
func differences(want, got facts) map[string]string {
	diff := map[string]string{}
	for key, value := range want {
		switch other, ok := got[key]; {
		case !ok:
			diff[key] = fmt.Sprintf("missing: %s", value)
		case other != value:
			diff[key] = fmt.Sprintf("is %s, want %s", other, value)
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			diff[key] = fmt.Sprintf("extra: %s", value)
		}
	}
	return diff
}

// report fails the test for each difference.
func report(t *testing.T, diff map[string]string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(diff)) {
		t.Errorf("%s: %s", key, diff[key])
	}
}

// describe states all that is on the wire, or that a descriptor set shows, of a compiled file.
func (f facts) describe(t *testing.T, file protoreflect.FileDescriptor) {
	t.Helper()
	var imports []string
	for i := range file.Imports().Len() {
		imports = append(imports, file.Imports().Get(i).Path())
	}
	slices.Sort(imports)
	f.add(t, "file "+file.Path(), fileFact(file.Syntax().String(), string(file.Package()), imports))
	f.options(t, "file "+file.Path(), file.Options())
	f.describeMessages(t, file.Messages())
	f.describeEnums(t, file.Enums())
	f.describeExtensions(t, file.Extensions())
	for i := range file.Services().Len() {
		service := file.Services().Get(i)
		f.add(t, "service "+string(service.FullName()), "")
		f.options(t, "service "+string(service.FullName()), service.Options())
		for j := range service.Methods().Len() {
			method := service.Methods().Get(j)
			key := "rpc " + string(method.FullName())
			f.add(t, key, rpcFact(string(method.Input().FullName()), method.IsStreamingClient(), string(method.Output().FullName()), method.IsStreamingServer()))
			f.options(t, key, method.Options())
		}
	}
}

func (f facts) describeMessages(t *testing.T, messages protoreflect.MessageDescriptors) {
	t.Helper()
	for i := range messages.Len() {
		message := messages.Get(i)
		f.add(t, "message "+string(message.FullName()), "")
		f.options(t, "message "+string(message.FullName()), message.Options())
		for j := range message.Fields().Len() {
			f.describeField(t, "field ", message.Fields().Get(j))
		}
		for j := range message.ReservedRanges().Len() {
			numbers := message.ReservedRanges().Get(j)
			f.add(t, fmt.Sprintf("reserved %s %d", message.FullName(), numbers[0]), fmt.Sprint(numbers[1]))
		}
		f.describeMessages(t, message.Messages())
		f.describeEnums(t, message.Enums())
		f.describeExtensions(t, message.Extensions())
	}
}

func (f facts) describeExtensions(t *testing.T, extensions protoreflect.ExtensionDescriptors) {
	t.Helper()
	for i := range extensions.Len() {
		f.describeField(t, "extension ", extensions.Get(i))
	}
}

func (f facts) describeField(t *testing.T, kind string, field protoreflect.FieldDescriptor) {
	t.Helper()
	typeName := field.Kind().String()
	switch {
	case field.Message() != nil:
		typeName = string(field.Message().FullName())
	case field.Enum() != nil:
		typeName = string(field.Enum().FullName())
	}
	oneof := ""
	if field.ContainingOneof() != nil {
		oneof = string(field.ContainingOneof().Name())
	}
	extends := ""
	if field.IsExtension() {
		extends = string(field.ContainingMessage().FullName())
	}
	f.add(t, kind+string(field.FullName()), fieldFact(int(field.Number()), typeName, field.Cardinality() == protoreflect.Repeated, oneof, extends))
	f.options(t, kind+string(field.FullName()), field.Options())
}

func (f facts) describeEnums(t *testing.T, enums protoreflect.EnumDescriptors) {
	t.Helper()
	for i := range enums.Len() {
		enum := enums.Get(i)
		f.options(t, "enum "+string(enum.FullName()), enum.Options())
		for j := range enum.Values().Len() {
			value := enum.Values().Get(j)
			f.add(t, fmt.Sprintf("enum %s.%s", enum.FullName(), value.Name()), fmt.Sprint(value.Number()))
		}
	}
}

// options states each option that is set, custom ones too, as compact JSON.
func (f facts) options(t *testing.T, key string, options proto.Message) {
	t.Helper()
	// Through bytes: a compiler may hold custom options as unknown or dynamic fields, the registry knows their types.
	encoded, err := proto.Marshal(options)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	known := options.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(encoded, known); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	if unknown := known.ProtoReflect().GetUnknown(); len(unknown) > 0 {
		t.Errorf("%s: has an option that nothing here defines: % x", key, unknown)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(known)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	var set map[string]any
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	f.addOptions(t, key, set)
}

func (f facts) addOptions(t *testing.T, key string, set map[string]any) {
	t.Helper()
	for name, value := range set {
		if name == "go_package" {
			continue // Go import paths are each repository's own.
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		f.add(t, fmt.Sprintf("%s option %s", key, strings.Trim(name, "[]")), string(text))
	}
}

// The wordings of facts, shared by compiled files and the recorded table.

func fileFact(syntax, pkg string, imports []string) string {
	return fmt.Sprintf("%s, package %s, imports %v", syntax, pkg, imports)
}

func rpcFact(input string, clientStreams bool, output string, serverStreams bool) string {
	stream := map[bool]string{true: "stream "}
	return fmt.Sprintf("(%s%s) returns (%s%s)", stream[clientStreams], input, stream[serverStreams], output)
}

func fieldFact(number int, typeName string, repeated bool, oneof, extends string) string {
	fact := fmt.Sprintf("%d %s", number, typeName)
	if repeated {
		fact += " repeated"
	}
	if oneof != "" {
		fact += " in oneof " + oneof
	}
	if extends != "" {
		fact += " extends " + extends
	}
	return fact
}
