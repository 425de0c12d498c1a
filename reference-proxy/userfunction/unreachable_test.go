package userfunction

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// TestUnreachableIsLoggedOnce: why the user function cannot be reached is told on the first failure, where and with what to
// do, and not on each of the many that follow.
func TestUnreachableIsLoggedOnce(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().(*net.TCPAddr)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	p, err := NewPool(Config{Port: address.Port, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p.Discover(ctx, &cloudstate.ProxyInfo{}); err == nil {
		t.Fatal("somebody answered")
	}
	p.Close() // nothing is logged after it
	first, rest, _ := strings.Cut(log.String(), "\n")
	for _, want := range []string{"level=WARN", "address=" + address.String(), "connection refused", "user-function-port"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first line lacks %q: %s", want, first)
		}
	}
	if strings.Contains(rest, "level=WARN") || !strings.Contains(rest, "tries=2") {
		t.Errorf("told again, or never tried again:\n%s", rest)
	}
}
