package userfunction

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestEntityStreamOutlivesTheContextThatOpenedIt(t *testing.T) {
	l := listen(t, "")
	echo(t, l)
	p := newPool(t, l.Addr(), nil)
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	s, err := p.EntityStream(ctx, method)
	check(t, err)
	cancel()
	check(t, converse(s, "still here"))
	s.Cancel()
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("after Cancel: %v, want CANCELLED", err)
	}
}

func TestActionStreamEndsWithItsContext(t *testing.T) {
	l := listen(t, "")
	echo(t, l)
	p := newPool(t, l.Addr(), nil)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := p.ActionStream(ctx, "/some.Action/stream")
	check(t, err)
	check(t, converse(s, "here"))
	cancel()
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("after its context ended: %v, want CANCELLED", err)
	}
}

func TestDeadlineTravels(t *testing.T) {
	l := listen(t, "")
	deadlines := make(chan bool, 1)
	s := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		_, has := stream.Context().Deadline()
		deadlines <- has
		return status.Error(codes.Unavailable, "stated by the user function")
	}))
	go func() { _ = s.Serve(l) }()
	defer s.Stop()
	p := newPool(t, l.Addr(), nil)
	_, err := p.ActionUnary(within(t), "/some.Action/call", nil)
	if errors.Is(err, ErrUnavailable) || status.Convert(err).Message() != "stated by the user function" {
		t.Errorf("error %v, want the user function's own", err)
	}
	if !<-deadlines {
		t.Error("a call's deadline did not travel")
	}
	stream, err := p.EntityStream(within(t), method)
	check(t, err)
	if <-deadlines {
		t.Error("the deadline of a wait for room travelled")
	}
	stream.Cancel()
}

func TestLargestMessage(t *testing.T) {
	l := listen(t, "")
	echo(t, l)
	p := newPool(t, l.Addr(), func(c *Config) { c.MaxMessageSize = 1 << 20 })
	if out, err := p.ActionUnary(within(t), "/some.Action/call", make([]byte, 1<<20)); err != nil || len(out) != 1<<20 {
		t.Errorf("largest allowed: %d bytes, %v", len(out), err)
	}
	if _, err := p.ActionUnary(within(t), "/some.Action/call", make([]byte, 1<<20+1)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one byte more: %v, want RESOURCE_EXHAUSTED", err)
	}
}

func TestClose(t *testing.T) {
	l := listen(t, "")
	echo(t, l, grpc.MaxConcurrentStreams(1))
	p := newPool(t, l.Addr(), func(c *Config) { c.MaxConnections = 1 })
	s := openAll(t, p, 1)[0]
	waiting := make(chan error, 1)
	go func() {
		_, err := p.EntityStream(within(t), method)
		waiting <- err
	}()
	for waiters := 0; waiters == 0; {
		p.mu.Lock()
		waiters = p.streams.waiters.Len()
		p.mu.Unlock()
		runtime.Gosched()
	}
	p.Close()
	p.Close()
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("waiting: %v, want ErrClosed", err)
	}
	if _, err := s.Recv(); !errors.Is(err, ErrClosed) {
		t.Errorf("receiving: %v, want ErrClosed", err)
	}
	if _, err := p.ActionUnary(within(t), "/some.Action/call", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("calling: %v, want ErrClosed", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {Port: 65536}, {Port: 1, MaxMessageSize: -1}, {Port: 1, Connections: 3, MaxConnections: 2}, {Port: 1, ReadyWait: -1}} {
		if p, err := NewPool(cfg); err == nil {
			p.Close()
			t.Errorf("%+v accepted", cfg)
		}
	}
}

var _ net.Conn = (*watchedConn)(nil)
