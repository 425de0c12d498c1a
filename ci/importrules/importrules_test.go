package importrules

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "example.org/m"

// TestRepository holds this repository against the table.
func TestRepository(t *testing.T) {
	modulePath := strings.TrimSpace(run(t, "list", "-m"))
	var packages []Package
	// -e: a package that somebody is in the middle of writing is still judged by the imports that it has.
	decoder := json.NewDecoder(strings.NewReader(run(t, "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", modulePath+"/...")))
	for {
		var p Package
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		// out/ holds what programs wrote; git does not keep it.
		if !strings.HasPrefix(p.ImportPath, modulePath+"/out/") {
			packages = append(packages, p)
		}
	}
	// The generated code alone is more than this: fewer means that the listing, not the repository, is at fault.
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages only", len(packages))
	}
	for _, violation := range Check(modulePath, Rules, packages) {
		t.Error(violation)
	}
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// TestPlanted plants one import at a time and wants it caught, or admitted.
func TestPlanted(t *testing.T) {
	tests := []struct {
		from, to string
		inTest   bool
		want     string // a part of the violation; empty: admitted
	}{
		// Judge and judged.
		{from: "tck/engine", to: module + "/support-go", want: "judge and judged"},
		{from: "tck/suite/eventsourced", to: module + "/reference-proxy/journal", want: "judge and judged"},
		{from: "tck/suite/eventsourced", to: module + "/reference-proxy/journal", inTest: true, want: "in a test"},
		{from: "tck/engine", to: module + "/spec"},
		{from: "tck/engine", to: module + "/mockproxy"},
		{from: "tck", to: module, want: "tck may import"},
		{from: "support-go/eventsourced", to: module + "/tck", want: "judge and judged"},
		{from: "support-go/eventsourced", to: module + "/mockproxy", want: "judge and judged"},
		{from: "support-go/eventsourced", to: module + "/mockproxy", inTest: true},
		{from: "support-go/eventsourced", to: module + "/protocols/gen/cloudstate"},
		{from: "support-go/eventsourced", to: module + "/protocols/trace", want: "judge and judged"},
		{from: "support-go/eventsourced", to: module + "/support-go/discovery"},
		{from: "reference-proxy/serve", to: module + "/support-go", want: "rooms"},
		{from: "reference-proxy/serve", to: module + "/mockfunction", inTest: true},
		{from: "reference-proxy/serve", to: module + "/mockfunction", want: "rooms"},
		{from: "reference-proxy/discovery", to: module + "/fixtures/descriptors", inTest: true},
		{from: "reference-proxy/discovery", to: module + "/fixtures/descriptors", want: "rooms"},
		{from: "fixtures/descriptors", to: module + "/support-go", want: "data"},
		{from: "mockproxy", to: module + "/support-go", want: "a mock"},
		{from: "samples/shoppingcart", to: module + "/tck", want: "judge"},
		{from: "ci/bench", to: module + "/protocols/gen/cloudstate", want: "ci runs programs"},
		{from: "spec", to: module},
		{from: ".", to: module + "/spec", want: "SPEC.md"},
		{from: "protocols/gen/cloudstate", to: module + "/protocols/trace", want: "generated code"},
		// The proxy's rooms.
		{from: "reference-proxy/serve", to: module + "/reference-proxy/route"},
		{from: "reference-proxy/route", to: module + "/reference-proxy/serve", want: "one direction"},
		{from: "reference-proxy/serve", to: module + "/reference-proxy/journal/memory", want: "one direction"},
		{from: "reference-proxy/entity/eventsourced", to: module + "/reference-proxy/entity/value"},
		{from: "reference-proxy/entity/eventsourced", to: module + "/reference-proxy/entity/driver", want: "pure"},
		{from: "reference-proxy/entity/driver", to: module + "/reference-proxy/entity/eventsourced"},
		{from: "reference-proxy/route", to: module + "/reference-proxy/entity/driver"},
		{from: "reference-proxy/route", to: module + "/reference-proxy/journal", want: "one direction"},
		{from: "reference-proxy/cmd/cloudstate-proxy", to: module + "/reference-proxy/entity/driver"},
		{from: "reference-proxy/cmd/cloudstate-proxy", to: module + "/tck", want: "puts the rooms together"},
		{from: "reference-proxy/operator", to: module + "/reference-proxy/config", want: "another process"},
		// From outside.
		{from: "reference-proxy/entity/value", to: "time", want: "pure"},
		{from: "reference-proxy/entity/value", to: "time", inTest: true},
		{from: "reference-proxy/entity/value", to: "google.golang.org/grpc/codes", want: "pure"},
		{from: "reference-proxy/entity/driver", to: "time"},
		{from: "spec", to: "go.yaml.in/yaml/v3"},
		{from: "spec", to: "github.com/alecthomas/kong", want: "standard library"},
		{from: ".", to: "embed"},
		{from: ".", to: "google.golang.org/protobuf/proto", want: "standard library"},
		// A new room.
		{from: "frontend-go", to: "fmt", want: "no rule covers this folder"},
		{from: "tck", to: module + "/frontend-go", want: "no rule covers the imported folder"},
	}
	for _, test := range tests {
		p := Package{ImportPath: strings.TrimSuffix(module+"/"+test.from, "/.")}
		if test.inTest {
			p.XTestImports = []string{test.to}
		} else {
			p.Imports = []string{test.to}
		}
		var got []string
		for _, violation := range Check(module, Rules, []Package{p}) {
			got = append(got, violation.String())
		}
		joined := strings.Join(got, "\n")
		switch {
		case test.want == "" && joined != "":
			t.Errorf("%s -> %s (in test: %t) was refused: %s", test.from, test.to, test.inTest, joined)
		case test.want != "" && !strings.Contains(joined, test.want):
			t.Errorf("%s -> %s (in test: %t): got %q, want a violation with %q", test.from, test.to, test.inTest, joined, test.want)
		}
	}
}

// TestRulesAreWhole guards the table itself: a rule that names a room which no rule describes admits nothing and hides a slip.
func TestRulesAreWhole(t *testing.T) {
	rooms := map[string]bool{}
	for _, rule := range Rules {
		if rooms[rule.Room] {
			t.Errorf("room %s has two rules", rule.Room)
		}
		rooms[rule.Room] = true
		if rule.Reason == "" {
			t.Errorf("room %s gives no reason", rule.Room)
		}
	}
	for _, rule := range Rules {
		for _, entry := range append(append([]string{}, rule.May...), rule.TestsMay...) {
			if !rooms[strings.TrimSuffix(entry, "/...")] {
				t.Errorf("room %s names %s, which has no rule", rule.Room, entry)
			}
		}
	}
}
