package userfunction

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// late is a way to the user function on which the ends of connections are noticed only when they are released.
type late struct {
	held    atomic.Bool
	release chan struct{}
	// opaque hides the socket, as on a system where the kernel cannot be asked.
	opaque bool
}

func newLate(t *testing.T, p *Pool) *late {
	w := &late{release: make(chan struct{})}
	dial := p.dialTCP
	p.dialTCP = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		socket, ok := conn.(*net.TCPConn)
		if !ok {
			t.Errorf("a %T", conn)
		}
		if w.opaque {
			return &opaqueConn{Conn: &lateConn{socket, w}}, nil
		}
		return &lateConn{socket, w}, nil
	}
	return w
}

type lateConn struct {
	*net.TCPConn
	way *late
}

func (c *lateConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if err != nil && c.way.held.Load() {
		<-c.way.release
	}
	return n, err
}

type opaqueConn struct{ net.Conn }

// restarting is a user function that can be replaced by another one at the same address, between two instructions.
type restarting struct {
	t       testing.TB
	address string
	server  *grpc.Server
	now     *process
}

// process counts what one user function got.
type process struct {
	asked atomic.Bool
	early atomic.Int64 // calls and streams before it was asked
}

func restartable(t testing.TB) *restarting {
	r := &restarting{t: t, address: "127.0.0.1:0"}
	r.start()
	return r
}

func (r *restarting) start() {
	l := listen(r.t, r.address)
	proc := new(process)
	r.address, r.now = l.Addr().String(), proc
	r.server = echo(r.t, l, grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		switch {
		case info.FullMethod == cloudstate.EntityDiscovery_Discover_FullMethodName:
			proc.asked.Store(true)
		case !proc.asked.Load():
			proc.early.Add(1)
		}
		return handle(srv, s)
	}))
}

func (r *restarting) restart() {
	r.server.Stop()
	r.start()
}

func (r *restarting) addr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", r.address)
	check(r.t, err)
	return a
}

func (r *restarting) wantNothingEarly(t testing.TB) {
	t.Helper()
	if n := r.now.early.Load(); n > 0 {
		t.Errorf("%d calls and streams reached a user function that was not asked yet", n)
	}
}
