package mockproxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// The entity types that SPEC.md names, as EntitySpec and ProxyInfo carry them.
const (
	EventSourcedType = "cloudstate.eventsourced.EventSourced"
	ValueEntityType  = "cloudstate.valueentity.ValueEntity"
	CRDTType         = "cloudstate.crdt.Crdt"
	ActionType       = "cloudstate.action.ActionProtocol"
)

// maxMessageSize bounds a message from the user function, in bytes (LIM-01).
const maxMessageSize = 12 << 20

// Option changes how [Dial] sets a proxy up.
type Option func(*Proxy)

// WithRecorder has everything that goes over the wire recorded in r.
func WithRecorder(r *trace.Recorder) Option { return func(p *Proxy) { p.recorder = r } }

// WithWait bounds each expectation, beside its own context; the default is [wire.DefaultWait].
func WithWait(d time.Duration) Option { return func(p *Proxy) { p.wait = d } }

// Proxy is a scripted proxy, connected to one user function. Its methods are safe for concurrent use; a stream that it opens
// belongs to one script.
type Proxy struct {
	addr     string
	recorder *trace.Recorder
	wait     time.Duration
	conn     *grpc.ClientConn
}

// Dial prepares a connection to the user function at addr ("host:port"). It does not wait for the user function: the first call
// connects, and fails if nobody listens.
func Dial(addr string, opts ...Option) (*Proxy, error) {
	p := &Proxy{addr: addr}
	for _, opt := range opts {
		opt(p)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec{}), grpc.MaxCallRecvMsgSize(maxMessageSize)))
	if err != nil {
		return nil, fmt.Errorf("mockproxy: address %q: %w", addr, err)
	}
	p.conn = conn
	return p, nil
}

// Close ends the connection and all streams on it.
func (p *Proxy) Close() error { return p.conn.Close() }

// With returns a proxy on the same connection with options of its own, so that each test can have a recorder for itself. Closing
// either closes both.
func (p *Proxy) With(opts ...Option) *Proxy {
	q := *p
	for _, opt := range opts {
		opt(&q)
	}
	return &q
}

// Info returns a ProxyInfo for the given protocol version that supports all four entity types.
func Info(major, minor int32) *cloudstate.ProxyInfo {
	return &cloudstate.ProxyInfo{
		ProtocolMajorVersion: major,
		ProtocolMinorVersion: minor,
		ProxyName:            "cloudstate-mockproxy",
		ProxyVersion:         "0.2",
		SupportedEntityTypes: []string{ActionType, ValueEntityType, EventSourcedType, CRDTType},
	}
}

// Discover asks the user function what it serves.
func (p *Proxy) Discover(ctx context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	spec := &cloudstate.EntitySpec{}
	return spec, p.Call(ctx, cloudstate.EntityDiscovery_Discover_FullMethodName, info, spec)
}

// ReportError tells the user function of an error, as a proxy does when it finds the user function at fault.
func (p *Proxy) ReportError(ctx context.Context, message string) error {
	report := &cloudstate.UserFunctionError{Message: message}
	return p.Call(ctx, cloudstate.EntityDiscovery_ReportError_FullMethodName, report, &emptypb.Empty{})
}

// Call makes the unary call method and decodes the one answer into out. The error is a *trace.Mismatch unless the answer was one
// message followed by status OK.
func (p *Proxy) Call(ctx context.Context, method string, in, out proto.Message) error {
	stream, err := open[proto.Message](ctx, p, method, func() proto.Message { return out })
	if err != nil {
		return err
	}
	defer stream.Cancel()
	if err := ignoreEnded(stream.Send(in)); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(ctx); err != nil {
		return err
	}
	return stream.ExpectCompletion(ctx)
}

// ignoreEnded drops the error of sending on a stream that the peer has already ended: the status that follows says more.
func ignoreEnded(err error) error {
	var m *trace.Mismatch
	if errors.As(err, &m) {
		return nil
	}
	return err
}

// open starts a call and records that.
func open[S, R proto.Message](ctx context.Context, p *Proxy, method string, newR func() R) (*Stream[S, R], error) {
	ctx, cancel := context.WithCancel(ctx)
	cfg := wire.Config{
		Recorder: p.recorder,
		Stream:   p.recorder.NewStream(),
		Method:   method,
		Self:     trace.Proxy,
		Peer:     trace.Frontend,
		Wait:     p.wait,
	}
	desc := grpc.StreamDesc{StreamName: method, ClientStreams: true, ServerStreams: true}
	client, err := p.conn.NewStream(ctx, &desc, method)
	if err != nil {
		cancel()
		return nil, &trace.Mismatch{
			Where: method, Expected: "the user function at " + p.addr + " to accept the call", Got: err.Error(), Cause: err,
		}
	}
	cfg.Transport = client
	s := &Stream[S, R]{Conversation: wire.New[S](cfg, newR), client: client, cancel: cancel}
	md, _ := metadata.FromOutgoingContext(ctx)
	s.Note(trace.Message{Kind: trace.Open, Metadata: md}, true)
	return s, nil
}
