package protocols_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/crdt"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/crdt"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventlogeventing"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/example/crdts"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart/persistence"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart/persistence"
)

// roots are the import roots of this folder.
var roots = []string{"protocol", "frontend", "tck", "example"}

// extensions are what we added to the original protocol. Each is optional for everyone, and listed in SPEC.md as an extension.
var extensions = facts{
	// The status code of a failure that the user function states; without it every failure is UNKNOWN to the client.
	"field cloudstate.Failure.grpc_status_code": "4 int32",
	// The optional profiles that a proxy offers; without it, none.
	"field cloudstate.ProxyInfo.extensions": "6 string repeated",
}

// TestFilesKeepTheWire compiles the .proto files and holds them, both ways, against the recorded facts.
func TestFilesKeepTheWire(t *testing.T) {
	got := facts{}
	for _, file := range compileRoots(t) {
		got.describe(t, file)
	}
	want := readTable(t).facts(t, func(string, string) bool { return true })
	maps.Copy(want, extensions)
	report(t, differences(want, got))
}

// TestGeneratedCodeKeepsTheWire holds the descriptors that the generated Go code carries against the same facts.
// google.api is not among it: that code is genproto's.
func TestGeneratedCodeKeepsTheWire(t *testing.T) {
	ours := func(_, path string) bool { return !strings.HasPrefix(path, "google/") }
	got := facts{}
	for _, file := range readTable(t).Files {
		if !ours(file.Root, file.Path) {
			continue
		}
		descriptor, err := protoregistry.GlobalFiles.FindFileByPath(file.Path)
		if err != nil {
			t.Errorf("%s: %v", file.Path, err)
			continue
		}
		got.describe(t, descriptor)
	}
	want := readTable(t).facts(t, ours)
	maps.Copy(want, extensions)
	report(t, differences(want, got))
}

// TestComparisonBites changes one fact at a time and wants the change seen.
func TestComparisonBites(t *testing.T) {
	everything := func(string, string) bool { return true }
	want := readTable(t).facts(t, everything)
	if len(want) < 500 {
		t.Fatalf("the table states %d facts only", len(want))
	}
	for key, value := range want {
		changed := maps.Clone(want)
		changed[key] = value + "?"
		if len(differences(want, changed)) != 1 {
			t.Errorf("a change of %q went unseen", key)
		}
		delete(changed, key)
		if len(differences(want, changed)) != 1 || len(differences(changed, want)) != 1 {
			t.Errorf("%q missing, or extra, went unseen", key)
		}
	}
}

// compileRoots compiles every .proto file of the import roots.
func compileRoots(t *testing.T) []protoreflect.FileDescriptor {
	t.Helper()
	var paths []string
	for _, root := range roots {
		err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".proto" {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(paths)
	return compile(t, &protocompile.SourceResolver{ImportPaths: roots}, paths)
}

// compile compiles files that the resolver finds, with protoc's own files at hand.
func compile(t *testing.T, resolver protocompile.Resolver, paths []string) []protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(resolver)}
	files, err := compiler.Compile(t.Context(), paths...)
	if err != nil {
		t.Fatal(err)
	}
	var descriptors []protoreflect.FileDescriptor
	for _, file := range files {
		descriptors = append(descriptors, file)
	}
	return descriptors
}
