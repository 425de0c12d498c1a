package userfunction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// converse sends a message and expects it back.
func converse(s *Stream, text string) error {
	if err := s.Send([]byte(text)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	got, err := s.Recv()
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if string(got) != text {
		return fmt.Errorf("received %q, want %q", got, text)
	}
	return nil
}

// openAll opens streams, 100 at a time, and uses each once.
func openAll(t testing.TB, p *Pool, n int) []*Stream {
	t.Helper()
	ctx := within(t)
	streams := make([]*Stream, n)
	var group errgroup.Group
	group.SetLimit(100)
	for i := range streams {
		group.Go(func() (err error) {
			if streams[i], err = p.EntityStream(ctx, method); err != nil {
				return err
			}
			return converse(streams[i], fmt.Sprint("hello ", i))
		})
	}
	check(t, group.Wait())
	return streams
}

func useAll(t testing.TB, streams []*Stream) {
	t.Helper()
	for i, s := range streams {
		if err := converse(s, fmt.Sprint("again ", i)); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
}

func endAll(t testing.TB, streams []*Stream) {
	t.Helper()
	for _, s := range streams {
		check(t, s.CloseSend())
		if _, err := s.Recv(); !errors.Is(err, io.EOF) {
			t.Fatalf("end of stream: %v, want io.EOF", err)
		}
	}
}

// shortCalls makes some of the calls that must never wait behind streams.
func shortCalls(t testing.TB, p *Pool) {
	t.Helper()
	ctx := within(t)
	// The functions here echo: only the empty message is a sound answer too.
	if _, err := p.Discover(ctx, &cloudstate.ProxyInfo{}); err != nil {
		t.Fatalf("discover: %v", err)
	}
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			out, err := p.ActionUnary(ctx, "/some.Action/call", []byte{byte(i), 1, 2})
			if err == nil && !bytes.Equal(out, []byte{byte(i), 1, 2}) {
				err = fmt.Errorf("answer %v", out)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("action: %v", err)
	}
}

func usableLinks(p *Pool, ln *lane) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(ln.links)
}

func newestLink(p *Pool, ln *lane) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(ln.links) == 0 {
		return nil
	}
	return ln.links[len(ln.links)-1]
}

func TestStreamLimits(t *testing.T) {
	for _, tc := range []struct {
		limit       uint32
		streams     int
		connections int
	}{{1, 200, 200}, {10, 3000, 300}, {256, 10000, 40}, {0, 10000, 1}} {
		t.Run(fmt.Sprint("limit ", tc.limit), func(t *testing.T) {
			l := listen(t, "")
			var options []grpc.ServerOption
			if tc.limit > 0 {
				options = append(options, grpc.MaxConcurrentStreams(tc.limit))
			}
			echo(t, l, options...)
			p := newPool(t, l.Addr(), nil)
			streams := openAll(t, p, tc.streams)
			shortCalls(t, p)
			useAll(t, streams)
			// A few more than needed may have been opened while their limit was still unknown.
			if got := usableLinks(p, p.streams); got < tc.connections || got > tc.connections+2*dialsAtOnce {
				t.Errorf("%d connections for %d streams", got, tc.streams)
			}
			endAll(t, streams)
		})
	}
}

func TestFullConnectionsMakeCallersWaitForAFreePlace(t *testing.T) {
	l := listen(t, "")
	echo(t, l, grpc.MaxConcurrentStreams(2))
	p := newPool(t, l.Addr(), func(c *Config) { c.MaxConnections = 2 })
	streams := openAll(t, p, 4)
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := p.EntityStream(short, method)
	if !errors.Is(err, ErrNoRoom) || !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("error %v, want ErrNoRoom by the deadline", err)
	}
	shortCalls(t, p)
	opened := make(chan *Stream, 1)
	go func() {
		s, err := p.EntityStream(within(t), method)
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	streams[2].Cancel()
	if s := <-opened; s != nil {
		check(t, converse(s, "in the free place"))
	}
}

func TestLimitLoweredInTheMiddle(t *testing.T) {
	s := newStrict(t, unlimited, false)
	p := newPool(t, s.listener.Addr(), nil)
	streams := openAll(t, p, 200)
	for _, limit := range []uint32{10, 1, 1000} {
		s.setLimit(limit)
		// While the news travels, streams may be refused, and move.
		streams = append(streams, openAll(t, p, 30)...)
		// Behind these answers, it has arrived everywhere: from here on no stream goes where it has no room.
		useAll(t, streams)
		shortCalls(t, p)
		before := s.refused.Load()
		streams = append(streams, openAll(t, p, 100)...)
		shortCalls(t, p)
		if got := s.refused.Load() - before; got > 0 {
			t.Errorf("limit %d: %d streams were sent to connections without room", limit, got)
		}
	}
	useAll(t, streams)
	endAll(t, streams)
}

func TestLimitChangesWhileStreamsOpen(t *testing.T) {
	s := newStrict(t, 50, false)
	p := newPool(t, s.listener.Addr(), nil)
	ctx := within(t)
	var group errgroup.Group
	group.SetLimit(50)
	for i := range 2000 {
		group.Go(func() error {
			if i%20 == 0 {
				s.setLimit([]uint32{3, 40, 1, 100, 7}[i/20%5])
			}
			stream, err := p.EntityStream(ctx, method)
			if err != nil {
				return err
			}
			defer stream.Cancel()
			for range 3 {
				if err := converse(stream, fmt.Sprint("stream ", i)); err != nil {
					return err
				}
			}
			_, err = p.ActionUnary(ctx, "/some.Action/call", []byte{1})
			return err
		})
	}
	check(t, group.Wait())
	t.Logf("%d streams were refused and moved", s.refused.Load())
}

// A stream may find its place taken away between the moment the pool chose a connection and the moment gRPC opens the
// stream there. gRPC then waits for room without telling. Here the pool is made to believe in room that is not there.
func TestStreamsAndCallsThatBlockInsideGRPCMove(t *testing.T) {
	s := newStrict(t, 1, false)
	p := newPool(t, s.listener.Addr(), nil)
	first := openAll(t, p, 1)
	shortCalls(t, p)
	for name, tc := range map[string]struct {
		lane *lane
		open func() error
	}{
		"stream": {p.streams, func() error {
			stream, err := p.EntityStream(within(t), method)
			if err != nil {
				return err
			}
			defer stream.Cancel()
			return converse(stream, "moved")
		}},
		"call": {p.streams, func() error { // on the lane whose connection is full
			_, err := p.unary(within(t), p.streams, "/some.Action/call", time.Minute, []byte{1})
			return err
		}},
	} {
		p.mu.Lock()
		full := tc.lane.links[0]
		full.limit = 100
		p.mu.Unlock()
		done := make(chan error, 1)
		go func() { done <- tc.open() }()
		for opening := 0; opening == 0; {
			p.mu.Lock()
			opening = len(full.opening)
			p.mu.Unlock()
		}
		s.setLimit(1)
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(bound):
			t.Fatalf("%s hangs", name)
		}
	}
	useAll(t, first)
	if got := s.refused.Load(); got > 0 {
		t.Errorf("%d streams were refused: nothing blocked inside gRPC", got)
	}
}

func TestRefusedStreamsMoveWithWhatWasSent(t *testing.T) {
	s := newStrict(t, 3, true)
	p := newPool(t, s.listener.Addr(), nil)
	ctx := within(t)
	var streams []*Stream
	for i := range 40 {
		stream, err := p.EntityStream(ctx, method)
		check(t, err)
		for part := range 3 {
			check(t, stream.Send(fmt.Appendf(nil, "message %d of %d", part, i)))
		}
		streams = append(streams, stream)
	}
	for i, stream := range streams {
		for part := range 3 {
			got, err := stream.Recv()
			check(t, err)
			if want := fmt.Sprintf("message %d of %d", part, i); string(got) != want {
				t.Fatalf("received %q, want %q", got, want)
			}
		}
	}
	useAll(t, streams)
	if s.refused.Load() == 0 {
		t.Fatal("no stream was refused: nothing was tested")
	}
	endAll(t, streams)
}

func TestUserFunctionThatRefusesEverything(t *testing.T) {
	s := newStrict(t, 0, true)
	p := newPool(t, s.listener.Addr(), nil)
	if _, err := p.ActionUnary(within(t), "/some.Action/call", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("call: %v, want ErrUnavailable", err)
	}
	stream, err := p.EntityStream(within(t), method)
	check(t, err)
	if _, err := stream.Recv(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("stream: %v, want ErrUnavailable", err)
	}
}

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
			select {
			case <-p.Disconnected():
			case <-time.After(bound):
				t.Fatal("the loss was not announced")
			}
		})
	}
}

func TestCloseWithoutAWordIsALossWhenNotIdleForLong(t *testing.T) {
	s := newStrict(t, unlimited, false)
	p := newPool(t, s.listener.Addr(), nil)
	p.idleEnough = time.Hour
	shortCalls(t, p)
	s.hangUp()
	select {
	case <-p.Disconnected():
	case <-time.After(bound):
		t.Fatal("the loss was not announced")
	}
}

func TestKilledAndRestarted(t *testing.T) {
	l := listen(t, "")
	server := echo(t, l)
	p := newPool(t, l.Addr(), func(c *Config) { c.ReadyWait = bound })
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
		select {
		case <-p.Disconnected():
		case <-time.After(bound):
			t.Fatal("the loss was not announced")
		}
		brief, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		t.Cleanup(cancel)
		if _, err := p.EntityStream(brief, method); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
			t.Fatalf("open to a dead user function: %v, want ErrUnavailable with the reason", err)
		}
		if _, err := p.ActionUnary(brief, "/some.Action/call", nil); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("call to a dead user function: %v, want ErrUnavailable", err)
		}
		l = listen(t, l.Addr().String())
		server = echo(t, l)
		shortCalls(t, p) // discovery waits until the user function is there
		select {
		case <-p.Disconnected():
			t.Fatal("the loss was announced twice")
		default:
		}
	}
}

func TestRestartBetweenTwoBreathsIsALoss(t *testing.T) {
	l := listen(t, "")
	server := echo(t, l)
	p := newPool(t, l.Addr(), nil)
	streams := openAll(t, p, 5)
	shortCalls(t, p)
	server.Stop()
	l = listen(t, l.Addr().String())
	echo(t, l)
	for ctx := within(t); ; {
		s, err := p.EntityStream(ctx, method)
		check(t, err)
		if err = converse(s, "to the new one"); err == nil {
			streams = append(streams, s)
			break
		}
		if !errors.Is(err, ErrUnavailable) { // the old connection's end may not have been noticed yet
			t.Fatal(err)
		}
	}
	select {
	case <-p.Disconnected():
	case <-time.After(bound):
		t.Fatal("the loss was not announced")
	}
	for _, s := range streams {
		s.Cancel()
	}
}

// The same, step by step: the last old connection's end is noticed only after a new one was made.
func TestLossIsAnnouncedWhenTheLastOldConnectionEnds(t *testing.T) {
	s := newStrict(t, unlimited, false)
	p := newPool(t, s.listener.Addr(), nil)
	shortCalls(t, p)
	openAll(t, p, 1)
	streams, control, calls := newestLink(p, p.streams), newestLink(p, p.control), newestLink(p, p.calls)
	p.lost(streams, io.EOF)
	openAll(t, p, 1)
	p.lost(control, io.EOF)
	if len(p.Disconnected()) > 0 {
		t.Fatal("announced while an old connection was left")
	}
	p.lost(calls, io.EOF)
	if len(p.Disconnected()) == 0 {
		t.Fatal("not announced although every old connection is lost")
	}
}

func TestDiscoveryReachesAUserFunctionThatAppears(t *testing.T) {
	l := listen(t, "")
	address := l.Addr()
	check(t, l.Close())
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
	echo(t, listen(t, address.String()))
	there := time.Now()
	t.Logf("reached after %v", (<-found).Sub(there))
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
