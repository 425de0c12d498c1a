package intercept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// Relay accepts calls at one address and passes them to another. Its methods are safe for concurrent use.
type Relay struct {
	server *grpc.Server
	conn   *grpc.ClientConn
	served chan struct{}
	addr   string
	record *trace.Recorder
	amend  func(*cloudstate.EntitySpec) // nil: nothing is amended

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each new record
}

// Start listens at listen (host:port) and relays to frontend (host:port), recording into recorder. amend, unless it is nil, changes each answer to discover
// before it is recorded and passed on. Close the relay.
func Start(listen, frontend string, recorder *trace.Recorder, amend func(*cloudstate.EntitySpec)) (*Relay, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("intercept: listening at %s: %w", listen, err)
	}
	conn, err := grpc.NewClient("passthrough:///"+frontend,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec{}), grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)))
	if err != nil {
		_ = listener.Close() // the dialling error is the one to report
		return nil, fmt.Errorf("intercept: dialling %s: %w", frontend, err)
	}
	r := &Relay{conn: conn, served: make(chan struct{}), addr: listener.Addr().String(), record: recorder, amend: amend, changed: make(chan struct{})}
	r.server = grpc.NewServer(
		grpc.ForceServerCodecV2(wire.Codec{}), grpc.UnknownServiceHandler(r.relay), grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(math.MaxInt32), grpc.MaxSendMsgSize(math.MaxInt32))
	go func() {
		defer close(r.served)
		_ = r.server.Serve(listener) // ends with Stop; a broken listener shows as refused connections
	}()
	return r, nil
}

// Addr returns host:port where the relay listens.
func (r *Relay) Addr() string { return r.addr }

// Close drops all calls and stops listening.
func (r *Relay) Close() {
	r.server.Stop()
	<-r.served
	_ = r.conn.Close() // its calls are over already
}

// Reconnect makes the next call dial anew at once: a user function that was started again is reached without back-off.
func (r *Relay) Reconnect() {
	if r.conn.GetState() != connectivity.Ready {
		r.conn.ResetConnectBackoff()
		r.conn.Connect()
	}
}

// relay carries one call of any form: for gRPC on the wire each is a stream.
func (r *Relay) relay(_ any, in grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(in)
	call := &call{relay: r, method: method, id: r.record.NewStream()}
	headers, _ := metadata.FromIncomingContext(in.Context())
	sent := forwardable(headers)
	call.note(trace.Message{Kind: trace.Open, Metadata: sent}, true)

	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(in.Context(), sent))
	defer cancel()
	out, err := r.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		call.ended(in.Context(), err, nil)
		return err
	}
	go call.up(in, out, cancel) // ends with the call at the latest: in's context is done when this handler returns
	err = call.down(in, out)
	call.ended(in.Context(), err, out.Trailer())
	in.SetTrailer(out.Trailer())
	return err
}

// call is one call on its way through.
type call struct {
	relay  *Relay
	method string
	id     trace.StreamID
}

// up carries the proxy's messages and its half-close. It ends with the call.
func (c *call) up(in grpc.ServerStream, out grpc.ClientStream, cancel context.CancelFunc) {
	for {
		var frame wire.Frame
		err := in.RecvMsg(&frame)
		if errors.Is(err, io.EOF) {
			c.note(trace.Message{Kind: trace.HalfClose}, true)
			_ = out.CloseSend() // what became of the call shows in down
			return
		}
		if err != nil {
			cancel()
			return
		}
		c.note(decode(c.method, frame.Bytes, true), true)
		if out.SendMsg(&frame) != nil {
			return // the call has ended; down says how
		}
	}
}

// down carries the user function's header and messages, and returns the status that ended the call.
func (c *call) down(in grpc.ServerStream, out grpc.ClientStream) error {
	if header, err := out.Header(); err == nil && len(header) > 0 {
		if err := in.SendHeader(forwardable(header)); err != nil {
			return err
		}
	}
	for {
		var frame wire.Frame
		err := out.RecvMsg(&frame)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.amend(&frame)
		c.note(decode(c.method, frame.Bytes, false), false)
		if err := in.SendMsg(&frame); err != nil {
			return err
		}
	}
}

// amend changes an answer to discover as [Start] was told to. What cannot be read passes as it is.
func (c *call) amend(frame *wire.Frame) {
	if c.relay.amend == nil || c.method != cloudstate.EntityDiscovery_Discover_FullMethodName {
		return
	}
	spec := &cloudstate.EntitySpec{}
	if proto.Unmarshal(frame.Bytes, spec) != nil {
		return
	}
	c.relay.amend(spec)
	if amended, err := proto.Marshal(spec); err == nil {
		frame.Bytes = amended
	}
}

// ended records how the call ended: by the proxy's cancellation, or with the user function's status.
func (c *call) ended(in context.Context, err error, trailer metadata.MD) {
	if in.Err() != nil {
		c.note(trace.Message{Kind: trace.Cancel, Code: codes.Canceled, Reason: "the proxy cancelled the call or its connection was lost"}, true)
		return
	}
	st := status.Convert(err)
	c.note(trace.Message{Kind: trace.Status, Code: st.Code(), Reason: st.Message(), Metadata: trailer}, false)
}

func (c *call) note(m trace.Message, up bool) {
	m.From, m.To = trace.Proxy, trace.Frontend
	if !up {
		m.From, m.To = m.To, m.From
	}
	m.Stream, m.Method = c.id, c.method
	c.relay.record.Record(m)
	c.relay.mu.Lock()
	close(c.relay.changed)
	c.relay.changed = make(chan struct{})
	c.relay.mu.Unlock()
}

// Messages returns what passed since the recorder was last reset, leaving out what others recorded (such as the kit's client).
func (r *Relay) Messages() []trace.Message {
	var own []trace.Message
	for _, m := range r.record.Messages() {
		if m.From != trace.Client && m.To != trace.Client {
			own = append(own, m)
		}
	}
	return own
}

// Await waits until accept is true of [Relay.Messages]. When ctx ends first the error is a *trace.Mismatch.
func (r *Relay) Await(ctx context.Context, what string, accept func([]trace.Message) bool) error {
	start := time.Now()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		messages := r.Messages()
		if accept(messages) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &trace.Mismatch{
				Where:    "between proxy and user function",
				Expected: what,
				Got:      fmt.Sprintf("%d other messages within %s", len(messages), time.Since(start).Round(time.Millisecond)),
				Cause:    ctx.Err(),
			}
		}
	}
}

// forwardable drops the headers that belong to one hop: gRPC sets them itself on the next.
func forwardable(md metadata.MD) metadata.MD {
	out := metadata.MD{}
	for key, values := range md {
		switch {
		case strings.HasPrefix(key, ":"), key == "content-type", key == "user-agent", key == "te":
		case strings.HasPrefix(key, "grpc-") && key != "grpc-trace-bin" && key != "grpc-tags-bin":
		default:
			out[key] = values
		}
	}
	return out
}
