package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
)

func TestServesUntilToldToStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout bytes.Buffer
	read, write := io.Pipe()
	exit := make(chan int, 1)
	go func() { exit <- run(ctx, []string{"--port", "0"}, mockcli.Stdio{Out: &stdout, Err: write}) }()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, addr, _ := strings.Cut(strings.TrimSpace(line), "serving on ")
	p, err := mockproxy.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Discover(t.Context(), mockproxy.Info(0, 2)); err != nil {
		t.Error(err)
	}
	stop()
	if code := <-exit; code != 0 {
		t.Errorf("exit status %d", code)
	}
	if !strings.Contains(stdout.String(), "EntityDiscovery/discover] message") {
		t.Errorf("printed %s", &stdout)
	}
}

func TestUsage(t *testing.T) {
	const golden = "../../../fixtures/traces/value-entity.trace"
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"--help"}, 0, "grpcurl"},
		{[]string{"--port", "x"}, 2, "--port"},
		{[]string{"--nope"}, 2, "--nope"},
		{[]string{"--port", port}, 1, "choose another"},
		{[]string{"replay", "run_test.go"}, 2, "run_test.go:1: this is no trace"},
		{[]string{"replay", golden, "--port", port}, 2, "address already in use"},
		{[]string{"replay", golden, "--port", "0", "--wait", "50ms"}, 1, "EntityDiscovery/discover, message 1: expected the open, got nothing within 50ms"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), c.args, mockcli.Stdio{Out: &out, Err: &out}); code != c.code || !strings.Contains(out.String(), c.text) {
			t.Errorf("%v: exit %d, printed %s", c.args, code, &out)
		}
	}
}
