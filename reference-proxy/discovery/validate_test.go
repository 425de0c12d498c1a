package discovery

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// answer is the answer of a permutation, to be changed by a test.
func answer(t testing.TB, permutation string) *cloudstate.EntitySpec {
	t.Helper()
	for _, p := range descriptors.All() {
		if p.Name == permutation {
			return p.Spec()
		}
	}
	t.Fatalf("no permutation %s", permutation)
	return nil
}

func version(major, minor int32) *cloudstate.ServiceInfo {
	return &cloudstate.ServiceInfo{ProtocolMajorVersion: major, ProtocolMinorVersion: minor}
}

func problemCodes(problems []Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, p.Code)
	}
	slices.Sort(list)
	return list
}

func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		info    *cloudstate.ServiceInfo
		strict  bool
		legacy  bool
		problem string
	}{
		{info: version(0, 2)},
		{info: version(0, 2), strict: true},
		{info: version(0, 0), legacy: true},
		{info: nil, legacy: true},
		{info: version(0, 0), strict: true, problem: "Incompatible protocol version 0.0, only 0.2 is supported"},
		{info: nil, strict: true, problem: "Incompatible protocol version 0.0, only 0.2 is supported"},
		{info: version(0, 1), problem: "Incompatible protocol version 0.1, only 0.2 is supported"},
		{info: version(0, 3), problem: "Incompatible protocol version 0.3, only 0.2 is supported"},
		{info: version(1, 2), problem: "Incompatible protocol version 1.2, only 0.2 is supported"},
		{info: version(0, -1), problem: "Incompatible protocol version 0.-1, only 0.2 is supported"},
		{info: version(-1, 0), problem: "Incompatible protocol version -1.0, only 0.2 is supported"},
	} {
		t.Run(fmt.Sprintf("%v strict=%v", tc.info, tc.strict), func(t *testing.T) {
			spec := answer(t, "option-legacy")
			spec.ServiceInfo = tc.info
			f, problems := Validate(spec, Options{Served: Kinds(), StrictVersion: tc.strict})
			if tc.problem != "" {
				requireProblem(t, problems, tc.problem)
				return
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if f.Legacy != tc.legacy || (len(f.Warnings) > 0) != tc.legacy {
				t.Errorf("legacy %v, warnings %q", f.Legacy, f.Warnings)
			}
			if f.Info == nil {
				t.Error("no info")
			}
		})
	}
}

// A library from before 0.2 has only event sourcing in common with this version.
func TestLegacyKinds(t *testing.T) {
	spec := answer(t, "several-entities-a-file")
	spec.ServiceInfo = nil
	_, problems := Validate(spec, Options{Served: Kinds()})
	if want := []string{"DISC-38", "DISC-38", "DISC-38"}; !slices.Equal(problemCodes(problems), want) {
		t.Errorf("problems %v", problems)
	}
	requireProblem(t, problems, "fixture.many.Value")
	requireProblem(t, problems, "Renew the support library")
}

// The Node library gives every entity the persistence id "entity": one alone is fine, two are not.
func TestLegacyPersistenceIDs(t *testing.T) {
	spec := answer(t, "several-entities-a-file")
	spec.ServiceInfo = nil
	spec.Entities = slices.DeleteFunc(spec.Entities, func(e *cloudstate.Entity) bool { return e.EntityType != EventSourced.String() })
	for _, e := range spec.Entities {
		e.PersistenceId = "entity"
	}
	_, problems := Validate(spec, Options{Served: Kinds()})
	requireProblem(t, problems, `Services Bare and fixture.many.Journal both have the persistence id "entity"`)
	spec.Entities = spec.Entities[:1]
	if _, problems := Validate(spec, Options{Served: Kinds()}); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestKindsNotServed(t *testing.T) {
	spec := answer(t, "several-entities-a-file")
	served := Options{Served: []Kind{Action}, StoreHint: "Start the proxy with --store embedded."}
	_, problems := Validate(spec, served)
	if want := []string{"DISC-15", "DISC-15", "DISC-15"}; !slices.Equal(problemCodes(problems), want) {
		t.Errorf("problems %v", problems)
	}
	requireProblem(t, problems, "Start the proxy with --store embedded.")
	requireProblem(t, problems, "cloudstate.action.ActionProtocol")

	served.SkipUnsupported = true
	f, problems := Validate(spec, served)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if len(f.Services) != 2 || len(f.Warnings) != 3 || !strings.Contains(strings.Join(f.Warnings, "\n"), "fixture.many.Value") {
		t.Errorf("services %v, warnings %q", f.Services, f.Warnings)
	}

	spec.Entities = slices.DeleteFunc(spec.Entities, func(e *cloudstate.Entity) bool { return e.EntityType == Action.String() })
	_, problems = Validate(spec, served)
	requireProblem(t, problems, "None of the 3 entities")
}

func TestServicesOfTheProxyItself(t *testing.T) {
	_, problems := Validate(answer(t, "keys-of-every-type"), Options{Served: Kinds(), Reserved: []string{"fixture.keys.Keys"}})
	requireProblem(t, problems, "Service fixture.keys.Keys is one that the proxy serves itself")
}

// Every mistake in one answer, found in one go.
func TestAllProblemsAreCollected(t *testing.T) {
	spec := answer(t, "several-entities-a-file")
	for _, e := range spec.Entities {
		e.EntityType = ValueEntity.String()
		e.PersistenceId = ""
	}
	spec.Entities[0].EntityType = "nonsense"
	spec.Entities = append(spec.Entities, spec.Entities[1], &cloudstate.Entity{EntityType: EventSourced.String(), ServiceName: "fixture.many.Nowhere"},
		&cloudstate.Entity{EntityType: EventSourced.String(), ServiceName: "fixture.many.NotAnEntity", PersistenceId: "x"})
	_, problems := Validate(spec, Options{Served: Kinds()})
	want := []string{"DISC-13", "DISC-14", "DISC-51", "DISC-51", "DISC-51", "DISC-51", "DISC-53", "ES-01", "SERV-17"}
	if got := problemCodes(problems); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: %v", got, want, problems)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	spec := answer(t, "keys-of-every-type")
	for i := range 900 {
		spec.Entities = append(spec.Entities, &cloudstate.Entity{EntityType: "x", ServiceName: strings.Repeat("\x1b[31m", 200) + fmt.Sprint(i)})
	}
	_, problems := Validate(spec, Options{Served: Kinds()})
	if len(problems) != maxProblems+1 {
		t.Errorf("%d problems", len(problems))
	}
	for _, p := range problems {
		if len(p.String()) > 2000 || strings.ContainsRune(p.String(), '\x1b') {
			t.Fatalf("unbounded or raw: %q", p.String())
		}
	}
	for range 200 {
		spec.Entities = append(spec.Entities, spec.Entities[:1]...)
	}
	_, problems = Validate(spec, Options{Served: Kinds()})
	requireProblem(t, problems, "at most 1000 are supported")
}

func TestServiceFields(t *testing.T) {
	spec := answer(t, "several-entities-a-file")
	timeouts := map[string]time.Duration{"Bare": 100, "fixture.many.Value": 0, "fixture.many.Journal": -5, "fixture.many.Work": math.MaxInt64}
	for _, e := range spec.Entities {
		if ms, ok := timeouts[e.ServiceName]; ok {
			e.PassivationStrategy = &cloudstate.EntityPassivationStrategy{Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
				Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: int64(ms)},
			}}
		}
	}
	f, problems := Validate(spec, Options{Served: Kinds()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	type row struct {
		name, id string
		kind     Kind
		timeout  time.Duration
	}
	var got []row
	for _, s := range f.Services {
		got = append(got, row{s.Name, s.PersistenceID, s.Kind, s.PassivationTimeout})
	}
	want := []row{
		{"Bare", "bare", EventSourced, 100 * time.Millisecond},
		{"fixture.many.Journal", "journal", EventSourced, 0},
		{"fixture.many.MoreWork", "", Action, 0},
		{"fixture.many.Value", "value", ValueEntity, 0},
		{"fixture.many.Work", "", Action, time.Duration(math.MaxInt64).Truncate(time.Millisecond)},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	m := f.MethodByPath("/fixture.many.Journal/Set")
	if m.Name != "Set" || m.Service.Name != "fixture.many.Journal" || m.InputTypeURL != "type.googleapis.com/fixture.many.Keyed" ||
		m.OutputTypeURL != "type.googleapis.com/google.protobuf.Empty" || m.Key == nil || m.ClientStreaming || m.ServerStreaming {
		t.Errorf("method %+v", m)
	}
	if f.Method("fixture.many.MoreWork", "Do").Key != nil {
		t.Error("an action has no key, though its message has one")
	}
	if m.Input.ParentFile().Path() != "several.proto" {
		t.Error("input of another registry")
	}

	crdt, problems := Validate(answer(t, "crdt-streams"), Options{Served: Kinds()})
	if len(problems) > 0 || crdt.Services[0].PersistenceID != "fixture.crdts.Crdts" || !crdt.Services[0].Methods[1].ServerStreaming {
		t.Errorf("%v", problems)
	}
}

func TestEventingIsWarnedAbout(t *testing.T) {
	f, problems := Validate(answer(t, "action-streams"), Options{Served: Kinds()})
	if len(problems) > 0 || len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "fixture.streams.Streams.Consume") {
		t.Errorf("problems %v, warnings %q", problems, f.Warnings)
	}
}

// The order in which things are listed does not make another answer; what is in them does.
func TestDigest(t *testing.T) {
	digest := func(change func(*cloudstate.EntitySpec)) [32]byte {
		spec := answer(t, "several-entities-a-file")
		change(spec)
		f, problems := Validate(spec, Options{Served: Kinds()})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return f.Digest
	}
	reorder := func(change func([]*descriptorpb.FileDescriptorProto) []*descriptorpb.FileDescriptorProto) func(*cloudstate.EntitySpec) {
		return func(spec *cloudstate.EntitySpec) {
			set := new(descriptorpb.FileDescriptorSet)
			if err := proto.Unmarshal(spec.Proto, set); err != nil {
				t.Fatal(err)
			}
			set.File = change(set.File)
			spec.Proto, _ = proto.Marshal(set)
		}
	}
	type files = []*descriptorpb.FileDescriptorProto
	same := digest(func(*cloudstate.EntitySpec) {})
	for name, change := range map[string]func(*cloudstate.EntitySpec){
		"entities": func(s *cloudstate.EntitySpec) { slices.Reverse(s.Entities) },
		"files":    reorder(func(f files) files { slices.Reverse(f); return f }),
		"repeated": reorder(func(f files) files { return append(f, f[0]) }),
	} {
		if digest(change) != same {
			t.Errorf("%s: another digest", name)
		}
	}
	for name, change := range map[string]func(*cloudstate.EntitySpec){
		"persistence id": func(s *cloudstate.EntitySpec) { s.Entities[1].PersistenceId += "2" },
		"entity":         func(s *cloudstate.EntitySpec) { s.Entities = s.Entities[1:] },
		"info":           func(s *cloudstate.EntitySpec) { s.ServiceInfo.ServiceVersion = "2" },
		"file": reorder(func(f files) files {
			f[len(f)-1].MessageType[0].Field[0].JsonName = proto.String("other")
			return f
		}),
		"another file": reorder(func(f files) files {
			return append(f, &descriptorpb.FileDescriptorProto{Name: proto.String("empty.proto")})
		}),
	} {
		if digest(change) == same {
			t.Errorf("%s: the same digest", name)
		}
	}
}

// What is found wrong with a file is told once, and not again of the services in it.
func TestABrokenFileIsOneProblem(t *testing.T) {
	_, problems := Validate(answer(t, "refused-imports-circular"), Options{Served: Kinds()})
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "b.proto -> a.proto -> b.proto") {
		t.Errorf("%v", problems)
	}
	_, problems = Validate(answer(t, "refused-imports-missing"), Options{Served: Kinds()})
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "File a.proto imports b.proto") {
		t.Errorf("%v", problems)
	}
}

// The files of a function are its own and in an order in which they can be sent on.
func TestFileSet(t *testing.T) {
	f, problems := Validate(answer(t, "imports-omitted"), Options{Served: Kinds()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	seen := make(map[string]bool)
	for _, file := range f.FileSet {
		for _, imported := range file.GetDependency() {
			if !seen[imported] {
				t.Errorf("%s comes before its import %s", file.GetName(), imported)
			}
		}
		seen[file.GetName()] = true
		if _, err := f.Files.FindFileByPath(file.GetName()); err != nil {
			t.Error(err)
		}
	}
	if f.Files.NumFiles() != len(f.FileSet) || !seen["google/api/http.proto"] {
		t.Errorf("%d files in the registry, %v in the set", f.Files.NumFiles(), seen)
	}
}
