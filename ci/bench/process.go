package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startTimeout bounds the wait for a process that will never be ready.
	startTimeout = 30 * time.Second
	// stopTimeout is how long a process may take to end in order.
	stopTimeout = 15 * time.Second
)

// process is one program that takes part. stop must be called once.
type process struct {
	name  string
	addr  string // where it serves
	ready string // where it tells that it is ready; empty if it does not
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	done  chan error
}

// spawn starts a program; its standard error is ours.
func spawn(ctx context.Context, name, path string, env []string, args ...string) (*process, error) {
	p := &process{name: name, done: make(chan error, 1)}
	p.cmd = exec.CommandContext(ctx, path, args...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopTimeout
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(stdout)
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w; build it by `make build`", name, err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// line waits for the next line that the process prints.
func (p *process) line() (string, error) {
	if !p.lines.Scan() {
		return "", fmt.Errorf("%s ended before it was ready: see its message above", p.name)
	}
	return p.lines.Text(), nil
}

// listening waits for the line that says where the process listens.
func (p *process) listening() error {
	text, err := p.line()
	if err != nil {
		return err
	}
	var ok bool
	if p.addr, ok = strings.CutPrefix(text, "listening on "); !ok {
		return fmt.Errorf("%s said %q, expected where it listens", p.name, text)
	}
	return nil
}

// stop ends the process in order, or after a while without.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-p.done:
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() < 0 {
			return nil // ended by the signal
		}
		return err
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill() // it may have ended by now
		return fmt.Errorf("%s did not stop within %v", p.name, stopTimeout)
	}
}

// awaitReady waits until the process says that it is ready.
func (p *process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ready, http.NoBody)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("%s ended before it was ready (%w): see its message above", p.name, err)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %v", p.name, startTimeout)
		case <-time.After(time.Millisecond):
		}
	}
}

// cpu is the processor time that the process has taken.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; utime and stime are the 12th and 13th fields behind it.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks int64
	for _, text := range fields[11:13] {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", p.cmd.Process.Pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil // USER_HZ is 100 on every Linux that Go runs on
}

// resident is the process's resident memory, in bytes.
func (p *process) resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/%d/status tells no VmRSS", p.cmd.Process.Pid)
}
