package userfunction

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// link is one connection to the user function, with the gRPC client that speaks on it. It lives as long as the
// connection: gRPC is not allowed to dial again, the lane decides about that.
type link struct {
	lane   *lane
	client *grpc.ClientConn
	raw    net.Conn
	// settled is closed when the connection has become usable or never will.
	settled chan struct{}
	// gone is set as soon as the connection is known to be dead, before any of its streams learn it.
	gone atomic.Bool

	// Guarded by the pool's lock.
	state     linkState
	limit     uint32
	active    int
	opening   []*attempt
	idleSince time.Time
	// epoch tells which user function the connection leads to, 0 when that is not known: see gate.go.
	epoch   uint64
	failure error
}

type linkState uint8

const (
	connecting linkState = iota
	// held: no streams yet, until it is known that its user function may be sent commands.
	held
	// usable: new streams may be opened.
	usable
	// retired: no new streams; closed when the last one has ended.
	retired
)

var (
	errSecondDial = errors.New("this connection is over")
	errGivenUp    = errors.New("gRPC gave the connection up")
)

// Times that concern a peer's machine rather than its program, which tells of its own end at once.
const (
	probeAfter    = 15 * time.Second
	probeInterval = 5 * time.Second
	probeCount    = 3
	// Servers answer pings that come more often than every five minutes with an end of the connection.
	pingAfter   = 6 * time.Minute
	pingTimeout = 20 * time.Second
)

// connect makes a connection; it is usable when settled is closed and state says so.
func (ln *lane) connect(ctx context.Context) (*link, error) {
	cfg := &ln.pool.cfg
	raw, err := ln.pool.dialTCP(ctx, "tcp", cfg.address())
	if err != nil {
		return nil, err
	}
	l := &link{lane: ln, raw: raw, settled: make(chan struct{}), limit: unlimited}
	watched := &watchedConn{Conn: raw, link: l, watcher: newWatcher(l)}
	var dialled atomic.Bool
	l.client, err = grpc.NewClient("passthrough:///"+cfg.address(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if dialled.Swap(true) {
				return nil, errSecondDial
			}
			return watched, nil
		}),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.WithUserAgent("cloudstate-proxy"),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(cfg.MaxMessageSize), grpc.MaxRetryRPCBufferSize(math.MaxInt)),
	)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	l.client.Connect()
	select {
	case <-l.settled:
	case <-ctx.Done():
		l.end(fmt.Errorf("connected, but no HTTP/2 SETTINGS came within %v", cfg.ConnectTimeout))
	}
	ln.pool.mu.Lock()
	err = l.failure
	ln.pool.mu.Unlock()
	if err != nil {
		dialled.Store(true)
		_ = l.client.Close()
		_ = watched.Close()
		return nil, err
	}
	return l, nil
}

// settings takes the limit that the user function states, at first and whenever it changes.
func (l *link) settings(limit uint32) {
	p := l.lane.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	l.limit = limit
	l.lane.lastLimit = limit
	switch l.state {
	case connecting:
		switch {
		case l.failure != nil:
		case p.closed:
			l.failure = closedError()
			close(l.settled)
		default:
			l.lane.add(l)
			close(l.settled)
		}
	case usable:
		for i := len(l.opening) - 1; i >= 0 && uint32(l.active) > limit; i-- {
			l.move(l.opening[i])
		}
		l.lane.serve()
	case held, retired: // no streams yet, or streams that end whatever the limit
	}
}

// goAway retires the connection: its streams go on, new ones go elsewhere.
func (l *link) goAway() {
	l.lane.pool.lost(l, nil)
}

// notHTTP2 explains a server that is not one.
func (l *link) notHTTP2(start []byte) {
	l.end(fmt.Errorf("it does not speak HTTP/2 in plain text (it began with %q); is this the user function's gRPC port?", start))
}

// end records that the connection is over.
func (l *link) end(reason error) {
	l.gone.Store(true)
	l.lane.pool.lost(l, reason)
}

// move tells an attempt that is about to open its stream here to do so elsewhere. The pool's lock is held.
func (l *link) move(a *attempt) {
	l.removeOpening(a)
	a.moved = true
	a.cancel()
	// Its place is given up at once, not when its owner gets to it.
	l.active--
}

func (l *link) removeOpening(a *attempt) {
	a.opening = false
	i := slices.Index(l.opening, a)
	last := len(l.opening) - 1
	l.opening[i] = l.opening[last]
	l.opening[last] = nil
	l.opening = l.opening[:last]
}

func (l *link) room() bool { return uint32(l.active) < l.limit }

// watchedConn shows everything that is read to a watcher, and the end of the connection to its link.
type watchedConn struct {
	net.Conn
	link    *link
	watcher watcher
}

// Read reads, and tells what it saw before gRPC sees it.
func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.watcher.feed(b[:n])
	if err != nil {
		c.link.end(err)
	}
	return n, err
}

// Close tells the link before it closes.
func (c *watchedConn) Close() error {
	c.link.end(errGivenUp)
	return c.Conn.Close()
}
