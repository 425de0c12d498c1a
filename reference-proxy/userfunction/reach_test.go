package userfunction

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

func TestDiscoveryReachesAUserFunctionThatAppears(t *testing.T) {
	address, release := vacant(t)
	p := newPool(t, address, nil)
	brief, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Discover(brief, &cloudstate.ProxyInfo{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("discover: %v, want ErrUnavailable by the deadline", err)
	}
	found := make(chan time.Time, 1)
	go func() {
		if _, err := p.Discover(within(t), &cloudstate.ProxyInfo{}); err != nil {
			t.Error(err)
		}
		found <- time.Now()
	}()
	release()
	echo(t, listen(t, address.String()))
	there := time.Now()
	t.Logf("reached after %v", (<-found).Sub(there))
}

// failToConnect lets a lane try to connect once, and waits until it has failed: from then on whoever waits is told why, however short the wait.
func failToConnect(t testing.TB, p *Pool, ln *lane) {
	t.Helper()
	p.mu.Lock()
	ln.dial()
	p.mu.Unlock()
	for deadline := time.Now().Add(bound); ; runtime.Gosched() {
		p.mu.Lock()
		failed := ln.lastErr != nil
		p.mu.Unlock()
		if failed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no attempt to connect failed")
		}
	}
}

func TestSomethingElseOnThePort(t *testing.T) {
	l := listen(t, "")
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	})
	defer serving.Wait()
	defer func() { _ = l.Close() }()
	p := newPool(t, l.Addr(), func(c *Config) { c.ReadyWait = 50 * time.Millisecond })
	failToConnect(t, p, p.calls)
	_, err := p.ActionUnary(within(t), "/some.Action/call", nil)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "does not speak HTTP/2") {
		t.Errorf("error %v, want one that says what is there", err)
	}
}

func TestSilenceOnThePort(t *testing.T) {
	l := listen(t, "")
	defer func() { _ = l.Close() }()
	p := newPool(t, l.Addr(), func(c *Config) {
		c.ReadyWait = 100 * time.Millisecond
		c.ConnectTimeout = 20 * time.Millisecond
	})
	// The socket is there before the time has begun to count.
	dial := p.dialTCP
	p.dialTCP = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(context.WithoutCancel(ctx), network, address)
	}
	failToConnect(t, p, p.calls)
	_, err := p.ActionUnary(within(t), "/some.Action/call", nil)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no HTTP/2 SETTINGS came within 20ms") {
		t.Errorf("error %v, want one that says what is missing", err)
	}
}

func TestIdleConnectionsAreTrimmed(t *testing.T) {
	s := newStrict(t, 2, false)
	p := newPool(t, s.listener.Addr(), func(c *Config) { c.IdleTimeout = 20 * time.Millisecond })
	endAll(t, openAll(t, p, 20))
	for deadline := time.Now().Add(bound); s.connections() > 1; {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", s.connections())
		}
		endAll(t, openAll(t, p, 1))
	}
	select {
	case <-p.Disconnected():
		t.Error("trimming was taken for a loss")
	default:
	}
}
