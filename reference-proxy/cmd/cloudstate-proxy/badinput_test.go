package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// refused runs the program until it ends by itself, and returns its exit status and what it said on standard error.
func refused(t *testing.T, environ []string, args ...string) (int, string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir, cmd.Stderr = environ, t.TempDir(), &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// TestBadInput starts the program with what it cannot run on. It ends with a status that is not 0 and one line that says
// what is wrong, where, and how to mend it; and it changes nothing in a directory that it refuses.
func TestBadInput(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	busyPort := strconv.Itoa(portOf(t, busy.Addr().String()))

	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	serving := func(args ...string) []string {
		free := ports(t, 2)
		return append([]string{"--http-host=127.0.0.1", "--management-host=127.0.0.1", "--http-port=" + strconv.Itoa(free[0]), "--management-port=" + strconv.Itoa(free[1])}, args...)
	}
	newer := write("newer/FORMAT", "cloudstate-journal 99 ready\n")
	foreign := write("foreign/letters.txt", "dear all\n")
	noVersion := write("damaged/FORMAT", "cloudstate-jour")
	emptied := write("emptied/FORMAT", "cloudstate-journal 1 ready\n") // Pebble's files are gone

	for name, c := range map[string]struct {
		env    []string
		args   []string
		status int
		says   []string
	}{
		"unknown flag":            {nil, []string{"--http-prot=1"}, 2, []string{"--http-prot", "did you mean --http-port"}},
		"no flag at all":          {nil, []string{"9000"}, 2, []string{"9000", "--help"}},
		"wrong value, flag":       {nil, []string{"--http-port=abc"}, 2, []string{"flag --http-port", `"abc"`, "a whole number"}},
		"out of range":            {nil, []string{"--http-port=70000"}, 2, []string{"flag --http-port", "70000", "1 to 65535"}},
		"no choice":               {nil, []string{"--store=disk"}, 2, []string{"flag --store", `"disk"`, "embedded, postgres, cassandra, memory, none"}},
		"wrong value, variable":   {[]string{"HTTP_PORT=abc"}, nil, 2, []string{"environment variable HTTP_PORT", `"abc"`, "a whole number"}},
		"unknown key in the file": {nil, []string{"--config=" + write("key.yaml", "http-port: 9000\nhttp-prot: 1\n")}, 2, []string{"key.yaml:2", `"http-prot"`, "did you mean http-port"}},
		"wrong value in the file": {nil, []string{"--config=" + write("value.yaml", "\ncommand-timeout: soon\n")}, 2, []string{"value.yaml:2", `"soon"`, "command-timeout"}},
		"file is no YAML":         {nil, []string{"--config=" + write("no.yaml", "{{{")}, 2, []string{"no.yaml"}},
		"no such file":            {nil, []string{"--config=/no/such.yaml"}, 2, []string{"/no/such.yaml", "--config"}},
		"busy client port": {
			nil, append(serving("--store=memory"), "--http-port="+busyPort), 1,
			[]string{"clients", busyPort, "in use", "--http-port (HTTP_PORT)"},
		},
		"busy management port": {
			nil, append(serving("--store=memory"), "--management-port="+busyPort), 1,
			[]string{"probes", busyPort, "in use", "--management-port (MANAGEMENT_PORT)"},
		},
		"store is a file":        {nil, serving("--data-dir=" + write("file", "")), 1, []string{filepath.Join(dir, "file"), "name one that"}},
		"foreign directory":      {nil, serving("--data-dir=" + filepath.Dir(foreign)), 1, []string{filepath.Dir(foreign), "letters.txt", "name an empty directory"}},
		"newer store":            {nil, serving("--data-dir=" + filepath.Dir(newer)), 1, []string{filepath.Dir(newer), "version 99", "run a newer proxy"}},
		"damaged marker":         {nil, serving("--data-dir=" + filepath.Dir(noVersion)), 1, []string{filepath.Dir(noVersion), "FORMAT"}},
		"store without its data": {nil, serving("--data-dir=" + filepath.Dir(emptied)), 1, []string{filepath.Dir(emptied), "backup"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := listing(t, dir)
			code, said := refused(t, c.env, c.args...)
			if code != c.status {
				t.Errorf("it ended with status %d, want %d", code, c.status)
			}
			for _, part := range c.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not say %q", part)
				}
			}
			if strings.Count(said, "\n") != 1 || strings.Contains(said, "goroutine ") {
				t.Error("it says more than one line")
			}
			if t.Failed() {
				t.Logf("it said:\n%s", said)
			}
			if after := listing(t, dir); after != before {
				t.Errorf("it changed what it refused:\nbefore:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// listing is every file below dir with its content, but for locks.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "LOCK" {
			return err
		}
		content, err := os.ReadFile(path)
		b.WriteString(path + ": " + string(content) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDamagedStore damages each file of a store that holds acknowledged events. The program refuses to start on it, and the
// file is left as it is, so that whoever mends it finds everything again. The journal's own tests damage files in many more ways.
func TestDamagedStore(t *testing.T) {
	user := &carts{}
	function := mockfunction.New(user.config())
	functionPort := serveFunction(t, function)
	dir := filepath.Join(t.TempDir(), "data")
	free := ports(t, 2)
	p := launch(t, free[0], free[1], functionPort, "--data-dir", dir, "--free-space-reserve", "1MiB")
	p.ready()
	client := shoppingcart.NewShoppingCartClient(dial(t, p.client))
	for range 20 {
		if _, err := client.AddItem(t.Context(), &shoppingcart.AddLineItem{UserId: "u", ProductId: "p", Quantity: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if code := p.terminate(); code != 0 {
		t.Fatalf("the proxy ended with status %d", code)
	}
	names, err := filepath.Glob(filepath.Join(dir, "db", "marker.manifest.*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("the store names its manifest in %q (%v), want one file", names, err)
	}
	manifest := filepath.Base(names[0])[strings.LastIndexByte(filepath.Base(names[0]), '.')+1:]
	tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("an orderly stop left the tables %q (%v)", tables, err)
	}
	// The tables come last: to find one damaged the store has to be opened, which begins a new manifest.
	for _, file := range append([]string{filepath.Join(dir, "FORMAT"), filepath.Join(dir, "db", manifest)}, tables...) {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		broken := bytes.Clone(whole)
		for i := range min(len(broken), 200) {
			broken[i] ^= 0x55
		}
		if err := os.WriteFile(file, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		code, said := refused(t, nil, "--http-host=127.0.0.1", "--http-port="+strconv.Itoa(free[0]), "--management-port=0", "--data-dir="+dir)
		if code != 1 || !strings.Contains(said, dir) || !strings.Contains(said, "restore") && !strings.Contains(said, "name a directory") {
			t.Errorf("%s damaged: status %d, and it said:\n%s", filepath.Base(file), code, said)
		}
		if left, err := os.ReadFile(file); err != nil || !bytes.Equal(left, broken) {
			t.Errorf("%s damaged: the refused file was changed (%v)", filepath.Base(file), err)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p = launch(t, free[0], free[1], functionPort, "--data-dir", dir, "--free-space-reserve", "1MiB")
	p.ready()
	if got, err := client.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: "u"}); err != nil || len(got.GetItems()) != 20 {
		t.Errorf("after the files are mended the cart has %d items (%v), want 20", len(got.GetItems()), err)
	}
}

// TestStoreInUse starts a second proxy on the directory of a first one: it is refused, and the first goes on.
func TestStoreInUse(t *testing.T) {
	user := &carts{}
	functionPort := serveFunction(t, mockfunction.New(user.config()))
	dir := t.TempDir()
	free := ports(t, 4)
	first := launch(t, free[0], free[1], functionPort, "--data-dir", dir, "--free-space-reserve", "1MiB")
	first.ready()
	code, said := refused(t, nil, "--http-host=127.0.0.1", "--http-port="+strconv.Itoa(free[2]), "--management-port="+strconv.Itoa(free[3]), "--data-dir="+dir)
	if code != 1 || !strings.Contains(said, dir) || !strings.Contains(said, "in use by another proxy; stop that one, or give this one its own directory") {
		t.Errorf("the second proxy ended with status %d and said:\n%s", code, said)
	}
	if _, err := shoppingcart.NewShoppingCartClient(dial(t, first.client)).AddItem(t.Context(), &shoppingcart.AddLineItem{UserId: "u", ProductId: "p", Quantity: 1}); err != nil {
		t.Errorf("the first proxy suffers: %v", err)
	}
}

// TestUnreachableUserFunction: the proxy is live and not ready, says where it looks and why that fails, and goes on trying:
// it serves soon after the user function has appeared (DISC-21, OPS-01).
func TestUnreachableUserFunction(t *testing.T) {
	free := ports(t, 3)
	p := launch(t, free[0], free[1], free[2], "--store", "memory")
	await(t, "the proxy to say that it cannot reach the user function", func() bool {
		said := p.output.String()
		return strings.Contains(said, "127.0.0.1:"+strconv.Itoa(free[2])) && strings.Contains(said, "refused")
	})
	if live, ready := p.probe("/live"), p.probe("/ready"); live != http.StatusOK || ready != http.StatusServiceUnavailable {
		t.Errorf("/live says %d and /ready %d, want 200 and 503", live, ready)
	}
	user := &carts{}
	function := mockfunction.New(user.config())
	if err := function.Start("127.0.0.1:" + strconv.Itoa(free[2])); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	p.ready()
}

// TestDescriptorThatCannotBeServed: the user function is told what is wrong and how to mend it, so is the log, the proxy
// stays live and not ready (DISC-19, DISC-21), and a mended answer is served without a restart.
func TestDescriptorThatCannotBeServed(t *testing.T) {
	user := &carts{}
	cfg := user.config()
	cfg.Wait = patience
	good := cfg.Spec
	cfg.Spec = mockfunction.NewSpec([]protoreflect.FileDescriptor{shoppingcart.File_shoppingcart_shoppingcart_proto},
		mockfunction.Entity(mockfunction.EventSourcedType, "com.example.shoppingcart.ShopingCart", "cart"))
	function := mockfunction.New(cfg)
	free := ports(t, 2)
	p := launch(t, free[0], free[1], serveFunction(t, function), "--store", "memory", "--discovery-backoff-min", "50ms")
	report, err := function.NextReport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if service := "com.example.shoppingcart.ShopingCart"; !strings.Contains(report, service) {
		t.Errorf("the report does not name the service %s", service)
	} else {
		// The report and the log are two ways: neither waits for the other.
		await(t, "the log to name the service", func() bool { return strings.Contains(p.output.String(), service) })
	}
	t.Logf("reported: %s", report)
	if live, ready := p.probe("/live"), p.probe("/ready"); live != http.StatusOK || ready != http.StatusServiceUnavailable {
		t.Errorf("/live says %d and /ready %d, want 200 and 503", live, ready)
	}
	function.SetSpec(good)
	p.ready()
}

// TestMisspeltVariables has the program tell of them, and go on to what stops it here: a port that is taken.
func TestMisspeltVariables(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	environ := []string{"CLOUDSTATE_STROE=memory", "CLOUDSTATE_PROXY_SERVICE_HOST=10.0.0.9", "HTTP_HOST=127.0.0.1"}
	_, said := refused(t, environ, "--http-port="+strconv.Itoa(portOf(t, busy.Addr().String())))
	if n := strings.Count(said, "level=WARN"); n != 1 || !strings.Contains(said, "did you mean CLOUDSTATE_STORE?") {
		t.Errorf("%d warnings in %s\nwant one, about CLOUDSTATE_STROE", n, said)
	}
}
