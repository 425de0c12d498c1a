package userfunction

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
)

// bound is how long a test waits for what must happen; it only turns a hang into a failure.
const bound = 5 * time.Minute

const method = "/cloudstate.eventsourced.EventSourced/handle"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// listen takes a free port, or the given address again.
func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	for deadline := time.Now().Add(bound); err != nil && time.Now().Before(deadline); {
		// A peer that dials while nobody listens may have got the port for its own end of the connection.
		runtime.Gosched()
		l, err = net.Listen("tcp", address)
	}
	check(t, err)
	return l
}

// vacant gives an address on which nobody listens, nor anybody else on this machine can before the release: it is our own end of a connection.
func vacant(t testing.TB) (address net.Addr, release func()) {
	t.Helper()
	l := listen(t, "")
	own, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}).DialContext(within(t), "tcp", l.Addr().String())
	check(t, err)
	return own.LocalAddr(), func() {
		_ = own.Close()
		_ = l.Close()
	}
}

// newPool makes a pool that is as patient as the tests: one that expects the user function to be missed, or a connection to fail, says for how long.
func newPool(t testing.TB, address net.Addr, change func(*Config)) *Pool {
	t.Helper()
	cfg := Config{Port: address.(*net.TCPAddr).Port, ReadyWait: bound, ConnectTimeout: bound}
	if os.Getenv("USERFUNCTION_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if change != nil {
		change(&cfg)
	}
	p, err := NewPool(cfg)
	check(t, err)
	t.Cleanup(p.Close)
	return p
}

// echo starts a gRPC server that sends back every message, and ends its stream when the client does.
func echo(t testing.TB, l net.Listener, options ...grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(append(options, grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxRecvMsgSize(64<<20), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		for {
			var f frame
			if err := stream.RecvMsg(&f); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(&frame{bytes: f.bytes}); err != nil {
				return err
			}
		}
	}))...)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
	return s
}

// strict is a user function on bare HTTP/2 frames that echoes messages, and refuses every stream beyond its limit.
type strict struct {
	t        testing.TB
	listener net.Listener
	tasks    sync.WaitGroup
	refused  atomic.Int64
	// hidden says that the limit is kept but not told.
	hidden bool

	mu    sync.Mutex
	limit uint32
	conns map[*strictConn]struct{}
}

func newStrict(t testing.TB, limit uint32, hidden bool) *strict {
	s := &strict{t: t, listener: listen(t, ""), limit: limit, hidden: hidden, conns: make(map[*strictConn]struct{})}
	s.tasks.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.tasks.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *strict) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

// setLimit states another limit on all connections.
func (s *strict) setLimit(limit uint32) {
	s.mu.Lock()
	s.limit = limit
	conns := make([]*strictConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.announce(limit)
	}
}

// hangUp closes all connections without a word, as servers do with idle ones.
func (s *strict) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// goodbye sends GOAWAY on all connections.
func (s *strict) goodbye() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		_ = c.framer.WriteGoAway(c.lastID, http2.ErrCodeNo, nil)
		c.mu.Unlock()
	}
}

func (s *strict) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

type strictConn struct {
	net.Conn
	server *strict

	mu     sync.Mutex
	framer *http2.Framer
	// streams are the open ones; true once response headers were sent.
	streams map[uint32]bool
	limit   uint32
	lastID  uint32
}

func (c *strictConn) announce(limit uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit
	var settings []http2.Setting
	if limit != unlimited && !c.server.hidden {
		settings = append(settings, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: limit})
	}
	_ = c.framer.WriteSettings(settings...)
}

func (s *strict) serve(conn net.Conn) {
	c := &strictConn{Conn: conn, server: s, framer: http2.NewFramer(conn, conn), streams: make(map[uint32]bool)}
	s.mu.Lock()
	limit := s.limit
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = conn.Close()
	}()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	c.announce(limit)
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			return
		}
		c.handle(f)
	}
}

func (c *strictConn) handle(f http2.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := f.Header().StreamID
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.framer.WritePing(true, f.Data)
		}
	case *http2.HeadersFrame:
		c.lastID = id
		if uint32(len(c.streams)) >= c.limit {
			c.server.refused.Add(1)
			_ = c.framer.WriteRSTStream(id, http2.ErrCodeRefusedStream)
			return
		}
		c.streams[id] = false
	case *http2.RSTStreamFrame:
		delete(c.streams, id)
	case *http2.DataFrame:
		answered, open := c.streams[id]
		if n := len(f.Data()); n > 0 {
			_ = c.framer.WriteWindowUpdate(0, uint32(n))
			if open {
				_ = c.framer.WriteWindowUpdate(id, uint32(n))
			}
		}
		if !open {
			return
		}
		if !answered {
			c.streams[id] = true
			_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, BlockFragment: block(":status", "200", "content-type", "application/grpc")})
		}
		if len(f.Data()) > 0 {
			_ = c.framer.WriteData(id, false, f.Data())
		}
		if f.StreamEnded() {
			delete(c.streams, id)
			_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block("grpc-status", "0")})
		}
	}
}
