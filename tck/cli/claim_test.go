package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/claim"
	"github.com/stateful-serverless/cloudstate/tck/report"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// checkClaim verifies claims on what the report in dir shows, one that is true and one that is not.
func checkClaim(t *testing.T, dir string, r *verdict.Report) {
	t.Helper()
	if status, _, errs := here(t, "claim", dir, "--out", filepath.Join(dir, "claim.json")); status != ExitFailed || !strings.Contains(errs, "left out by choice") {
		t.Errorf("a claim from a selection: exit status %d: %s", status, errs)
	}
	c := claim.Claim{
		Schema: claim.SchemaVersion, Spec: r.Spec, Party: spec.Frontend, Implementation: claim.Implementation{Name: "mock", Version: "1", Says: r.Target.FrontendVersion},
		Profiles: []string{"core"}, Environment: claim.Environment{OS: "linux", Arch: "amd64", Kit: r.Kit}, Reproduce: claim.Reproduce{Command: r.Command},
		Results: claim.ResultsOf(r, spec.Frontend, []string{"core"}),
	}
	verify := func(more ...string) (status int, out, errs string) {
		t.Helper()
		c.Digest = c.Sum()
		var b bytes.Buffer
		if err := c.Write(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "claim.json")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return tck(t, append([]string{"verify-claim", path}, more...)...)
	}
	again := filepath.Join(dir, "again")
	if status, out, errs := verify("--out", again); status != ExitOK || !strings.Contains(out, "the claim holds") || !strings.Contains(out, "mock 1 conforms to") {
		t.Errorf("a claim that is true: exit status %d: %s%s", status, out, errs)
	}
	if _, err := report.Read(again); err != nil {
		t.Error(err)
	}
	c.Results.Requirements["DISC-05"] = verdict.NotRun
	if status, out, errs := verify(); status != ExitFailed || !strings.Contains(out, "requirement DISC-05: claimed not run, now passed") {
		t.Errorf("a claim that is not true: exit status %d: %s%s", status, out, errs)
	}
	if status, out, _ := verify("--show"); status != ExitOK || !strings.Contains(out, "cloudstate-tck run --frontend addr:") || strings.Contains(out, "hold") {
		t.Errorf("--show: exit status %d: %s", status, out)
	}
	c.Reproduce.Command = []string{"explain", "ES-20"}
	if status, _, errs := verify(); status != ExitUsage || !strings.Contains(errs, "cannot be run") {
		t.Errorf("a claim that wants something else run: exit status %d: %s", status, errs)
	}
}

func TestQuoted(t *testing.T) {
	if got, want := quoted([]string{"run", "--proxy", "exec:it's mine", ""}), `run --proxy 'exec:it'\''s mine' ''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// A claim is read before what it says is run: a terminal must not be told to hide a part of it. What is shown is still what is run.
	hidden := "echo \"it's\" \\\" harmless\x1b[2K\r\u202e\\ # \n"
	shown := quoted([]string{hidden})
	if plain(shown) != shown {
		t.Errorf("%q", shown)
	}
	command := exec.CommandContext(t.Context(), "bash", "-c", "printf %s "+shown)
	command.Env = []string{"LC_ALL=C.UTF-8"}
	if said, err := command.Output(); err != nil || string(said) != hidden {
		t.Errorf("%s is %q to a shell, want %q; %v", shown, said, hidden, err)
	}
	if got := plain("a library\x1b[8m\n"); got != "a library�[8m�" {
		t.Errorf("%q", got)
	}
}
