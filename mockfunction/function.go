package mockfunction

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// DefaultMaxMessageSize bounds a message from the proxy, in bytes.
const DefaultMaxMessageSize = 64 << 20

// ErrRunning is returned by Start if the function already serves.
var ErrRunning = errors.New("mockfunction: already started")

// Config says what a [Function] answers. Only Spec is required.
type Config struct {
	// Spec is the answer to discover; [Function.SetSpec] replaces it.
	Spec *cloudstate.EntitySpec
	// Discover, if set, answers discover instead of Spec: to refuse, to be slow, or to look at the ProxyInfo first.
	Discover func(ctx context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error)
	// ReportError, if set, decides the answer to reportError; nil answers as the protocol wants. The report is kept in any case.
	ReportError func(ctx context.Context, message string) error
	// EventSourced, ValueEntity and Action answer streams that the script has not claimed; nil leaves all of that kind to the script.
	EventSourced EventSourcedBehaviour
	ValueEntity  ValueEntityBehaviour
	Action       ActionBehaviour
	// Recorder records what goes over the wire; nil records nothing.
	Recorder *trace.Recorder
	// Wait bounds each expectation; 0 means [wire.DefaultWait].
	Wait time.Duration
	// MaxConcurrentStreams is the limit that each HTTP/2 connection is told; 0 is no limit. See
	// [Function.SetMaxConcurrentStreams].
	MaxConcurrentStreams uint32
	// MaxConnectionAge and MaxConnectionIdle, if greater than 0, are how long a connection lasts, and how long it may be without a call, before the
	// proxy is told to make another one (GOAWAY). Calls that are open go on.
	MaxConnectionAge, MaxConnectionIdle time.Duration
	// MaxMessageSize bounds a received message, in bytes; 0 means [DefaultMaxMessageSize].
	MaxMessageSize int
}

// Function is a scripted user function. It can be started and stopped any number of times; what it has recorded and what the
// script has claimed stays. All methods are safe for concurrent use.
type Function struct {
	cfg          Config
	replay       *replay // nil: scripts and behaviours answer
	infos        *mailbox[*cloudstate.ProxyInfo]
	reports      *mailbox[string]
	eventSourced *mailbox[*EventSourced]
	valueEntity  *mailbox[*ValueEntity]
	action       *mailbox[*Action]

	connections connections

	mu     sync.Mutex
	spec   *cloudstate.EntitySpec
	limit  uint32
	claims map[Claim]int
	addr   string
	server *grpc.Server
	served chan struct{}
}

// New returns a function that does not serve yet.
func New(cfg Config) *Function {
	if cfg.Wait <= 0 {
		cfg.Wait = wire.DefaultWait
	}
	if cfg.MaxMessageSize <= 0 {
		cfg.MaxMessageSize = DefaultMaxMessageSize
	}
	return &Function{
		cfg:          cfg,
		spec:         cfg.Spec,
		limit:        cfg.MaxConcurrentStreams,
		claims:       make(map[Claim]int),
		infos:        newMailbox[*cloudstate.ProxyInfo](),
		reports:      newMailbox[string](),
		eventSourced: newMailbox[*EventSourced](),
		valueEntity:  newMailbox[*ValueEntity](),
		action:       newMailbox[*Action](),
	}
}

// retryListen is how long a restart tries for its old port, which may meanwhile have become a peer's source port.
const retryListen = 5 * time.Second

// Start listens on addr ("host:port", port 0 for any free one) and serves until [Function.Kill] or [Function.Stop]. An empty addr
// means the address of the last start, so that a function comes back where the proxy looks for it.
func (f *Function) Start(addr string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		return ErrRunning
	}
	if addr == "" {
		addr = f.addr
	}
	patience := time.Duration(0)
	if addr == f.addr {
		patience = retryListen
	}
	lis, err := listen(addr, patience)
	if err != nil {
		return fmt.Errorf("mockfunction: listen on %q: %w", addr, err)
	}
	opts := []grpc.ServerOption{
		grpc.ForceServerCodecV2(wire.Codec{}),
		grpc.MaxRecvMsgSize(f.cfg.MaxMessageSize),
		grpc.MaxSendMsgSize(1 << 30),
		grpc.UnknownServiceHandler(f.handle),
		grpc.WaitForHandlers(true),
		// Windows that do not grow: a stream that is not read holds its sender back, however fast it was before (ES-49, LIM-05).
		grpc.InitialWindowSize(64 << 10),
		grpc.InitialConnWindowSize(1 << 20),
		grpc.StatsHandler(&f.connections),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: f.cfg.MaxConnectionAge, MaxConnectionIdle: f.cfg.MaxConnectionIdle}),
	}
	if f.limit > 0 {
		opts = append(opts, grpc.MaxConcurrentStreams(f.limit))
	}
	server, served := grpc.NewServer(opts...), make(chan struct{})
	f.addr, f.server, f.served = lis.Addr().String(), server, served
	go func() {
		defer close(served)
		// Serve returns nil after Stop, and otherwise only when the listener is gone, which the script sees as refused connections.
		_ = server.Serve(lis)
	}()
	return nil
}

func listen(addr string, patience time.Duration) (net.Listener, error) {
	deadline := time.Now().Add(patience)
	for {
		lis, err := net.Listen("tcp", addr)
		if err == nil || time.Now().After(deadline) {
			return lis, err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Addr returns the address of the last start, with the true port.
func (f *Function) Addr() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addr
}

// Kill drops all connections at once and stops listening, as a process that dies does. It returns when no stream is being
// handled any more; streams that nobody took are forgotten. A function that is not started is left alone.
func (f *Function) Kill() { f.stop((*grpc.Server).Stop) }

// Stop stops listening, tells the peers to go away, and waits until the proxy and the behaviours have ended their streams.
// Streams that the script holds must be ended by it first.
func (f *Function) Stop() { f.stop((*grpc.Server).GracefulStop) }

// StopWithin is [Function.Stop] for so long and [Function.Kill] after that: what was sent arrives, if the peer takes it at all.
func (f *Function) StopWithin(d time.Duration) {
	f.stop(func(server *grpc.Server) {
		defer time.AfterFunc(d, server.Stop).Stop()
		server.GracefulStop()
	})
}

func (f *Function) stop(how func(*grpc.Server)) {
	f.mu.Lock()
	server, served := f.server, f.served
	f.server = nil
	f.mu.Unlock()
	if server == nil {
		return
	}
	how(server)
	<-served
	f.eventSourced.clear()
	f.valueEntity.clear()
	f.action.clear()
}

// SetSpec replaces the answer to discover, from the next request on.
func (f *Function) SetSpec(spec *cloudstate.EntitySpec) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spec = spec
}

// SetMaxConcurrentStreams sets the limit of streams for each connection, from the next start on; 0 is no limit.
func (f *Function) SetMaxConcurrentStreams(n uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = n
}

// Connections returns how many connections the function has accepted since it was made.
func (f *Function) Connections() int64 { return f.connections.begun.Load() }

// NextDiscovery waits for the next discover request that no earlier NextDiscovery has returned.
func (f *Function) NextDiscovery(ctx context.Context) (*cloudstate.ProxyInfo, error) {
	return next(ctx, f, f.infos, "a discover call", always[*cloudstate.ProxyInfo])
}

// NextReport waits for the next reportError that no earlier NextReport has returned, and returns its message.
func (f *Function) NextReport(ctx context.Context) (string, error) {
	return next(ctx, f, f.reports, "a reportError call", always[string])
}

// next waits in box for what match accepts; what names it for the mismatch.
func next[T any](ctx context.Context, f *Function, box *mailbox[T], what string, match func(T) bool) (T, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Wait)
	defer cancel()
	item, ok := box.take(ctx, match)
	if ok {
		return item, nil
	}
	return item, &trace.Mismatch{
		Where:    "user function at " + f.Addr(),
		Expected: what,
		Got:      fmt.Sprintf("nothing within %s", time.Since(began).Round(time.Millisecond)),
		Cause:    ctx.Err(),
	}
}

func always[T any](T) bool { return true }
