package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/reference-proxy/route"
)

// Config holds the limits of an [Edge]; all are positive. What is not a limit says so.
type Config struct {
	// MaxMessageSize bounds a client's message, in bytes (LIM-02).
	MaxMessageSize int
	// MaxStreams bounds the concurrent calls of one client connection.
	MaxStreams uint32
	// IdempotencyKeys is whether clients' idempotency keys are heeded (IDEM-02).
	IdempotencyKeys bool
	// Intercept, when not nil, has each call pass through it; for tests only.
	Intercept grpc.StreamServerInterceptor
}

// streamWorkers is how many goroutines serve call after call. A fresh one for each call would begin with a small stack
// and grow it on the way down through gRPC, every time; calls beyond these get a fresh one.
const streamWorkers = 128

// Edge serves clients. Its methods may be called concurrently.
type Edge struct {
	cfg     Config
	log     *slog.Logger
	server  *grpc.Server
	current atomic.Pointer[route.Router]
	health  *health

	inFlight atomic.Int64
	stopping atomic.Bool
	idle     chan struct{} // gets a value when, stopping, nothing is in flight
	stopped  chan struct{} // closed when the last call is answered
}

// New makes an edge that serves nothing yet: until [Edge.Publish] every call is
// answered UNAVAILABLE.
func New(cfg Config, log *slog.Logger) *Edge {
	e := &Edge{cfg: cfg, log: log, health: newHealth(), idle: make(chan struct{}, 1), stopped: make(chan struct{})}
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(cfg.MaxMessageSize),
		grpc.MaxConcurrentStreams(cfg.MaxStreams),
		grpc.UnknownServiceHandler(e.handle),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.StreamInterceptor(e.endless),
		// A connection that says nothing is kept (LIM-09); one whose peer is gone is not.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	if cfg.Intercept != nil {
		options = append(options, grpc.ChainStreamInterceptor(cfg.Intercept))
	}
	e.server = grpc.NewServer(options...)
	registerReflection(e.server, e)
	e.health.register(e.server)
	return e
}

// Publish serves what r routes, from the next call on.
func (e *Edge) Publish(r *route.Router) {
	e.current.Store(r)
	names := make([]string, 0, len(r.Function().Services))
	for _, s := range r.Function().Services {
		names = append(names, s.Name)
	}
	e.health.serving(names)
}

// Suspend answers every call UNAVAILABLE until the next Publish: the user function is
// gone, or what it now says of itself cannot be served (OPS-20, DISC-49).
func (e *Edge) Suspend() {
	e.current.Store(nil)
	e.health.notServing()
}

// StoreUsable says whether the store can be used, as it can until told otherwise. While it
// cannot, the edge is not ready; calls still come in, since not all need the store (OPS-04).
func (e *Edge) StoreUsable(usable bool) { e.health.storeUsable(usable) }

// Ready returns nil while calls are served, and otherwise ErrStopping, ErrNoStore or ErrNoFunction.
func (e *Edge) Ready() error { return e.health.unready() }

// Serve takes clients from l until Stop; it closes l.
func (e *Edge) Serve(l net.Listener) error {
	if err := e.server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serving clients on %s: %w", l.Addr(), err)
	}
	return nil
}

// Stop takes no more calls and waits for those in flight; when ctx ends first they
// are cut off (OPS-07, OPS-12, OPS-13). It is called once.
func (e *Edge) Stop(ctx context.Context) error {
	e.stopping.Store(true)
	e.health.shutdown()
	done := make(chan struct{})
	go func() { e.server.GracefulStop(); close(done) }()
	for e.inFlight.Load() > 0 {
		select {
		case <-e.idle:
		case <-ctx.Done():
			close(e.stopped)
			e.server.Stop()
			<-done
			return fmt.Errorf("calls in flight were cut off: %w", ctx.Err())
		}
	}
	close(e.stopped)
	<-done
	return nil
}

// endless ends, once the clients' calls are answered, the streams of our own services
// (health's Watch, reflection), which would otherwise last as long as their clients.
func (e *Edge) endless(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !strings.HasPrefix(info.FullMethod, "/grpc.") {
		return handler(srv, ss)
	}
	done := make(chan error, 1)
	go func() { done <- handler(srv, ss) }()
	select {
	case err := <-done:
		return err
	case <-e.stopped:
		return status.Error(codes.Unavailable, stoppingText)
	}
}

const stoppingText = "the proxy is stopping"

// enter counts a call in; the caller counts it out by leave.
func (e *Edge) enter() error {
	e.inFlight.Add(1)
	if e.stopping.Load() {
		e.leave()
		return status.Error(codes.Unavailable, stoppingText)
	}
	return nil
}

func (e *Edge) leave() {
	if e.inFlight.Add(-1) == 0 && e.stopping.Load() {
		select {
		case e.idle <- struct{}{}:
		default:
		}
	}
}

// handle takes every call to a service that the edge does not have itself.
func (e *Edge) handle(_ any, ss grpc.ServerStream) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	ctx := ss.Context()
	if !acceptsGzip(ctx) {
		// grpc-go answers in the request's encoding, whatever the client accepts (SERV-32).
		if err := grpc.SetSendCompressor(ctx, encoding.Identity); err != nil {
			return err
		}
	}
	path, _ := grpc.MethodFromServerStream(ss)
	r := e.current.Load()
	if r == nil {
		return status.Error(codes.Unavailable, e.health.whyNot())
	}
	m := r.Function().MethodByPath(path)
	if m == nil {
		return status.Errorf(codes.Unimplemented, "no service of the user function has the method %s", valid(path))
	}
	md, _ := metadata.FromIncomingContext(ctx)
	headers := commandMetadata(md)
	if len(headers) > maxCommandMetadata {
		return status.Errorf(codes.ResourceExhausted, "the request's headers add %d bytes to the command, which may be %d; send them in the message",
			len(headers), maxCommandMetadata)
	}
	if !m.ClientStreaming && !m.ServerStreaming {
		var key string
		if e.cfg.IdempotencyKeys {
			var err error
			if key, err = idempotencyKey(md); err != nil {
				return err
			}
		}
		var in frame
		if err := ss.RecvMsg(&in); err != nil {
			return err
		}
		reply, err := r.Unary(ctx, m, in.bytes, headers, key)
		if err != nil {
			return statusOf(err)
		}
		return send(ss, reply, true)
	}
	first := true
	recv := func() ([]byte, error) {
		var in frame
		err := ss.RecvMsg(&in)
		return in.bytes, err
	}
	err := r.Stream(ctx, m, headers, recv, func(reply *route.Reply) error {
		err := send(ss, reply, first)
		first = false
		return err
	})
	if err != nil {
		return statusOf(err)
	}
	return nil
}

func acceptsGzip(ctx context.Context) bool {
	accepted, err := grpc.ClientSupportedCompressors(ctx)
	return err == nil && slices.Contains(accepted, gzip.Name)
}

// send writes a reply, with its metadata as headers if it is the call's first.
func send(ss grpc.ServerStream, reply *route.Reply, first bool) error {
	if first && reply.Metadata != nil {
		if err := ss.SetHeader(responseHeaders(reply.Metadata)); err != nil {
			return err
		}
	}
	return ss.SendMsg(&frame{reply.Payload})
}
