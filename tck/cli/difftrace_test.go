package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiffTrace(t *testing.T) {
	const golden = "../../fixtures/traces/event-sourced.trace"
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Every text "one" is the entity's id, in payloads too.
	renamed := write("renamed.trace", strings.ReplaceAll(string(text), `"one"`, `"two"`))
	for _, c := range []struct {
		args   []string
		status int
		want   string // on either output
	}{
		{[]string{golden, golden}, ExitOK, "0 differences"},
		{[]string{golden, write("b", strings.Replace(string(text), `"message":"abc"`, `"message":"abX"`, 1))}, ExitFailed, `+           "message": "abX"`},
		{[]string{golden, renamed}, ExitFailed, "got no such call"},
		{[]string{golden, renamed, "--entity", "one=two"}, ExitOK, "0 differences"},
		{[]string{golden, write("c", strings.ReplaceAll(string(text), "as told", "otherwise"))}, ExitFailed, "otherwise"},
		{[]string{golden, filepath.Join(dir, "c"), "--ignore", "cloudstate.Failure.description", "--ignore", "cloudstate.tck.model.Fail.message"}, ExitOK, "0 differences"},
		{[]string{golden, filepath.Join(dir, "nowhere")}, ExitUsage, "nowhere"},
		{[]string{write("d", "hello\n"), golden}, ExitUsage, "d:1: this is no trace"},
	} {
		status, out, errs := here(t, append([]string{"diff-trace"}, c.args...)...)
		if status != c.status || !strings.Contains(out+errs, c.want) {
			t.Errorf("%v: exit status %d, want %d with %s:\n%s%s", c.args, status, c.status, c.want, out, errs)
		}
	}
}
