package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
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

// The ports that tests give to programs come from below the range of which the system takes the local port of outgoing
// connections (32768 and up on Linux): a proxy that starts late, or again, finds its port free, whoever dialled meanwhile.
// The benchmark, the tests of foreign libraries and the TCK, which run at the same time, have ranges of their own.
const (
	lowestPort  = 10000
	highestPort = 14000
)

// lastPort counts on from a random start, so that no port is handed out twice, even one that nobody has bound yet.
var lastPort = func() *atomic.Uint32 {
	var start atomic.Uint32
	start.Store(rand.Uint32N(highestPort - lowestPort))
	return &start
}()

// ports finds n ports of the loopback address that nobody listens on.
func ports(t testing.TB, n int) []int {
	t.Helper()
	var found []int
	for tried := 0; len(found) < n; tried++ {
		if tried == highestPort-lowestPort {
			t.Fatalf("no %d free ports from %d to %d", n, lowestPort, highestPort)
		}
		port := lowestPort + int(lastPort.Add(1)%(highestPort-lowestPort))
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue // somebody has it
		}
		_ = l.Close()
		found = append(found, port)
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
	if err := p.awaitReady(patience); err != nil {
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

// ended tells whether it has ended, by itself or not.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
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
	case <-time.After(patience):
		p.t.Fatalf("the proxy did not end within %v of SIGTERM; it said:\n%s", patience, p.output)
		return -1
	}
}
