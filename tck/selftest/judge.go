package selftest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// judgement is what a report of the TCK says, as far as it matters here.
type judgement struct {
	Cases []judged `json:"cases"`
}

// judged is one case of a report.
type judged struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Failure *struct {
		Requirement string `json:"requirement"`
	} `json:"failure"`
	Logs []string `json:"logs"`
}

// The verdicts, as the report's schema names them.
const (
	passed        = "passed"
	failed        = "failed"
	notApplicable = "not_applicable"
)

// kit starts cloudstate-tck.
type kit struct {
	program string
	seed    uint64
}

// list returns all cases of the TCK.
func (k kit) list(ctx context.Context) ([]Case, error) {
	out, err := exec.CommandContext(ctx, k.program, "list", "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("cloudstate-tck list: %w", err)
	}
	var list struct {
		Cases []Case `json:"cases"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("cloudstate-tck list: %w", err)
	}
	return list.Cases, nil
}

// command has the kit run or fuzz programs; it returns what the kit said, and its exit status. The error is that it did not come to an end of its own.
func (k kit) command(ctx context.Context, name string, place storage, programs map[Target]program, more ...string) (said []byte, status int, err error) {
	args := []string{name, "--seed", strconv.FormatUint(k.seed, 10), "--start-timeout", "30s"}
	for _, target := range []Target{Proxy, Frontend} {
		if p, ok := programs[target]; ok {
			args = append(args, "--"+string(target), p.target())
		}
	}
	if _, ok := programs[Proxy]; ok {
		args = append(args, "--store", place.name)
	}
	cmd := exec.CommandContext(ctx, k.program, slices.Concat(args, place.flags, more)...)
	cmd.Env = append(os.Environ(), place.env...)
	// Its way of ending is orderly: it takes the program that it judges with it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	said, err = cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return said, 0, fmt.Errorf("cloudstate-tck %s: %w", name, err)
	}
	return said, cmd.ProcessState.ExitCode(), nil
}

// run judges the programs by the cases and returns the report, which is left in dir. That they do not conform is no error.
func (k kit) run(ctx context.Context, place storage, programs map[Target]program, dir string, cases []string) (*judgement, error) {
	// What an earlier run left would pass for this one's.
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("the folder of a report: %w", err)
	}
	said, _, err := k.command(ctx, "run", place, programs, "--focus", strings.Join(cases, ","), "--out", dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		return nil, fmt.Errorf("cloudstate-tck run left no report: %w\n%s", err, said)
	}
	report := &judgement{}
	if err := json.Unmarshal(text, report); err != nil {
		return nil, fmt.Errorf("cloudstate-tck's report: %w", err)
	}
	return report, nil
}

// fuzz holds made-up conversations with a program, as many as the kit does by default, and tells whether it found a fault that it could make
// happen again. What it found is left in dir, with what it said.
func (k kit) fuzz(ctx context.Context, place storage, programs map[Target]program, dir string) (found bool, err error) {
	said, status, err := k.command(ctx, "fuzz", place, programs, "--max-failures", "1", "--shrink", "10s", "--out", filepath.Join(dir, "fuzz"))
	if err == nil && status != 0 && status != 1 {
		err = fmt.Errorf("cloudstate-tck fuzz: exit status %d", status)
	}
	if err != nil {
		return false, fmt.Errorf("%w\n%s", err, said)
	}
	return status == 1 && strings.Contains(string(said), "--replay"), os.WriteFile(filepath.Join(dir, "fuzz.txt"), said, 0o600)
}

// Status is what became of a mutant.
type Status string

// The statuses. Only Killed and Elsewhere are good.
const (
	// Killed: every mapped case failed, and the sample passed.
	Killed Status = "killed"
	// Survived: a mapped case did not fail.
	Survived Status = "survived"
	// Noisy: the mutant was caught, but broke cases of the sample, or was judged with cases in error.
	Noisy Status = "noisy"
	// Broken: the mutant could not be built or judged, or it crashed: then what the cases say is about the crash, and by chance.
	Broken Status = "broken"
	// Elsewhere: no case can catch it; it was built, and another test catches it.
	Elsewhere Status = "elsewhere"
)

// decide says what became of a mutant by the report of its run. caught are the mapped cases that failed; each of them names the
// requirement that it is mapped to, so that its failure breaks that.
func decide(m Mutant, sampled []string, report *judgement) (status Status, caught []string, detail string) {
	byID := index(report)
	if line := report.crash(); line != "" {
		return Broken, nil, "the mutated program crashed: " + line
	}
	var missed, noise []string
	for _, id := range m.AllCases() {
		if c := byID[id]; c.Verdict == failed {
			caught = append(caught, id)
		} else {
			missed = append(missed, c.describe(id))
		}
	}
	for _, id := range sampled {
		if c := byID[id]; c.Verdict != passed && c.Verdict != notApplicable {
			noise = append(noise, c.describe(id))
		}
	}
	switch {
	case len(missed) > 0:
		return Survived, caught, "did not fail: " + strings.Join(missed, "; ")
	case len(noise) > 0:
		return Noisy, caught, "broke cases of the sample: " + strings.Join(noise, "; ")
	}
	return Killed, caught, ""
}

// crash returns the line with which the Go runtime ended the judged program, "" when it did not.
func (j *judgement) crash() string {
	for _, c := range j.Cases {
		for _, line := range c.Logs {
			if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
				return line
			}
		}
	}
	return ""
}

func index(report *judgement) map[string]judged {
	byID := map[string]judged{}
	for _, c := range report.Cases {
		byID[c.ID] = c
	}
	return byID
}

// describe tells of a case what was said of it.
func (c judged) describe(id string) string {
	text := id + " (" + c.Verdict
	if c.Verdict == "" {
		text = id + " (not in the report"
	}
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	if c.Failure != nil {
		text += ": " + c.Failure.Requirement
	}
	return text + ")"
}
