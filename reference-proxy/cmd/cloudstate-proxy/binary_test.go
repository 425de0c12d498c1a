package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the real program, built once for all tests that need a process of its own.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cloudstate-proxy-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cloudstate-proxy")
	return path, build(path, os.Getenv("CLOUDSTATE_TEST_OVERLAY"))
})

// build makes the program at path. A mutant of the proxy is built with an overlay (see go help build); "" is none.
func build(path, overlay string) error {
	args := []string{"build", "-o", path}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the proxy: %w\n%s", err, out)
	}
	return nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is one running proxy.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	output *lockedBuffer
	client string // address for clients
	probes string
	exited chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// ports takes n free ports of the loopback address. They are free again at once, so a test that loses one to
// somebody else fails loudly at start.
func ports(t testing.TB, n int) []int {
	t.Helper()
	var found []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() //nolint:revive,gocritic // all are held until the last is found, so that each is another one
		found = append(found, l.Addr().(*net.TCPAddr).Port)
	}
	return found
}

// launch starts the proxy on fixed ports and does not wait for anything.
func launch(t testing.TB, client, management, function int, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return launchProgram(t, path, client, management, function, args...)
}

// launchProgram is launch for a build of the proxy that is not the usual one.
func launchProgram(t testing.TB, path string, client, management, function int, args ...string) *process {
	t.Helper()
	p := &process{
		t: t, output: &lockedBuffer{}, exited: make(chan struct{}),
		client: "127.0.0.1:" + strconv.Itoa(client), probes: "127.0.0.1:" + strconv.Itoa(management),
	}
	p.cmd = exec.Command(path, append([]string{
		"--http-host", "127.0.0.1", "--http-port", strconv.Itoa(client),
		"--management-host", "127.0.0.1", "--management-port", strconv.Itoa(management),
		"--user-function-port", strconv.Itoa(function),
	}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.exited) }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the proxy said:\n%s", p.output)
		}
	})
	return p
}

// ready waits until the proxy says so.
func (p *process) ready() {
	p.t.Helper()
	if err := p.awaitReady(60 * time.Second); err != nil {
		p.t.Fatalf("%v; it said:\n%s", err, p.output)
	}
}

func (p *process) awaitReady(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.probe("/ready") == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return fmt.Errorf("the proxy ended with %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("the proxy was not ready within %v", limit)
		}
	}
}

// probe asks the management port; 0 when nobody answers.
func (p *process) probe(path string) int {
	res, err := http.Get("http://" + p.probes + path)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// kill ends it as a power switch would, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// terminate asks it to end and gives its exit status.
func (p *process) terminate() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		p.t.Fatalf("the proxy did not end within 30 s of SIGTERM; it said:\n%s", p.output)
		return -1
	}
}
