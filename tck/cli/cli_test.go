package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/engine"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// With KIT set the test binary is the command itself: Ginkgo judges once a process.
func TestMain(m *testing.M) {
	if os.Getenv("KIT") != "" {
		// Run is given no signals: the test ends its children by the context of exec.Cmd.
		os.Exit(Run(context.Background(), os.Args[1:], Stdio{Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// tck runs the command in a process of its own.
func tck(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append(os.Environ(), "KIT=1")
	var o, e bytes.Buffer
	command.Stdout, command.Stderr = &o, &e
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), o.String(), e.String()
}

// here runs the command in this process, for what judges nothing.
func here(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Run(t.Context(), args, Stdio{Out: &o, Err: &e})
	return status, o.String(), e.String()
}

func TestCasesAreSound(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := suite.Check(Cases()); err != nil {
		t.Error(err)
	}
	if err := verdict.CheckCases(catalogue, Cases()); err != nil {
		t.Error(err)
	}
}

func TestHelpTeaches(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"--help"}, []string{"Examples:", "Exit status:", "explain ES-20"}},
		{[]string{"environments"}, []string{"plain", "Nothing happens.", "lossy-links"}},
		{[]string{"run", "--help"}, []string{"builtin:reference", "--expected-failures", "CLOUDSTATE_STORE", "wildcard"}},
	} {
		status, out, _ := here(t, tt.args...)
		if status != ExitOK {
			t.Errorf("%v: exit status %d", tt.args, status)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v lacks %q:\n%s", tt.args, want, out)
			}
		}
		if strings.Contains(out, "ginkgo") {
			t.Errorf("Ginkgo's flags leak into %v", tt.args)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	known := filepath.Join(t.TempDir(), "known.yaml")
	if err := os.WriteFile(known, []byte("- case: es/frontend/none\n  reason: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "expected one of"},
		{[]string{"run"}, "name a proxy, a frontend, or both"},
		{[]string{"run", "--ginkgo.v"}, "unknown flag"},
		{[]string{"run", "--frontend", "go"}, "builtin:go"},
		{[]string{"run", "--frontend", "builtin:go", "--suite", "front"}, "frontend"},
		{[]string{"run", "--frontend", "builtin:go", "--timeout", "soon"}, "--timeout"},
		{[]string{"run", "--frontend", "builtin:go", "--timeout", "0s"}, "must be above 0"},
		{[]string{"run", "--frontend", "builtin:go", "--expected-failures", "/nowhere"}, "--expected-failures"},
		{[]string{"run", "--frontend", "builtin:go", "--expected-failures", known}, `no case "es/frontend/none"`},
		{[]string{"run", "--frontend", "builtin:go", "--label", "es &&"}, "--label"},
		{[]string{"run", "--frontend", "builtin:go", "--focus", "nope"}, "--focus"},
		{[]string{"run", "--frontend", "exec:true", "--watch"}, "--watch"},
		{[]string{"run", "--frontend", "builtin:go", "--environment", "storms"}, "choose among plain"},
		{[]string{"run", "--frontend", "builtin:go", "--disturbances", "0"}, "--disturbances must be above 0"},
		{[]string{"explain", "ES-999"}, "the nearest is ES-"},
		{[]string{"explain"}, "expected"},
	} {
		status, _, errs := here(t, tt.args...)
		if status != ExitUsage || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit status %d, %q; want %d with %q", tt.args, status, errs, ExitUsage, tt.want)
		}
	}
}

func TestList(t *testing.T) {
	status, out, errs := here(t, "list", "--json")
	if status != ExitOK {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	var got struct{ Cases []listed }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Cases) != len(Cases()) {
		t.Errorf("%d cases, want %d", len(got.Cases), len(Cases()))
	}
	for _, c := range got.Cases {
		if c.ID == "" || c.Title == "" || c.Suite == "" || len(c.Requirements) == 0 || c.Needs == nil || len(c.Labels) == 0 {
			t.Errorf("incomplete: %+v", c)
		}
	}
	if _, out, _ := here(t, "list"); !strings.Contains(out, got.Cases[0].ID) {
		t.Error("the list for people lacks the first case")
	}
}

func TestExplain(t *testing.T) {
	c := Cases()[0]
	status, out, errs := here(t, "explain", strings.ToLower(c.Requirements[0]), c.ID)
	if status != ExitOK {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	for _, want := range []string{c.Requirements[0], "level ", "binds ", "profile ", "proved by  " + c.ID, c.Title, "proves "} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
}

// From arguments to exit status, reports included.
func TestRunFromEndToEnd(t *testing.T) {
	function := mockfunction.New(suite.ModelFunction())
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	dir := t.TempDir()
	status, out, errs := tck(t, "run", "--frontend", "addr:"+function.Addr(), "--focus", "disc", "--out", dir, "--timeout", "5s")
	if !strings.Contains(out, "Verdict on addr:"+function.Addr()) {
		t.Fatalf("exit status %d\n%s\n%s", status, out, errs)
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got verdict.Report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := map[verdict.Conclusion]int{verdict.Conforms: ExitOK, verdict.Breaks: ExitFailed, verdict.Incomplete: ExitIncomplete}[got.Summary.Conclusion]
	if status != want {
		t.Errorf("exit status %d with the conclusion %s", status, got.Summary.Conclusion)
	}
	if got.Summary.Cases.Passed == 0 || !got.Selection.Partial {
		t.Errorf("%+v, partial %v", got.Summary.Cases, got.Selection.Partial)
	}
}

func TestTargetThatIsNotThere(t *testing.T) {
	port, err := target.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	status, out, _ := tck(t, "run", "--frontend", "addr:"+target.Loopback(port), "--start-timeout", "200ms")
	if status != ExitIncomplete || !strings.Contains(out, "did not come up") || !strings.Contains(out, "INCOMPLETE") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
}

func TestWatchStripsItself(t *testing.T) {
	got := withoutWatch([]string{"run", "--watch", "--frontend", "addr:x:1", "--watch=true"})
	if strings.Join(got, " ") != "run --frontend addr:x:1" {
		t.Errorf("%v", got)
	}
	if _, err := (&runCommand{Frontend: "exec:x", Timeout: 1, StartTimeout: 1, Environment: "plain", Disturbances: 1}).config(); err != nil {
		t.Error(err)
	}
	if err := watch(t.Context(), Stdio{}, engine.Config{}, nil); err == nil {
		t.Error("watching nothing is no error")
	}
}
