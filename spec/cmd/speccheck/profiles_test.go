package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// speccheckOn checks a standard against the tables in a folder; ids are brought up to date first, so that only profiles are at issue.
func speccheckOn(t *testing.T, dir, standard string, more ...string) (status int, out string) {
	t.Helper()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ids := "ES-01\nES-02\nES-03\nES-04\n"
	if strings.Contains(standard, "ES-05") {
		ids += "ES-05\n"
	}
	status, out, errs := command("", append([]string{"-spec", write("SPEC.md", standard), "-ids", write("ids.txt", ids)}, more...)...)
	return status, out + errs
}

// A released version demands for ever what it demanded; until it is released its table follows SPEC.md.
func TestReleasedProfilesNeverChange(t *testing.T) {
	dir := t.TempDir()
	more := strings.Replace(standard, "\n## Replicated", "- **ES-05** (proxy, core) MUST do more.\n\n## Replicated", 1)
	weaker := strings.Replace(standard, "MUST do it", "SHOULD do it", 1)
	next := strings.Replace(more, "Specification version: **0.2.0**", "Specification version: **0.3.0**", 1)
	for _, step := range []struct {
		name, standard string
		flags          []string
		status         int
		want           string
	}{
		{"no table yet", standard, nil, exitFindings, "-update-ids"},
		{"written", standard, []string{"-update-ids"}, exitClean, "nothing wrong"},
		{"kept", standard, nil, exitClean, "nothing wrong"},
		{"a draft that grew", more, nil, exitFindings, "new: core ES-05 proxy MUST"},
		{"follows", more, []string{"-update-ids"}, exitClean, "nothing wrong"},
		{"and back", standard, []string{"-update-ids"}, exitClean, "nothing wrong"},
		{"released", standard, []string{"-release"}, exitClean, "nothing wrong"},
		{"twice is once", standard, []string{"-release"}, exitClean, "nothing wrong"},
		{"a released one that grew", more, nil, exitFindings, "give SPEC.md the next version"},
		{"and is not written again", more, []string{"-update-ids"}, exitFindings, "give SPEC.md the next version"},
		{"nor released again", more, []string{"-release"}, exitFindings, "give SPEC.md the next version"},
		{"a released one that got weaker", weaker, nil, exitFindings, "new: core ES-01 proxy SHOULD"},
		{"a later version", next, []string{"-update-ids"}, exitClean, "nothing wrong"},
		{"is released, too", next, []string{"-release"}, exitClean, "nothing wrong"},
	} {
		if status, out := speccheckOn(t, dir, step.standard, step.flags...); status != step.status || !strings.Contains(out, step.want) {
			t.Fatalf("%s: status %d\n%s", step.name, status, out)
		}
	}
	released := filepath.Join(dir, "profiles", "released.txt")
	text, err := os.ReadFile(released)
	if err != nil || strings.Count(string(text), "sha256:") != 2 {
		t.Fatalf("%v\n%s", err, text)
	}
	table := filepath.Join(dir, "profiles", "0.2.0.txt")
	old, err := os.ReadFile(table)
	if err != nil || !strings.Contains(string(old), "core ES-03 frontend MUST NOT\n") || strings.Contains(string(old), "ES-02") {
		t.Fatalf("%v\n%s", err, old)
	}
	if err := os.WriteFile(table, []byte(strings.Replace(string(old), "core ES-01 proxy MUST\n", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out := speccheckOn(t, dir, next); status != exitFindings || !strings.Contains(out, "is not what was released as 0.2.0") {
		t.Errorf("an earlier table that was changed: status %d\n%s", status, out)
	}
	if err := os.Remove(table); err != nil {
		t.Fatal(err)
	}
	if status, out := speccheckOn(t, dir, next); status != exitFindings || !strings.Contains(out, "is not what was released as 0.2.0") {
		t.Errorf("an earlier table that is gone: status %d\n%s", status, out)
	}
	if err := os.WriteFile(released, []byte("../../x sha256:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _ := speccheckOn(t, dir, next); status != exitTrouble {
		t.Errorf("a file of released versions that makes no sense: status %d", status)
	}
}
