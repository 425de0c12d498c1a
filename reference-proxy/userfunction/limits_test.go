package userfunction

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

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
			_, _, err := p.unary(within(t), p.streams, "/some.Action/call", time.Minute, []byte{1})
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
