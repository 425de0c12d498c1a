package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestKillTestBites proves that the check of [TestAcknowledgedIsDurable] finds a proxy that replies before its events
// are durable: the mutant reply-before-persist, killed until a loss is found.
func TestKillTestBites(t *testing.T) {
	const attempts, killsEach = 40, 4 // one of two or three finds it
	program := buildMutant(t, "reply-before-persist")
	for seed := range uint64(attempts) {
		faults := killAndCheck(t, program, killsEach, seed+1)
		for _, fault := range faults {
			if strings.Contains(fault, "acknowledged") {
				t.Logf("found after at most %d kills: %s", (seed+1)*killsEach, fault)
				return
			}
		}
		if len(faults) > 0 {
			t.Fatalf("the mutant breaks more than it says: %q", faults)
		}
	}
	t.Fatalf("%d kills of a proxy that replies before it writes found no loss: the kill test has no teeth", attempts*killsEach)
}

// buildMutant builds the proxy with the edits of fixtures/mutants/proxy/<id> and returns the program's path.
func buildMutant(t *testing.T, id string) string {
	t.Helper()
	return buildEdited(t, filepath.Join("..", "..", "..", "fixtures", "mutants", "proxy", id, "mutant.yaml"))
}

// buildEdited builds the proxy with the edits of the files and returns the program's path.
func buildEdited(t *testing.T, files ...string) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	edited := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var mutant struct {
			Edits []struct{ File, Find, Replace string }
		}
		if err := yaml.Unmarshal(text, &mutant); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, e := range mutant.Edits {
			path := filepath.Join(root, e.File)
			if _, ok := edited[path]; !ok {
				source, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				edited[path] = string(source)
			}
			if n := strings.Count(edited[path], e.Find); n != 1 {
				t.Fatalf("%s: %q occurs %d times in %s, want once", file, e.Find, n, e.File)
			}
			edited[path] = strings.Replace(edited[path], e.Find, e.Replace, 1)
		}
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, source := range edited {
		copied := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(copied, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[path] = copied
	}
	file, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	overlayPath, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "cloudstate-proxy")
	if err := os.WriteFile(overlayPath, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := build(program, overlayPath); err != nil {
		t.Fatal(err)
	}
	return program
}
