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
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/engine"
	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/report"
	"github.com/stateful-serverless/cloudstate/tck/suite"
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
		{[]string{"run", "--frontend", "builtin:go", "--repeat-until-verdict", "0"}, "1 or more"},
		{[]string{"run", "--frontend", "builtin:go", "--expected-failures", "/nowhere"}, "--expected-failures"},
		{[]string{"run", "--frontend", "builtin:go", "--expected-failures", known}, `no case "es/frontend/none"`},
		{[]string{"run", "--frontend", "builtin:go", "--label", "es &&"}, "--label"},
		{[]string{"run", "--frontend", "builtin:go", "--focus", "nope"}, "--focus"},
		{[]string{"run", "--frontend", "exec:true", "--watch"}, "in place of exec:true"},
		{[]string{"run", "--frontend", "image:mine", "--watch"}, "in place of image:mine"},
		{[]string{"run", "--frontend", "builtin:go", "--traces", "all"}, "--traces goes with --out"},
		{[]string{"run", "--frontend", "builtin:go", "--environment", "storms"}, "choose among plain"},
		{[]string{"run", "--frontend", "builtin:go", "--disturbances", "0"}, "--disturbances must be above 0"},
		{[]string{"fuzz"}, "name a proxy, a frontend, or both"},
		{[]string{"fuzz", "--frontend", "go"}, "builtin:go"},
		{[]string{"fuzz", "--frontend", "builtin:go", "--workers", "0"}, "--workers"},
		{[]string{"fuzz", "--frontend", "builtin:go", "--replay", "/nowhere"}, "--replay"},
		{[]string{"fuzz", "--frontend", "builtin:go", "--replay", known}, "not a case of the fuzzer"},
		{[]string{"fuzz", "--frontend", "builtin:go", "--replay", filepath.Join(filepath.Dir(known), "..")}, "no .json file"},
		{[]string{"explain", "ES-999"}, "the nearest is ES-"},
		{[]string{"explain"}, "expected"},
		{[]string{"site", "--out", "x", "/nowhere"}, "/nowhere"},
		{[]string{"site", "--out", "x", "mine:/nowhere"}, "proxy=mine"},
		{[]string{"site", "/nowhere"}, "--out"},
		{[]string{"compare", "/nowhere", "/nowhere"}, "/nowhere"},
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
	status, out, errs := tck(t, "run", "--frontend", "addr:"+function.Addr(), "--focus", "disc", "--out", dir, "--timeout", "60s", "--traces", "all")
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
	siteDir := filepath.Join(dir, "site")
	if status, out, errs := here(t, "site", "--out", siteDir, "frontend=mock:"+dir, dir); status != ExitOK || !strings.Contains(out, "index.html") {
		t.Errorf("a site of it: exit status %d: %s", status, errs)
	}
	if pages, _ := filepath.Glob(filepath.Join(siteDir, "cells", "*.html")); len(pages) != 2 || !strings.HasSuffix(pages[1], "mock.html") {
		t.Errorf("the site has the pages %v", pages)
	}
	checkCompare(t, dir, text)
	checkClaim(t, dir, &got)
	saved := 0
	for _, c := range got.Cases {
		path := filepath.Join(dir, "traces", strings.ReplaceAll(c.ID, "/", ".")+".trace")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		saved++
		if file, err := tracefile.Open(path); err != nil || len(file.Messages) == 0 || !strings.HasPrefix(file.Header.Note, c.ID) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if saved < got.Summary.Cases.Passed {
		t.Errorf("%d conversations saved of %d cases that passed", saved, got.Summary.Cases.Passed)
	}
	known := filepath.Join(dir, "known.yaml")
	if status, out, errs := here(t, "baseline", dir, known); status != ExitOK || !strings.Contains(out, "0 expected failures") {
		t.Errorf("a baseline of what passes: exit status %d: %s%s", status, out, errs)
	}
	if got.Summary.Cases.Passed == 0 || !got.Selection.Partial {
		t.Errorf("%+v, partial %v", got.Summary.Cases, got.Selection.Partial)
	}
}

// What a run writes as expected is refused until it is filled in, and then the next run passes.
func TestBaselineFromEndToEnd(t *testing.T) {
	broken := suite.ModelFunction()
	broken.Spec.ServiceInfo = nil // DISC-06
	function := mockfunction.New(broken)
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	known := filepath.Join(t.TempDir(), "known.yaml")
	args := []string{"run", "--frontend", "addr:" + function.Addr(), "--focus", "disc/frontend", "--timeout", "60s"}
	status, out, errs := tck(t, append(args, "--write-expected-failures", known)...)
	if status != ExitFailed || !strings.Contains(out, "added, say why: case disc/frontend/") {
		t.Fatalf("exit status %d\n%s%s", status, out, errs)
	}
	if status, _, errs := tck(t, append(args, "--expected-failures", known)...); status != ExitUsage || !strings.Contains(errs, "FILL IN") {
		t.Errorf("what nobody filled in: exit status %d\n%s", status, errs)
	}
	text, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(known, []byte(strings.ReplaceAll(string(text), "FILL IN", "known")), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := tck(t, append(args, "--expected-failures", known)...); status != ExitOK {
		t.Errorf("exit status %d\n%s%s", status, out, errs)
	}
}

// checkCompare compares the report in dir with itself, and with one in which a case that passed fails.
func checkCompare(t *testing.T, dir string, text []byte) {
	t.Helper()
	if status, out, errs := here(t, "compare", dir, dir); status != ExitOK || !strings.Contains(out, "0 regressions") {
		t.Errorf("a report and itself: exit status %d: %s%s", status, out, errs)
	}
	worse := filepath.Join(t.TempDir(), "report.json")
	broken := strings.ReplaceAll(string(text), `"verdict": "passed",`, `"verdict": "failed", "failure": {"requirement": "DISC-05", "expected": "x", "got": "y"},`)
	if err := os.WriteFile(worse, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--markdown"}} {
		if status, out, errs := here(t, append([]string{"compare", dir, worse}, more...)...); status != ExitFailed || !strings.Contains(out, "Regressions") {
			t.Errorf("a worse report: exit status %d: %s%s", status, out, errs)
		}
	}
	if status, _, _ := here(t, "compare", worse, dir); status != ExitOK {
		t.Errorf("a better report: exit status %d", status)
	}
}

// What cannot be written keeps a run from passing, and does not keep the rest of the result from being written.
func TestWhatCannotBeWritten(t *testing.T) {
	function := mockfunction.New(suite.ModelFunction())
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	dir, id := t.TempDir(), "disc/frontend/one-entity-per-service"
	if err := os.MkdirAll(filepath.Join(dir, "traces", strings.ReplaceAll(id, "/", ".")+".trace"), 0o750); err != nil {
		t.Fatal(err)
	}
	status, out, errs := tck(t, "run", "--frontend", "addr:"+function.Addr(), "--focus", id, "--out", dir, "--traces", "all")
	if status != ExitIncomplete || !strings.Contains(errs, "--traces: case "+id) || !strings.Contains(out, "Verdict on") {
		t.Errorf("exit status %d\n%s\n%s", status, out, errs)
	}
	if _, err := report.Read(dir); err != nil {
		t.Error(err)
	}
}

func TestTargetThatIsNotThere(t *testing.T) {
	status, out, _ := tck(t, "run", "--frontend", "addr:127.0.0.1:1", "--start-timeout", "200ms") // a port that nobody else is given meanwhile
	if status != ExitIncomplete || !strings.Contains(out, "did not come up") || !strings.Contains(out, "INCOMPLETE") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
}

// From a run that finds nothing, over a saved case, to one that finds no target.
func TestFuzz(t *testing.T) {
	function := mockfunction.New(suite.ModelFunction())
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	address := "addr:" + function.Addr()
	status, out, errs := here(t, "fuzz", "--frontend", address, "--conversations", "200", "--seed", "3", "--out", t.TempDir())
	if status != ExitOK || !strings.Contains(out, "seed 3") || !strings.Contains(out, "200 conversations") {
		t.Errorf("exit status %d\n%s\n%s", status, out, errs)
	}
	saved := filepath.Join("..", "..", "fixtures", "fuzz")
	status, out, errs = here(t, "fuzz", "--frontend", address, "--replay", saved)
	if status != ExitOK || !strings.Contains(out, "2 saved cases held") {
		t.Errorf("exit status %d\n%s\n%s", status, out, errs)
	}
	function.Kill()
	if status, _, errs = here(t, "fuzz", "--frontend", address, "--start-timeout", "100ms"); status != ExitIncomplete {
		t.Errorf("exit status %d\n%s", status, errs)
	}
}

func TestWatchStripsItself(t *testing.T) {
	got := withoutWatch([]string{"run", "--watch", "--frontend", "addr:x:1", "--watch=true"})
	if strings.Join(got, " ") != "run --frontend addr:x:1" {
		t.Errorf("%v", got)
	}
	c := &runCommand{Frontend: "exec:x", Timeout: 1, StartTimeout: 1, MostRuns: 1, Environment: environment.Plain, Disturbances: 1}
	if _, err := c.config(); err != nil {
		t.Error(err)
	}
	if err := watch(t.Context(), Stdio{}, engine.Config{}, nil); err == nil {
		t.Error("watching nothing is no error")
	}
}
