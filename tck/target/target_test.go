package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	for _, tt := range []struct{ role, text, want string }{
		{"proxy", "builtin:reference", ""},
		{"frontend", "builtin:go", ""},
		{"frontend", "exec: java -jar x.jar --port=$PORT", ""},
		{"frontend", "addr:127.0.0.1:8080", ""},
		{"frontend", "addr:[::1]:8080", ""},
		{"proxy", "builtin:go", "no such built-in proxy; there is reference"},
		{"frontend", "image:cloudstate/java-function:local", ""},
		{"frontend", "dockerfile:my/Dockerfile", ""},
		{"store", "builtin:memory", ""},
		{"proxy", "reference", "write builtin:reference, exec:<command line>, addr:<host:port>, image:<name> or dockerfile:<path>"},
		{"proxy", "images:x", "write builtin:reference"},
		{"proxy", "exec: ", "nothing follows the exec:"},
		{"frontend", "addr:8080", "addr:127.0.0.1:8080"},
		{"frontend", "addr::8080", "the host is missing"},
		{"frontend", "addr:localhost:http", "number from 1 to 65535"},
		{"frontend", "addr:localhost:70000", "number from 1 to 65535"},
	} {
		ref, err := Parse(Role(tt.role), tt.text)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !errors.Is(err, ErrRef)) {
			t.Errorf("%s %q: %v, want %q", tt.role, tt.text, err, tt.want)
		}
		if err == nil && (ref.IsZero() || ref.Starts() == (ref.Scheme == Addr)) {
			t.Errorf("%q: %+v", tt.text, ref)
		}
	}
}

func TestProgramThatIsNotBuilt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Chdir(t.TempDir())
	_, err := New(Config{Ref: Ref{Role: Proxy, Scheme: Builtin, Value: "reference"}})
	if !errors.Is(err, ErrNotBuilt) || !strings.Contains(err.Error(), "make build") {
		t.Errorf("%v, want ErrNotBuilt with the remedy", err)
	}
	if err := os.Mkdir("bin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("bin", "cloudstate-proxy"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Ref: Ref{Role: Proxy, Scheme: Builtin, Value: "reference"}}); err != nil {
		t.Errorf("a program in ./bin is not found: %v", err)
	}
}

// shell returns a process that runs a script.
func shell(t *testing.T, script string, probe func() Probe, env ...string) *Process {
	t.Helper()
	p, err := New(Config{Ref: Ref{Role: Proxy, Scheme: Exec, Value: script}, Env: env, Probe: probe})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		p.Close(ctx)
	})
	return p
}

// said is ready when the process has written line.
func said(p **Process, line string) func() Probe {
	return func() Probe {
		return func(context.Context) error {
			if slices.Contains((*p).Logs(0), line) {
				return nil
			}
			return fmt.Errorf("it has not said %q", line)
		}
	}
}

func TestLifeOfAProcess(t *testing.T) {
	var p *Process
	p = shell(t, `trap 'echo bye; exit 4' TERM; echo "hello $NAME"; while :; do sleep 0.05; done`, said(&p, "hello two"), "NAME=one")
	ctx := t.Context()
	if _, err := p.Stop(ctx); !errors.Is(err, ErrNotRunning) {
		t.Errorf("stopping what never ran: %v", err)
	}
	if p.Running() {
		t.Error("runs before it was started")
	}
	if err := p.Start(ctx, "NAME=two"); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(ctx); !errors.Is(err, ErrRunning) {
		t.Errorf("a second start: %v", err)
	}
	status, err := p.Stop(ctx)
	if err != nil || status != 4 || !slices.Contains(p.Logs(0), "bye") {
		t.Errorf("status %d, %v, logs %v; want 4 and the last words", status, err, p.Logs(0))
	}
	if _, crashed := p.Crash(); crashed {
		t.Error("a stop that was asked for counts as a crash")
	}
	if err := p.Start(ctx, "NAME=two"); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if p.Running() {
		t.Error("runs after SIGKILL")
	}
}

func TestKillReachesTheWholeGroup(t *testing.T) {
	p := shell(t, `sleep 1000 & echo "child $!"; wait`, nil)
	ctx := t.Context()
	if err := p.Launch(ctx); err != nil {
		t.Fatal(err)
	}
	child := 0
	if err := Await(ctx, func(context.Context) error {
		_, err := fmt.Sscanf(strings.Join(p.Logs(0), "\n"), "child %d", &child)
		return err
	}, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := Await(ctx, func(context.Context) error {
		return ended(child)
	}, nil); err != nil {
		t.Error(err)
	}
}

func TestCrash(t *testing.T) {
	p := shell(t, `echo "out of luck" >&2; exit 9`, nil)
	if err := p.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	text, crashed := p.Crash()
	if !crashed || !strings.Contains(text, "exit status 9") || !strings.Contains(text, "out of luck") {
		t.Errorf("%v %q, want a crash with status and last lines", crashed, text)
	}
}

func TestReadyFailsWhenTheProcessExits(t *testing.T) {
	never := func() Probe { return func(context.Context) error { return errors.New("no") } }
	p := shell(t, `echo "bad setting"; exit 2`, never)
	err := p.Start(t.Context())
	if !errors.Is(err, ErrExited) || !strings.Contains(err.Error(), "bad setting") {
		t.Errorf("%v, want ErrExited with the last lines", err)
	}
	slow := shell(t, `sleep 1000`, never)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := slow.Start(ctx); err == nil || !strings.Contains(err.Error(), "not ready in time: no") {
		t.Errorf("%v, want the probe's last reason", err)
	}
}

func TestLogsAreBounded(t *testing.T) {
	var l Logs
	for i := range maxLines + 5 {
		fmt.Fprintf(&l, "line %d\n", i)
	}
	fmt.Fprint(&l, strings.Repeat("x", 3*maxLine))
	fmt.Fprint(&l, "y\nunfinished")
	all := l.Last(0)
	if len(all) != maxLines+1 {
		t.Errorf("%d lines, want %d and the unfinished one", len(all), maxLines)
	}
	if all[0] != "line 6" {
		t.Errorf("the oldest is %q, want line 6", all[0])
	}
	if long := all[len(all)-2]; len(long) > maxLine+5 || !strings.HasSuffix(long, " …") {
		t.Errorf("a long line has %d bytes and ends in %q", len(long), long[len(long)-4:])
	}
	if got := l.Last(1); !slices.Equal(got, []string{"unfinished"}) {
		t.Errorf("the last line is %q", got)
	}
}

func TestFreePortIsFreeAndLow(t *testing.T) {
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	if port < lowestPort || port >= highestPort {
		t.Errorf("port %d", port)
	}
	l, err := net.Listen("tcp", Loopback(port))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestRemoteRefuses(t *testing.T) {
	r := &Remote{Ref: Ref{Role: Proxy, Scheme: Addr, Value: "127.0.0.1:1"}, Probe: func(context.Context) error { return nil }}
	for name, err := range map[string]error{
		"start": r.Start(t.Context()), "launch": r.Launch(t.Context()), "signal": r.Signal(), "kill": r.Kill(t.Context()),
	} {
		if !errors.Is(err, ErrNotControlled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Ready(t.Context()); err != nil || r.Controlled() || !r.Running() {
		t.Errorf("ready %v, controlled %v, running %v", err, r.Controlled(), r.Running())
	}
}

func TestChangedSeesARestart(t *testing.T) {
	serve := func(addr string) (*grpc.Server, string) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		go func() { _ = s.Serve(l) }()
		return s, l.Addr().String()
	}
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	first, addr := serve(Loopback(port))
	changed := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { changed <- Changed(ctx, Ref{Role: Frontend, Scheme: Addr, Value: addr}) }()
	// A stop before the watcher has connected goes unnoticed, so restart until it sees one.
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	server := first
	for {
		select {
		case err := <-changed:
			server.Stop()
			if err != nil {
				t.Error(err)
			}
			return
		case <-ticker.C:
			server.Stop()
			server, _ = serve(addr)
		}
	}
}

func TestChangedSeesARebuild(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	program := filepath.Join("bin", "cloudstate-proxy")
	if err := os.Mkdir("bin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	changed := make(chan error, 1)
	go func() { changed <- Changed(t.Context(), Ref{Role: Proxy, Scheme: Builtin, Value: "reference"}) }()
	ticker := time.NewTicker(2 * time.Second) // longer than a program must stay the same
	defer ticker.Stop()
	for size := 1; ; size++ {
		select {
		case err := <-changed:
			if err != nil {
				t.Error(err)
			}
			return
		case <-ticker.C:
			if err := os.WriteFile(program, make([]byte, size), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestChangedRefusesExec(t *testing.T) {
	if err := Changed(t.Context(), Ref{Role: Proxy, Scheme: Exec, Value: "true"}); !errors.Is(err, ErrNotControlled) {
		t.Errorf("%v", err)
	}
}

// ended tells whether a process is gone, or a zombie that nobody reaps.
func ended(pid int) error {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || strings.Contains(string(state), ") Z ") {
		return nil //nolint:nilerr // no such process
	}
	return fmt.Errorf("process %d lives on", pid)
}

// What a target started and took out of its process group ends with it, and its temporary files are gone.
func TestCloseEndsWhatWasLeftBehind(t *testing.T) {
	p := shell(t, `setsid sleep 1000 & sleep 1000 & touch "$TMPDIR/file"; echo "child $! $TMPDIR"; trap 'exit 0' TERM; wait`, nil)
	ctx := t.Context()
	if err := p.Launch(ctx); err != nil {
		t.Fatal(err)
	}
	child := 0
	var temp string
	if err := Await(ctx, func(context.Context) error {
		_, err := fmt.Sscanf(strings.Join(p.Logs(0), "\n"), "child %d %s", &child, &temp)
		return err
	}, nil); err != nil {
		t.Fatal(err)
	}
	stray := 0
	if err := Await(ctx, func(context.Context) error {
		for _, pid := range marked(p.marker) {
			if group, err := syscall.Getpgid(pid); err == nil && group == pid && pid != p.ID() {
				stray = pid
				return nil
			}
		}
		return errors.New("the child has not left the group")
	}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(temp, "file")); err != nil {
		t.Error(err)
	}
	p.Close(ctx)
	for _, pid := range []int{child, stray} {
		if err := Await(ctx, func(context.Context) error { return ended(pid) }, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary directory is still there: %v", err)
	}
}

// A target that could not be started leaves no directory behind.
func TestCloseAfterAFailedLaunch(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	p, err := New(Config{Ref: Ref{Role: Proxy, Scheme: Exec, Value: "true", Options: &Options{Dir: filepath.Join(temporary, "missing")}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Launch(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("launched where there is no directory: %v", err)
	}
	p.Close(t.Context())
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// A target that does not heed SIGTERM is killed when the patience of whoever closes it ends.
func TestCloseEndsWhatHangs(t *testing.T) {
	p := shell(t, `trap '' TERM; echo ready; while :; do sleep 1000; done`, nil)
	if err := p.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Await(t.Context(), func(context.Context) error {
		if !slices.Contains(p.Logs(0), "ready") {
			return errors.New("not yet")
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	p.Close(ctx)
	if p.Running() {
		t.Error("it runs after Close")
	}
}

// A target that writes without end costs no more memory than what is kept, and is none the slower to end.
func TestFloodOfLogs(t *testing.T) {
	p := shell(t, `yes "$(head -c 8192 /dev/zero | tr '\0' x)"`, nil)
	if err := p.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Await(t.Context(), func(context.Context) error {
		if len(p.Logs(0)) < maxLines {
			return errors.New("not yet full")
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, line := range p.Logs(0) {
		size += len(line)
	}
	if limit := (maxLines + 2) * (maxLine + 5); size > limit {
		t.Errorf("%d bytes are kept, want at most %d", size, limit)
	}
}
