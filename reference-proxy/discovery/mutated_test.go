package discovery

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
)

// TestMutatedSets: the canonical permutations with a few values of their descriptors changed, in ways that no compiler would
// write. Whatever comes of it, it is a function or problems.
func TestMutatedSets(t *testing.T) {
	var seeds []descriptors.Permutation
	for _, p := range descriptors.All() {
		if p.FileSet != nil {
			seeds = append(seeds, p)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(seeds).Draw(t, "permutation")
		set := proto.CloneOf(p.FileSet)
		if rapid.Bool().Draw(t, "without what the proxy knows") {
			set.File = set.File[max(0, len(set.File)-2):]
		}
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			mutate(t, set.ProtoReflect())
		}
		spec := p.Spec()
		spec.Proto, _ = proto.MarshalOptions{AllowPartial: true}.Marshal(set)
		f, problems := Validate(spec, Options{Served: Kinds()})
		if (f == nil) == (len(problems) == 0) {
			t.Fatalf("function %v, problems %v", f, problems)
		}
		if f == nil {
			return
		}
		for _, s := range p.Samples {
			if m := f.Method(s.Service, s.Method); m != nil && m.Key != nil {
				checkAgainstDecoder(t, m.Input, m.Key, s.Message)
			}
		}
	})
}

// mutate goes down to some message and changes one of its fields.
func mutate(t *rapid.T, m protoreflect.Message) {
	for {
		fields := m.Descriptor().Fields()
		fd := fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(t, "field"))
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			if list.Len() == 0 {
				list.Append(list.NewElement())
			}
			at := rapid.IntRange(0, list.Len()-1).Draw(t, "element")
			switch action := rapid.IntRange(0, 9).Draw(t, "action"); {
			case action == 0:
				list.Truncate(at)
				return
			case action == 1:
				list.Append(list.Get(at))
				return
			case fd.Message() == nil:
				list.Set(at, scalar(t, fd))
				return
			}
			m = list.Get(at).Message()
		case fd.Message() != nil:
			if rapid.IntRange(0, 9).Draw(t, "action") == 0 {
				m.Clear(fd)
				return
			}
			m = m.Mutable(fd).Message()
		case rapid.IntRange(0, 4).Draw(t, "action") == 0:
			m.Clear(fd)
			return
		default:
			m.Set(fd, scalar(t, fd))
			return
		}
	}
}

// scalar draws a value, most often one that means something in a descriptor.
func scalar(t *rapid.T, fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		names := []string{"", ".", "x", ".x", "id", "a.b.", "google.protobuf.Empty", ".google.protobuf.Empty", ".google.protobuf.FieldOptions",
			"fixture.keys.Keys", ".fixture.keys.StringKey", "fixture.items", "proto2", "proto3", "editions", "service.proto", "items.proto", "\xff\x00"}
		return protoreflect.ValueOfString(rapid.SampledFrom(names).Draw(t, "name"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{0xff})
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(rapid.IntRange(0, values.Len()-1).Draw(t, "value")).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.SampledFrom([]int32{-1, 0, 1, 2, 3, 19000, 1 << 29, -1 << 31, 1<<31 - 1}).Draw(t, "int32"))
	default:
		return fd.Default()
	}
}
