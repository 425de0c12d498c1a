package userfunction

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestGoAwayMovesNewStreamsAndIsNoLoss(t *testing.T) {
	s := newStrict(t, unlimited, false)
	p := newPool(t, s.listener.Addr(), nil)
	old := openAll(t, p, 10)
	shortCalls(t, p)
	for range 5 {
		s.goodbye()
		streams := openAll(t, p, 10)
		shortCalls(t, p)
		useAll(t, old)
		endAll(t, streams)
	}
	endAll(t, old)
	if len(p.Disconnected()) > 0 {
		t.Error("a GOAWAY was taken for a loss")
	}
}

func TestIdleCloseIsNoLoss(t *testing.T) {
	s := newStrict(t, unlimited, false)
	p := newPool(t, s.listener.Addr(), nil)
	p.idleEnough = 0
	shortCalls(t, p)
	endAll(t, openAll(t, p, 3))
	old := newestLink(p, p.control)
	s.hangUp()
	for deadline := time.Now().Add(bound); ; {
		// The others are not needed now. Control is asked at once whether the user function is still there.
		l := newestLink(p, p.control)
		if l != nil && l != old && usableLinks(p, p.calls)+usableLinks(p, p.streams) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the user function was not asked whether it is still there")
		}
		runtime.Gosched()
	}
	shortCalls(t, p)
	if len(p.Disconnected()) > 0 {
		t.Error("an idle close was taken for a loss")
	}
}

func TestPoliteEndOfAUserFunctionIsALoss(t *testing.T) {
	for name, leave := range map[string]func(*strict){"goodbye": (*strict).goodbye, "hanging up": (*strict).hangUp} {
		t.Run(name, func(t *testing.T) {
			s := newStrict(t, unlimited, false)
			p := newPool(t, s.listener.Addr(), nil)
			p.idleEnough = 0
			shortCalls(t, p)
			check(t, s.listener.Close())
			leave(s)
			lossAnnounced(t, p)
		})
	}
}

func TestCloseWithoutAWordIsALossWhenNotIdleForLong(t *testing.T) {
	s := newStrict(t, unlimited, false)
	p := newPool(t, s.listener.Addr(), nil)
	p.idleEnough = time.Hour
	shortCalls(t, p)
	s.hangUp()
	lossAnnounced(t, p)
}

func TestKilledAndRestarted(t *testing.T) {
	l := listen(t, "")
	server := echo(t, l)
	p := newPool(t, l.Addr(), nil)
	for range 3 {
		streams := openAll(t, p, 20)
		shortCalls(t, p)
		server.Stop()
		for _, s := range streams {
			if _, err := s.Recv(); !errors.Is(err, ErrUnavailable) || status.Code(err) != codes.Unavailable {
				t.Fatalf("receive from a dead user function: %v, want ErrUnavailable", err)
			}
			if err := s.Send(nil); !errors.Is(err, io.EOF) {
				t.Fatalf("send to a dead user function: %v, want io.EOF", err)
			}
			s.Cancel()
		}
		lossAnnounced(t, p)
		failToConnect(t, p, p.streams)
		if _, err := p.EntityStream(briefly(t), method); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
			t.Fatalf("open to a dead user function: %v, want ErrUnavailable with the reason", err)
		}
		if _, err := p.ActionUnary(briefly(t), "/some.Action/call", nil); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("call to a dead user function: %v, want ErrUnavailable", err)
		}
		l = listen(t, l.Addr().String())
		server = echo(t, l)
		ask(t, p) // which waits until the user function is there
		shortCalls(t, p)
		select {
		case <-p.Disconnected():
			t.Fatal("the loss was announced twice")
		default:
		}
	}
}
