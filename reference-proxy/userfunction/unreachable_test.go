package userfunction

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// seen is a log that does something once a line holds a text.
type seen struct {
	bytes.Buffer
	text string
	then func()
}

func (s *seen) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(s.text)) {
		s.then()
	}
	return s.Buffer.Write(line)
}

// TestUnreachableIsLoggedOnce: why the user function cannot be reached is told on the first failure, where and with what to
// do, and not on each of the many that follow.
func TestUnreachableIsLoggedOnce(t *testing.T) {
	address, release := vacant(t)
	defer release()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	log := &seen{text: "tries=4", then: cancel}
	p := newPool(t, address, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
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
	if strings.Contains(rest, "level=WARN") || !strings.Contains(rest, "tries=2") || !strings.Contains(rest, "tries=4") {
		t.Errorf("told again, or never tried again:\n%s", rest)
	}
}
