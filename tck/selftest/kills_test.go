package selftest

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestKillsFindReplyBeforePersist: the environment "kills", with as many disturbances as it makes unless told otherwise, finds a proxy that answers before it has handed
// its write to the disk, by what its clients were told and what is there afterwards.
func TestKillsFindReplyBeforePersist(t *testing.T) {
	const caseID = "es/pair/storm"
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := Load(filepath.Join(root, "fixtures", "mutants"))
	if err != nil {
		t.Fatal(err)
	}
	mutants, err = chosen(mutants, []string{"reply-before-persist"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay, err := mutants[0].apply(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kit, proxy, model := filepath.Join(dir, "cloudstate-tck"), filepath.Join(dir, "mutant"), filepath.Join(dir, "cloudstate-tck-model")
	for _, b := range []struct{ pkg, output, overlay string }{{kitPackage, kit, ""}, {packages[Frontend], model, ""}, {packages[Proxy], proxy, overlay}} {
		if err := build(t.Context(), root, b.pkg, b.output, b.overlay); err != nil {
			t.Fatal(err)
		}
	}
	said, err := exec.CommandContext(t.Context(), kit, "run", "--proxy", "exec:exec '"+proxy+"'", "--frontend", "builtin:go", "--store", "embedded",
		"--environment", "kills", "--focus", caseID, "--seed", "1", "--out", dir).CombinedOutput()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatalf("%v\n%s", err, said)
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	report := &judgement{}
	if err := json.Unmarshal(text, report); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(report.Cases, func(c judged) bool { return c.ID == caseID })
	if at < 0 {
		t.Fatalf("no case %s:\n%s", caseID, said)
	}
	got := report.Cases[at]
	if got.Verdict != failed || got.Failure.Requirement != mutants[0].Requirement || !strings.Contains(string(said), "lost: ") {
		t.Errorf("%s\n%s", got.describe(caseID), said)
	}
}
