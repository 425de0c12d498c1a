package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

func TestGoodFile(t *testing.T) {
	file, err := Read("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := names(file.Frontends); !slices.Equal(got, []string{"java", "go", "rust"}) {
		t.Errorf("frontends %v, want them in the order of the file", got)
	}
	java, _ := file.Frontend("java")
	wanted := target.Limits{Memory: 512 << 20, Disk: 64 << 20, Pids: 200, CPUs: 1.5}
	if java.Ref.String() != "image:cloudstate/java-function:local" || java.Ref.Options.Limits != wanted || java.Weight != 2 || java.ExpectedFailures[0] != "known.yaml" {
		t.Errorf("java is %+v with %+v", java, java.Ref.Options)
	}
	mine, _ := file.Proxy("mine")
	if mine.Weight != 1 || mine.Ref.Options.StartTimeout != 20*time.Second || mine.Ref.Options.Capabilities.Lacks[0] != "idempotency" {
		t.Errorf("mine is %+v", mine)
	}
	postgres, _ := file.Store("postgres")
	if postgres.Kind != "postgres" || postgres.CaseTimeout != 30*time.Second || postgres.Ref.Scheme != target.Exec {
		t.Errorf("postgres is %+v", postgres)
	}
	slow, _ := file.Environment("slow")
	plain, _ := file.Environment("plain")
	if slow.Kind != "slow-links" || !slices.Equal(slow.Flags, []string{"--timeout=30s"}) || plain.Kind != "plain" {
		t.Errorf("slow is %+v, plain %+v", slow, plain)
	}
	want := Matrix{
		Proxies: []string{"reference"}, Frontends: []string{"java", "go", "rust"}, Stores: []string{"memory", "postgres"}, Environments: []string{"plain", "slow"},
		Exclude:  []Rule{{Frontend: Names{"java", "rust"}, Store: Names{"postgres"}}},
		Include:  []Rule{{Proxy: Names{"mine"}, Frontend: Names{"go"}, Store: Names{"memory"}, Environment: Names{"plain"}}},
		Pairwise: true, CellTimeout: 5 * time.Minute,
	}
	if diff := cmp.Diff(want, file.Matrix); diff != "" {
		t.Errorf("matrix (-want +got):\n%s", diff)
	}
}

// Each file says in its own comments which faults are told of it, all of them and in this order.
func TestFaults(t *testing.T) {
	paths, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no faults to try", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(text)) {
				if fault, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "# want "); ok {
					want = append(want, fault)
				}
			}
			_, err = Parse("tck.yaml", text)
			if !errors.Is(err, ErrFile) {
				t.Fatalf("%v, want ErrFile", err)
			}
			got := strings.Split(err.Error(), "\n")
			for i, line := range got {
				if !strings.HasPrefix(line, "tck.yaml:") {
					t.Errorf("%q does not begin with the file's name", line)
				}
				if i >= len(want) || !strings.Contains(line, want[i]) {
					t.Errorf("fault %d is\n  %s", i+1, line)
				}
			}
			if len(got) < len(want) {
				t.Errorf("%d faults, want %d", len(got), len(want))
			}
		})
	}
}

func TestManyFaultsAreCounted(t *testing.T) {
	text := "version: 1\nproxies:\n"
	for i := range 30 {
		text += "  p" + strings.Repeat("x", i) + ": {}\n"
	}
	_, err := Parse("tck.yaml", []byte(text))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxFaults+1 || lines[maxFaults] != "tck.yaml: and 10 more faults" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestLargeFileIsRefused(t *testing.T) {
	if _, err := Parse("tck.yaml", make([]byte, maxFile+1)); !errors.Is(err, ErrFile) {
		t.Errorf("%v", err)
	}
	path := filepath.Join(t.TempDir(), "tck.yaml")
	if err := os.WriteFile(path, make([]byte, 2*maxFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); !errors.Is(err, ErrFile) {
		t.Errorf("%v", err)
	}
	if _, err := Read(path + "x"); !errors.Is(err, ErrFile) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestPublishedSchemaIsOurs(t *testing.T) {
	published, err := os.ReadFile("../../docs/tck/tck.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(published) != Schema {
		t.Error("docs/tck/tck.schema.json is not tck/config/tck.schema.json: copy it there")
	}
}

// The distance is a metric, and no longer than the longer word.
func TestEdits(t *testing.T) {
	word := rapid.StringMatching(`[a-c]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		ab := edits(a, b)
		if (ab == 0) != (a == b) || ab != edits(b, a) || ab > edits(a, c)+edits(c, b) || ab > max(len(a), len(b)) {
			t.Errorf("edits(%q, %q) = %d", a, b, ab)
		}
	})
}

// Whatever a file holds, it is read or refused with ErrFile; what is read names only what is declared.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/faults/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse("tck.yaml", text)
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Fatalf("%v does not wrap ErrFile", err)
			}
			return
		}
		for _, name := range file.Matrix.Proxies {
			if p, ok := file.Proxy(name); !ok || p.Ref.IsZero() {
				t.Fatalf("the matrix names the proxy %q, which is not declared", name)
			}
		}
		for _, name := range file.Matrix.Frontends {
			if p, ok := file.Frontend(name); !ok || p.Ref.IsZero() {
				t.Fatalf("the matrix names the frontend %q, which is not declared", name)
			}
		}
		for _, name := range file.Matrix.Stores {
			if s, ok := file.Store(name); !ok || s.Ref.IsZero() {
				t.Fatalf("the matrix names the store %q, which is not declared", name)
			}
		}
		for _, name := range file.Matrix.Environments {
			if _, ok := file.Environment(name); !ok {
				t.Fatalf("the matrix names the environment %q, which is not declared", name)
			}
		}
	})
}
