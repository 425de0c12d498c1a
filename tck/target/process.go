package target

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Errors that callers tell apart.
var (
	// ErrNotControlled: the target is an address; the kit did not start it and cannot stop it.
	ErrNotControlled = errors.New("the kit did not start this target and cannot start or stop it")
	// ErrRunning: a start was asked for while the process runs.
	ErrRunning = errors.New("the target runs already")
	// ErrNotRunning: there is no process to await, signal or stop.
	ErrNotRunning = errors.New("the target does not run")
	// ErrExited: the process ended before it became ready.
	ErrExited = errors.New("the target exited before it was ready")
)

// pollEvery is how often readiness is probed.
const pollEvery = 20 * time.Millisecond

// Probe tells whether a target is ready: nil when it is, otherwise why not yet.
type Probe func(ctx context.Context) error

// Config says how a process is started.
type Config struct {
	// Ref is what to start; its scheme must be builtin or exec.
	Ref Ref
	// Env is added to this process's own environment, as NAME=value; later entries win.
	Env []string
	// Probe is called at each launch, and the probe that it returns is asked until the target is ready. So a probe can tell this
	// launch's signs of readiness from those of an earlier one.
	Probe func() Probe
}

// Process is a target that the kit starts. Its methods are safe for concurrent use.
type Process struct {
	config Config
	argv   []string
	logs   Logs

	marker string // in the environment of all that this target starts

	mu     sync.Mutex
	cmd    *exec.Cmd
	temp   string        // the directory for temporary files, once launched
	exited chan struct{} // of the process that runs or ran last
	asked  bool          // its end was asked for
	probe  Probe
}

// New returns a process that is not started yet. The error says when the program cannot be found.
func New(config Config) (*Process, error) {
	args, err := argv(config.Ref)
	if err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	close(gone)
	return &Process{config: config, argv: args, marker: "CLOUDSTATE_TCK_TARGET=" + rand.Text(), exited: gone}, nil
}

// Controlled returns true.
func (p *Process) Controlled() bool { return true }

// Start launches the target and waits until it is ready.
func (p *Process) Start(ctx context.Context, env ...string) error {
	if err := p.Launch(ctx, env...); err != nil {
		return err
	}
	return p.Ready(ctx)
}

// Launch starts the target and returns at once. env adds to or overrides the configured environment.
func (p *Process) Launch(_ context.Context, env ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.exited:
	default:
		return fmt.Errorf("%s: %w", p.config.Ref, ErrRunning)
	}
	if p.temp == "" {
		var err error
		if p.temp, err = os.MkdirTemp("", "cloudstate-target-"); err != nil {
			return fmt.Errorf("%s: %w", p.config.Ref, err)
		}
		// A program that gives its rights up, as a database does, must still get at what it has there.
		if err := os.Chmod(p.temp, 0o711); err != nil { //nolint:gosec // others may pass, not look
			return fmt.Errorf("%s: %w", p.config.Ref, err)
		}
	}
	// Not CommandContext: the process outlives the call that starts it, and is ended by its group.
	cmd := exec.Command(p.argv[0], p.argv[1:]...) //nolint:noctx // see above
	cmd.Env = slices.Concat(os.Environ(), []string{p.marker, "TMPDIR=" + p.temp}, p.config.Env, env)
	cmd.Dir = p.config.Ref.Settings().Dir
	cmd.Stdout, cmd.Stderr = &p.logs, &p.logs
	// A group of its own: a signal reaches what a shell started, and a terminal's Ctrl-C does not reach the target before the kit.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A grandchild that keeps the pipes open must not keep the kit waiting.
	cmd.WaitDelay = 2 * time.Second
	p.logs.Mark()
	if p.config.Probe != nil {
		p.probe = p.config.Probe()
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.config.Ref, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited, p.asked = cmd, exited, false
	go func() {
		_ = cmd.Wait() // the exit status is read from cmd.ProcessState
		p.logs.Note("[kit] the process has ended: " + cmd.ProcessState.String())
		close(exited)
	}()
	return nil
}

// Ready waits until the probe succeeds. It fails at once when the process exits, with the last lines that it wrote.
func (p *Process) Ready(ctx context.Context) error {
	p.mu.Lock()
	exited, probe, started := p.exited, p.probe, p.cmd != nil
	p.mu.Unlock()
	if !started {
		return fmt.Errorf("%s: %w", p.config.Ref, ErrNotRunning)
	}
	if probe == nil {
		return nil
	}
	if err := Await(ctx, probe, exited); err != nil {
		return fmt.Errorf("%s: %w%s", p.config.Ref, err, p.logs.Tail(10))
	}
	return nil
}

// Await asks probe until it succeeds, ctx ends, or exited is closed.
func Await(ctx context.Context, probe Probe, exited <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return ErrExited
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %w", err)
		case <-ticker.C:
		}
	}
}

// Signal asks the target for an orderly stop (SIGTERM) and returns at once.
func (p *Process) Signal() error { return p.end(syscall.SIGTERM) }

// Interrupt asks for an orderly stop as a terminal does (SIGINT) and returns at once.
func (p *Process) Interrupt() error { return p.end(syscall.SIGINT) }

// Wait waits for the exit, which then counts as asked for: the caller expects the target to end by itself.
func (p *Process) Wait(ctx context.Context) (int, error) {
	p.mu.Lock()
	started := p.cmd != nil
	p.asked = started
	p.mu.Unlock()
	if !started {
		return 0, fmt.Errorf("%s: %w", p.config.Ref, ErrNotRunning)
	}
	return p.wait(ctx)
}

// Stop asks for an orderly stop and waits for the exit. A process that a signal ended reports 128 + the signal's number.
func (p *Process) Stop(ctx context.Context) (int, error) {
	if err := p.end(syscall.SIGTERM); err != nil {
		return 0, err
	}
	return p.wait(ctx)
}

// Kill ends the target and all that it started at once (SIGKILL) and waits for the exit.
func (p *Process) Kill(ctx context.Context) error {
	if err := p.end(syscall.SIGKILL); err != nil {
		return err
	}
	_, err := p.wait(ctx)
	return err
}

// Close ends the target if it runs: orderly within ctx, by force after that. What it started and left behind, in its group or out of it, is killed, and
// its temporary files are removed.
func (p *Process) Close(ctx context.Context) {
	defer p.clear()
	if _, err := p.Stop(ctx); err == nil || errors.Is(err, ErrNotRunning) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = p.Kill(ctx) // nothing more can be done about a process that survives SIGKILL
}

// clear removes what is left of a process that has ended.
func (p *Process) clear() {
	p.mu.Lock()
	cmd, temp := p.cmd, p.temp
	p.temp = ""
	p.mu.Unlock()
	if cmd != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ESRCH: the group is empty, as it should be
		EndStrays(p.marker)
	}
	_ = os.RemoveAll(temp) // what cannot be removed lies in the system's temporary directory, which is cleaned by others
}

// Said returns what the target wrote since it was launched last, of what is kept.
func (p *Process) Said() string { return strings.Join(p.logs.Since(), "\n") }

// Direct returns address: a process listens on it itself.
func (p *Process) Direct(address string) string { return address }

// Succeeds runs command on this machine, with the target's environment. What it leaves running ends when the target is closed.
func (p *Process) Succeeds(ctx context.Context, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // what whoever runs the kit told it to run
	cmd.Env = slices.Concat(os.Environ(), []string{p.marker}, p.config.Env)
	cmd.Dir = p.config.Ref.Settings().Dir
	cmd.WaitDelay = time.Second
	var said Logs
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%q: %w; it said: %s", command, err, strings.Join(said.Last(10), "\n"))
	}
	return nil
}

func (p *Process) end(signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.exited:
		return fmt.Errorf("%s: %w", p.config.Ref, ErrNotRunning)
	default:
	}
	p.asked = true
	if err := syscall.Kill(-p.cmd.Process.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%s to %s: %w", signal, p.config.Ref, err)
	}
	return nil
}

func (p *Process) wait(ctx context.Context) (int, error) {
	p.mu.Lock()
	exited, cmd := p.exited, p.cmd
	p.mu.Unlock()
	select {
	case <-exited:
		return exitStatus(cmd.ProcessState), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s still runs: %w%s", p.config.Ref, context.Cause(ctx), p.logs.Tail(10))
	}
}

func exitStatus(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// ID returns the process id of the latest launch; 0 before the first.
func (p *Process) ID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Exited returns a channel that is closed when the process that runs now (or ran last) is gone.
func (p *Process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

// Running reports whether the process runs.
func (p *Process) Running() bool {
	select {
	case <-p.Exited():
		return false
	default:
		return true
	}
}

// Crash tells whether the process ended without having been asked to, and how, with the last lines that it wrote.
func (p *Process) Crash() (string, bool) {
	p.mu.Lock()
	cmd, exited, asked := p.cmd, p.exited, p.asked
	p.mu.Unlock()
	if cmd == nil || asked {
		return "", false
	}
	select {
	case <-exited:
	default:
		return "", false
	}
	return fmt.Sprintf("%s ended by itself (%s)%s", p.config.Ref, cmd.ProcessState, p.logs.Tail(20)), true
}

// Logs returns the last n lines that the target wrote, all that are kept when n <= 0.
func (p *Process) Logs(n int) []string { return p.logs.Last(n) }
