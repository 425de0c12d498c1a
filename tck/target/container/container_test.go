//go:build docker

// These tests want a Docker engine; `make test-containers` starts one.
package container

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The engine's client keeps its connections for the next call.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// dockerfile returns a target that is built from scratch and the program of testdata.
func dockerfile(t *testing.T, options target.Options, arguments ...string) target.Ref {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "program"), "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatal(err, string(said))
	}
	text := "FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\nEXPOSE 8080 9999\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	options.Command, options.Dir = arguments, dir
	return target.Ref{Role: target.Proxy, Scheme: target.Dockerfile, Value: "Dockerfile", Options: &options}
}

// made returns a container that ends with the test.
func made(t *testing.T, config Config) *Container {
	t.Helper()
	t.Setenv(target.CellMarker, t.Name())
	c, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c.Close(ctx)
		if n, err := Remove(ctx, t.Name()); n != 0 || err != nil {
			t.Errorf("%d containers are left behind, %v", n, err)
		}
	})
	return c
}

// within ends what takes too long.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestLife(t *testing.T) {
	published, err := target.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	var c *Container
	c = made(t, Config{
		Ref: dockerfile(t, target.Options{}, "serve"), Env: []string{"NAME=one"}, Published: map[int]int{8080: published}, Data: data, DataInside: "/data",
		Probe: func() target.Probe { return target.Listening(c, target.Loopback(published)) },
	})
	ctx := within(t)
	if _, err := c.Stop(ctx); !errors.Is(err, target.ErrNotRunning) || c.Running() {
		t.Errorf("before the start: %v", err)
	}
	for _, name := range []string{"one", "two"} {
		if err := c.Start(ctx, "NAME="+name); err != nil {
			t.Fatal(err)
		}
		if err := c.Launch(ctx); !errors.Is(err, target.ErrRunning) {
			t.Errorf("a second launch: %v", err)
		}
		if direct := c.Direct(target.Loopback(published)); direct != c.Address()+":8080" || c.Direct("127.0.0.1:1") != "127.0.0.1:1" {
			t.Errorf("direct %q, address %q", direct, c.Address())
		}
		conn, err := net.Dial("tcp", target.Loopback(published))
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "hello\n" {
			t.Errorf("%q %v", line, err)
		}
		_ = conn.Close()
		if err := c.Succeeds(ctx, []string{"/program", "yes"}); err != nil {
			t.Error(err)
		}
		if err := c.Succeeds(ctx, []string{"/program", "no"}); err == nil || !strings.Contains(err.Error(), "exit status 3; it said: no, thanks") {
			t.Errorf("%v", err)
		}
		if exit, err := c.Stop(ctx); exit != 4 || err != nil || c.Said() != "serving "+name+"\nbye\n[kit] the container has ended: exit status 4" {
			t.Errorf("exit %d, %v, said %q", exit, err, c.Said())
		}
		if text, crashed := c.Crash(); crashed {
			t.Errorf("a stop that was asked for is a crash: %s", text)
		}
	}
	if launches, err := os.ReadFile(filepath.Join(data, "launches")); err != nil || string(launches) != "one\ntwo\n" {
		t.Errorf("the data directory has %q, %v", launches, err)
	}
}

func TestCrash(t *testing.T) {
	c := made(t, Config{Ref: dockerfile(t, target.Options{}, "crash"), Probe: func() target.Probe {
		return func(context.Context) error { return errors.New("no") }
	}})
	if err := c.Start(within(t)); !errors.Is(err, target.ErrExited) || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("%v", err)
	}
	if text, crashed := c.Crash(); !crashed || !strings.Contains(text, "exit status 9") || !strings.Contains(text, "out of luck") {
		t.Errorf("%v %q", crashed, text)
	}
}

func TestHang(t *testing.T) {
	c := made(t, Config{Ref: dockerfile(t, target.Options{}, "hang")})
	if err := c.Launch(within(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c.Close(ctx)
	if c.Running() {
		t.Error("it runs after Close")
	}
}

// What a target takes is limited, and it alone suffers.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		argument string
		options  target.Options
		said     []string
		ends     bool
	}{
		{"eat", target.Options{Limits: target.Limits{Memory: 64 << 20}}, []string{"exit status 137, killed for want of memory"}, true},
		{"fill", target.Options{Limits: target.Limits{Disk: 4 << 20}, Writable: []string{"/scratch"}}, []string{"filled after 4 MiB: write /scratch/file: no space left on device", "elsewhere: open /elsewhere: read-only file system"}, true},
		{"fork", target.Options{Limits: target.Limits{Pids: 100}}, []string{"resource temporarily unavailable"}, false},
		{"flood", target.Options{Limits: target.Limits{CPUs: 0.5}}, []string{"xxxxxxxx"}, false},
	} {
		t.Run(tt.argument, func(t *testing.T) {
			c := made(t, Config{Ref: dockerfile(t, tt.options, tt.argument)})
			ctx := within(t)
			if err := c.Launch(ctx); err != nil {
				t.Fatal(err)
			}
			if tt.ends {
				if _, err := c.Wait(ctx); err != nil {
					t.Fatal(err)
				}
			}
			for _, want := range tt.said {
				said := func(context.Context) error {
					if !strings.Contains(c.Said(), want) {
						return errors.New("it has not said " + want)
					}
					return nil
				}
				if err := target.Await(ctx, said, nil); err != nil {
					t.Errorf("%v; it said %q", err, c.Logs(20))
				}
			}
		})
	}
}

func TestImagesThatAreNotThere(t *testing.T) {
	ctx := within(t)
	ref := target.Ref{Role: target.Proxy, Scheme: target.Image, Value: "cloudstate/nothing-of-this-name:local"}
	if _, err := New(ctx, Config{Ref: ref}); !errors.Is(err, ErrNoImage) {
		t.Errorf("%v, want ErrNoImage", err)
	}
	if _, err := Image(ctx, ref.Value); !errors.Is(err, ErrNoImage) {
		t.Errorf("%v, want ErrNoImage", err)
	}
	ref = target.Ref{Role: target.Proxy, Scheme: target.Dockerfile, Value: "nothing/Dockerfile"}
	if _, err := New(ctx, Config{Ref: ref}); err == nil {
		t.Error("a Dockerfile that is not there is built")
	}
	outside := target.Ref{Role: target.Proxy, Scheme: target.Dockerfile, Value: "a/Dockerfile", Options: &target.Options{Context: "b"}}
	if _, err := New(ctx, Config{Ref: outside}); err == nil || !strings.Contains(err.Error(), "is not in its context") {
		t.Errorf("%v", err)
	}
}

// What a kit that was killed has left behind is found by its cell.
func TestRemove(t *testing.T) {
	t.Setenv(target.CellMarker, "left-behind")
	c, err := New(within(t), Config{Ref: dockerfile(t, target.Options{}, "hang")})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Launch(within(t)); err != nil {
		t.Fatal(err)
	}
	if n, err := Remove(within(t), "left-behind"); n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	<-c.Exited()
	if n, err := Remove(within(t), "left-behind"); n != 0 || err != nil {
		t.Errorf("%d removed the second time, %v", n, err)
	}
}

func TestGateway(t *testing.T) {
	gateway, err := Gateway(within(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		t.Fatalf("%s is not this machine's: %v", gateway, err)
	}
	_ = listener.Close()
}

func TestTags(t *testing.T) {
	long := tag("/" + strings.Repeat("a/", 200))
	if len(long) > 128 || strings.ContainsAny(long, "/") || tag("/a/b") != "a_b" {
		t.Errorf("%q, %q", long, tag("/a/b"))
	}
	if labels := ours(); !slices.Contains([]string{""}, labels[label]) {
		t.Errorf("labels %v outside of a cell", labels)
	}
}
