package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/config"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// fakeKit is this binary in the role of the kit: it behaves as FAKE_KIT says.
func fakeKit() int {
	flags := flag.NewFlagSet("kit", flag.ContinueOnError)
	out := flags.String("out", "", "")
	for _, name := range []string{"config", "proxy", "frontend", "store", "suite", "seed", "timeout", "environment"} {
		flags.String(name, "", "")
	}
	if err := flags.Parse(os.Args[2:]); err != nil {
		return 2
	}
	var report verdict.Report
	switch os.Getenv("FAKE_KIT") {
	case "passes":
		report.Summary = verdict.Summary{Conclusion: verdict.Conforms, Cases: verdict.CaseCounts{Total: 1, Passed: 1}}
	case "down":
		report.Summary = verdict.Summary{Conclusion: verdict.Incomplete, Problems: []string{"the proxy did not come up:\n  | no disk"}, Cases: verdict.CaseCounts{Total: 1, NotRun: 1}}
	case "usage":
		fmt.Fprintln(os.Stderr, "cloudstate-tck: no such thing")
		return 2
	case "dies":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "floods":
		line := strings.Repeat("x", 1<<16)
		for range 2 * maxConsole / len(line) {
			fmt.Fprintln(os.Stdout, line)
		}
		report.Summary = verdict.Summary{Conclusion: verdict.Conforms, Cases: verdict.CaseCounts{Total: 1, Passed: 1}}
	case "hangs": // and leaves a child of its own session behind, and does not listen
		signal.Ignore(os.Interrupt)
		child := exec.Command("sleep", "1000") // it is to be left behind
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		_ = child.Start()
		_ = os.WriteFile(os.Getenv("FAKE_PID"), fmt.Appendln(nil, child.Process.Pid), 0o600)
		select {}
	}
	text, err := json.Marshal(report)
	if err != nil {
		return 2
	}
	if err := os.WriteFile(filepath.Join(*out, "report.json"), text, 0o600); err != nil {
		return 2
	}
	return 0
}

func child(t *testing.T, behaviour string) Child {
	t.Helper()
	t.Setenv("FAKE_KIT", behaviour)
	file, err := config.Read("testdata/tck.yaml")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Child{Program: self, File: file, Seed: 3}
}

var pairCell = Cell{Name: "pair", Labels: Labels{Proxy: "mine", Frontend: "go", Store: "disk", Environment: "slow"}, Suites: []suite.Kind{suite.Pair}, Weight: 1}

func TestChildTellsHowACellEnded(t *testing.T) {
	for _, tt := range []struct {
		behaviour string
		state     State
		verdict   verdict.Conclusion
		reason    string
	}{
		{"passes", Done, verdict.Conforms, ""},
		{"down", Error, "", "the proxy did not come up: | no disk"},
		{"usage", Error, "", "cloudstate-tck: no such thing"},
		{"dies", Error, "", "the kit was ended: signal: killed"},
		{"floods", Done, verdict.Conforms, ""},
	} {
		t.Run(tt.behaviour, func(t *testing.T) {
			dir := t.TempDir()
			got := child(t, tt.behaviour).Judge(t.Context(), pairCell, dir)
			if got.State != tt.state || got.Verdict != tt.verdict || got.Reason != tt.reason {
				t.Errorf("%+v", got)
			}
			if want := "run --config testdata/tck.yaml --proxy mine --frontend go --store disk --suite pair --seed 3 --out " + dir + " --environment slow-links --timeout=30s"; strings.Join(got.Command[1:], " ") != want {
				t.Errorf("command %v, want %s", got.Command, want)
			}
			if info, err := os.Stat(filepath.Join(dir, "console.txt")); err != nil || info.Size() > maxConsole {
				t.Errorf("console: %v %v", info, err)
			}
		})
	}
}

// A kit that hangs and does not listen is killed, with what it started and took out of its process group; an interrupt of the matrix is no error of the cell.
func TestChildThatHangs(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	t.Setenv("FAKE_PID", pid)
	cleaned := ""
	deaf := child(t, "hangs")
	deaf.Patience = 100 * time.Millisecond
	deaf.Clean = func(cell string) { cleaned = cell }
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan Outcome, 1)
	go func() { ended <- deaf.Judge(ctx, pairCell, t.TempDir()) }()
	var left int
	if err := target.Await(t.Context(), func(context.Context) error {
		text, err := os.ReadFile(pid)
		if err != nil {
			return err
		}
		_, err = fmt.Sscanf(string(text), "%d\n", &left)
		return err
	}, nil); err != nil {
		t.Fatal(err)
	}
	interrupt()
	if got := <-ended; got.State != NotRun || cleaned == "" {
		t.Errorf("%+v, cleaned %q", got, cleaned)
	}
	dying, cancel := context.WithTimeout(t.Context(), time.Minute) // what was killed needs the processor once more to end
	defer cancel()
	if err := target.Await(dying, func(context.Context) error {
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", left)); err == nil && !strings.Contains(string(state), ") Z ") {
			return fmt.Errorf("process %d lives on: %s", left, state)
		}
		return nil
	}, nil); err != nil {
		t.Error(err)
	}
}

// A kit that does not end in time is ended, however far it came.
func TestChildThatIsLate(t *testing.T) {
	t.Setenv("FAKE_PID", filepath.Join(t.TempDir(), "pid"))
	cleaned := ""
	late := child(t, "hangs")
	late.File.Matrix.CellTimeout = 500 * time.Millisecond
	late.Patience = 100 * time.Millisecond
	late.Clean = func(cell string) { cleaned = cell }
	if got := late.Judge(t.Context(), pairCell, t.TempDir()); got.State != Error || !strings.Contains(got.Reason, "did not end in time, 500ms") || cleaned == "" {
		t.Errorf("%+v, cleaned %q", got, cleaned)
	}
}

// The digest changes with the declaration, the flags, the seed and the files that are named; not with anything else.
func TestDigest(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	declared, err := os.ReadFile("testdata/tck.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write("tck.yaml", string(declared))
	write("known.yaml", "[]")
	write("kit", "kit")
	write("input1.txt", "1")
	digest := func(change func(*Child)) string {
		t.Helper()
		file, err := config.Read(filepath.Join(dir, "tck.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		c := Child{Program: filepath.Join(dir, "kit"), File: file, Seed: 1}
		if change != nil {
			change(&c)
		}
		sum, err := c.Digest(pairCell)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := digest(nil)
	write("unrelated", "x")
	if digest(nil) != first {
		t.Error("it changes with nothing")
	}
	seen := map[string]string{first: "nothing"}
	note := func(what, sum string) {
		t.Helper()
		if other, ok := seen[sum]; ok {
			t.Errorf("the digest is the same with another %s as with %s", what, other)
		}
		seen[sum] = what
	}
	note("seed", digest(func(c *Child) { c.Seed = 2 }))
	note("flag", digest(func(c *Child) { c.Args = []string{"--focus", "es"} }))
	write("known.yaml", "[ ]")
	note("file of expected failures", digest(nil))
	write("input2.txt", "2")
	note("input", digest(nil))
	write("kit", "another")
	note("kit", digest(nil))
	write("tck.yaml", strings.Replace(string(declared), "./go", "./going", 1))
	note("command", digest(nil))
	if err := os.Remove(filepath.Join(dir, "known.yaml")); err != nil {
		t.Fatal(err)
	}
	file, err := config.Read(filepath.Join(dir, "tck.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Child{Program: filepath.Join(dir, "kit"), File: file}).Digest(pairCell); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that the file is missing", err)
	}
}

// An image that is not there is an error, unless the run may fetch it: then it counts as another one once it is there.
func TestDigestOfAnImage(t *testing.T) {
	for _, tt := range []struct {
		name, pull string
		fails      bool
	}{{"fetched", "true", false}, {"local", "false", true}} {
		t.Run(tt.name, func(t *testing.T) {
			file, err := config.Parse("tck.yaml", []byte("version: 1\nproxies: {mine: {image: mine, pull: "+tt.pull+"}}\n"))
			if err != nil {
				t.Fatal(err)
			}
			missing := errors.New("no such image")
			c := Child{Program: "testdata/tck.yaml", File: file, Image: func(string) (string, error) { return "", missing }}
			before, err := c.Digest(Cell{Labels: Labels{Proxy: "mine"}})
			if errors.Is(err, missing) != tt.fails {
				t.Errorf("before it is there: %v", err)
			}
			c.Image = func(string) (string, error) { return "sha256:1", nil }
			if after, err := c.Digest(Cell{Labels: Labels{Proxy: "mine"}}); err != nil || after == before {
				t.Errorf("once it is there: the same, %v", err)
			}
		})
	}
}
