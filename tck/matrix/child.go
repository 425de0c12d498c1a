package matrix

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/config"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// Child judges each cell by a run of the kit in a process of its own.
type Child struct {
	// Program is the kit; Args follow it in each cell, such as --focus.
	Program string
	Args    []string
	File    *config.File
	Seed    int64
	// Patience is how long a kit may take to end its targets when it is interrupted; 0 means 30 s.
	Patience time.Duration
	// Clean, when set, is told the value of [target.CellMarker] in a cell that has ended, and removes what the cell left behind in containers.
	Clean func(cell string)
	// Image, when set, returns an id of a container image that changes with its content.
	Image func(name string) (string, error)
}

const (
	// maxConsole bounds what is kept of what a cell's kit writes.
	maxConsole = 4 << 20
	// endPatience is the default of [Child.Patience]; a kit gives each target up to ten seconds.
	endPatience = 30 * time.Second
	// maxReport bounds a report that is read, in bytes, as package report does: what is taken here can be shown.
	maxReport = 128 << 20
)

// command returns the arguments that judge cell. The first words stand for the kit.
func (c Child) command(cell Cell, dir string) []string {
	args := []string{"run", "--config", c.File.Path}
	for _, label := range []struct{ flag, value string }{
		{"--proxy", cell.Labels.Proxy}, {"--frontend", cell.Labels.Frontend}, {"--store", cell.Labels.Store},
	} {
		if label.value != "" {
			args = append(args, label.flag, label.value)
		}
	}
	for _, kind := range cell.Suites {
		args = append(args, "--suite", string(kind))
	}
	args = append(args, "--seed", strconv.FormatInt(c.Seed, 10), "--out", dir)
	if environment, ok := c.File.Environment(cell.Labels.Environment); ok {
		args = append(append(args, "--environment", environment.Kind), environment.Flags...)
	}
	return append(args, c.Args...)
}

// Judge implements [Judge]. A kit that does not end in time is interrupted, so that it ends its targets, and killed when that takes too long; what it has
// started is killed then.
func (c Child) Judge(ctx context.Context, cell Cell, dir string) Outcome {
	args := c.command(cell, dir)
	outcome := Outcome{State: Error, Command: append([]string{filepath.Base(c.Program)}, args...)}
	console, err := os.Create(filepath.Join(dir, "console.txt"))
	if err != nil {
		outcome.Reason = err.Error()
		return outcome
	}
	outcome.Console = filepath.Join(cellsDir, cell.Name, "console.txt")
	cellID := rand.Text()
	marker := target.CellMarker + "=" + cellID
	limit := c.File.Matrix.CellTimeout
	limited, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	run := exec.CommandContext(limited, c.Program, args...) //nolint:gosec // the kit itself
	run.Env = append(os.Environ(), marker)
	run.Stdout = &bounded{to: console, left: maxConsole}
	run.Stderr = run.Stdout
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C comes once, from us
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = cmp.Or(c.Patience, endPatience)
	err = run.Run()
	target.EndStrays(marker)
	if c.Clean != nil {
		c.Clean(cellID)
	}
	if closed := console.Close(); err == nil {
		err = closed
	}
	c.read(cell, dir, &outcome)
	c.settle(ctx, limited, err, &outcome)
	if outcome.State == Error {
		outcome.Verdict = ""
		if outcome.Reason == "" {
			outcome.Reason = lastLine(filepath.Join(dir, "console.txt"))
		}
	}
	return outcome
}

var errLate = errors.New("it did not end in time")

// read takes over what the cell's report says.
func (c Child) read(cell Cell, dir string, outcome *Outcome) {
	path := filepath.Join(dir, "report.json")
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	var report verdict.Report
	if err := json.NewDecoder(io.LimitReader(file, maxReport)).Decode(&report); err != nil {
		outcome.Reason = fmt.Sprintf("%s cannot be read: %v", path, err)
		return
	}
	outcome.Report = filepath.Join(cellsDir, cell.Name, "report.json")
	outcome.Verdict, outcome.Cases = report.Summary.Conclusion, &report.Summary.Cases
	if len(report.Summary.Problems) > 0 {
		outcome.Reason = oneLine(report.Summary.Problems[0])
	}
}

// oneLine makes a line of a text, as long as a reason may be.
func oneLine(text string) string {
	const longest = 400
	words := []rune(strings.Join(strings.Fields(text), " "))
	if len(words) > longest {
		return string(words[:longest]) + " …"
	}
	return string(words)
}

// settle decides the state by how the kit ended.
func (c Child) settle(ctx, limited context.Context, err error, outcome *Outcome) {
	var exit *exec.ExitError
	judged := outcome.Cases != nil && outcome.Cases.Passed+outcome.Cases.Failed+outcome.Cases.Flaky > 0
	switch {
	case ctx.Err() != nil:
		outcome.State, outcome.Verdict, outcome.Reason = NotRun, "", "the matrix was interrupted"
	case limited.Err() != nil:
		outcome.Reason = fmt.Sprintf("%v, %s: see its console; cell_timeout in the matrix of %s allows more", context.Cause(limited), c.File.Matrix.CellTimeout, c.File.Path)
	case err != nil && !errors.As(err, &exit):
		outcome.Reason = err.Error()
	case exit != nil && !exit.Exited():
		outcome.Reason = "the kit was ended: " + exit.String()
	case judged:
		outcome.State = Done
	}
}

// lastLine returns the last line of a file, for a reason.
func lastLine(path string) string {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return oneLine(lines[len(lines)-1])
}

// bounded writes what fits and throws the rest away.
type bounded struct {
	to   io.Writer
	left int
}

// Write implements io.Writer; it tells that all was written.
func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	if n > 0 {
		if _, err := b.to.Write(p[:n]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
