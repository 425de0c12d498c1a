package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

func hostile(t testing.TB, files ...*descriptorpb.FileDescriptorProto) []Problem {
	t.Helper()
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		t.Fatal(err)
	}
	_, problems := Validate(&cloudstate.EntitySpec{Proto: raw, ServiceInfo: version(0, 2)}, Options{Served: Kinds()})
	return problems
}

// Each level of public imports doubles the ways to the bottom: a hundred small files would take longer than the universe has.
func TestPublicImportsCannotMultiply(t *testing.T) {
	var files []*descriptorpb.FileDescriptorProto
	for level := range 100 {
		for _, side := range []string{"a", "b"} {
			file := &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprint(side, level))}
			if level > 0 {
				file.Dependency = []string{fmt.Sprint("a", level-1), fmt.Sprint("b", level-1)}
				file.PublicDependency = []int32{0, 1}
			}
			files = append(files, file)
		}
	}
	requireProblem(t, hostile(t, files...), "public imports")
}

// A chain of imports as long as the limit allows is only a chain.
func TestLongImportChain(t *testing.T) {
	var files []*descriptorpb.FileDescriptorProto
	for i := range maxFiles {
		file := &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprint(i))}
		if i > 0 {
			file.Dependency = []string{fmt.Sprint(i - 1)}
		}
		files = append(files, file)
	}
	slices.Reverse(files)
	if problems := hostile(t, files...); len(problems) != 1 || problems[0].Code != "DISC-12" {
		t.Errorf("%v", problems)
	}
	files[len(files)-1].Dependency = []string{fmt.Sprint(maxFiles - 1)}
	problems := hostile(t, files...)
	requireProblem(t, problems, "circle")
	requireProblem(t, problems, "…")
	requireProblem(t, hostile(t, append(files, &descriptorpb.FileDescriptorProto{Name: proto.String("more")})...), "at most 10000")
}

func TestStrangeFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		file *descriptorpb.FileDescriptorProto
		want string
	}{
		"no name":           {&descriptorpb.FileDescriptorProto{Package: proto.String("p\x07")}, "has no name"},
		"index":             {&descriptorpb.FileDescriptorProto{Name: proto.String("x"), PublicDependency: []int32{-1}}, "File x cannot be used"},
		"package":           {&descriptorpb.FileDescriptorProto{Name: proto.String("x"), Package: proto.String("..")}, "File x cannot be used"},
		"syntax":            {&descriptorpb.FileDescriptorProto{Name: proto.String("x"), Syntax: proto.String("proto9")}, "File x cannot be used"},
		"edition":           {&descriptorpb.FileDescriptorProto{Name: proto.String("x"), Syntax: proto.String("editions"), Edition: descriptorpb.Edition(77777).Enum()}, "File x cannot be used"},
		"name of a message": {&descriptorpb.FileDescriptorProto{Name: proto.String("x"), MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String(strings.Repeat("é", 9000))}}}, "File x cannot be used"},
	} {
		t.Run(name, func(t *testing.T) { requireProblem(t, hostile(t, tc.file), tc.want) })
	}
}

// Field numbers that no message can have are refused, as decoders do.
func TestFieldNumbersOutOfRange(t *testing.T) {
	f, _ := Validate(answer(t, "keys-of-every-type"), Options{Served: Kinds()})
	k := f.Method("fixture.keys.Keys", "String").Key
	for _, tag := range [][]byte{{0x80, 0x80, 0x80, 0x80, 0x10}, {0x00}, {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}} {
		wire := append([]byte{0x0a, 0x01, 'a'}, append(tag, 0x00)...)
		if key, err := k.Extract(wire); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "fixture.keys.StringKey, at byte 3") {
			t.Errorf("%x: key %q, error %v", wire, key, err)
		}
	}
}

// More key fields than the extractor has room for.
func TestTooManyKeyFields(t *testing.T) {
	message := &descriptorpb.DescriptorProto{Name: proto.String("M")}
	for i := range maxKeyFields + 1 {
		field := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(fmt.Sprint("f", i)), Number: proto.Int32(int32(i + 1)), Options: &descriptorpb.FieldOptions{},
			Type: descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		field.Options.ProtoReflect().SetUnknown([]byte{0xc0, 0x43, 0x01}) // 1080: true
		message.Field = append(message.Field, field)
	}
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("x.proto"), Syntax: proto.String("proto3"), MessageType: []*descriptorpb.DescriptorProto{message},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Do"), InputType: proto.String(".M"), OutputType: proto.String(".M")},
		}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	_, problems := Validate(&cloudstate.EntitySpec{Proto: raw, ServiceInfo: version(0, 2), Entities: []*cloudstate.Entity{
		{EntityType: EventSourced.String(), ServiceName: "S", PersistenceId: "s"},
	}}, Options{Served: Kinds()})
	requireProblem(t, problems, "17 fields of M, the input of rpc S.Do, are marked as entity key")
}

// FuzzValidate feeds any descriptor set, each of its services listed as an entity of one kind.
func FuzzValidate(f *testing.F) {
	for _, p := range descriptors.All() {
		if p.FileSet == nil {
			f.Add(uint8(EventSourced), p.Proto)
			continue
		}
		set := proto.CloneOf(p.FileSet)
		// The proxy knows these files; without them the seeds are small and the fuzzer quick.
		set.File = slices.DeleteFunc(set.GetFile(), func(file *descriptorpb.FileDescriptorProto) bool {
			return strings.HasPrefix(file.GetName(), "google/") || file.GetName() == "cloudstate/eventing.proto"
		})
		raw, err := proto.Marshal(set)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(EventSourced), raw)
	}
	f.Fuzz(func(t *testing.T, kind uint8, raw []byte) {
		spec := &cloudstate.EntitySpec{Proto: raw, ServiceInfo: version(0, 2)}
		set := new(descriptorpb.FileDescriptorSet)
		if err := proto.Unmarshal(raw, set); err != nil {
			spec.Entities = append(spec.Entities, &cloudstate.Entity{EntityType: Kind(kind).String(), ServiceName: "s", PersistenceId: "s"})
		}
		for _, file := range set.GetFile() {
			for _, service := range file.GetService() {
				name := service.GetName()
				if file.GetPackage() != "" {
					name = file.GetPackage() + "." + name
				}
				spec.Entities = append(spec.Entities, &cloudstate.Entity{EntityType: Kind(kind).String(), ServiceName: name, PersistenceId: name})
			}
		}
		function, problems := Validate(spec, Options{Served: Kinds()})
		if (function == nil) == (len(problems) == 0) {
			t.Fatalf("function %v, problems %v", function, problems)
		}
		for _, p := range problems {
			if p.Code == "" || p.Text == "" || p.Remedy == "" || len(p.String()) > 10_000 {
				t.Errorf("%+v", p)
			}
		}
		if function == nil {
			return
		}
		for _, s := range function.Services {
			for _, m := range s.Methods {
				if (m.Key == nil) != (s.Kind == Action) {
					t.Errorf("%s: key %v", m.Path, m.Key)
				}
				if m.Key != nil {
					_, _ = m.Key.Extract(raw)
				}
			}
		}
	})
}
