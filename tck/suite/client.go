package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// Client makes gRPC calls by method path, with messages or with bytes, and records them. It is safe for concurrent use.
// Errors are gRPC status errors as they came, so that [T.Status] can look at them; a message that cannot be encoded is a [KitError].
type Client struct {
	conn     *grpc.ClientConn
	recorder *trace.Recorder
	from, to trace.Party
}

// Client returns the case's client: of the proxy in proxy and pair cases, of the user function in frontend cases. It connects when it is first
// used, and is closed after the case.
func (t *T) Client() *Client {
	t.mu.Lock()
	client := t.client
	t.mu.Unlock()
	if client != nil {
		return client
	}
	var fresh *Client
	var err error
	if t.c.Kind == Frontend {
		fresh, err = NewClient(t.Frontend().Address, t.Trace(), trace.Proxy, trace.Frontend)
	} else {
		fresh, err = NewClient(t.Proxy().Address, t.Trace(), trace.Client, trace.Proxy)
	}
	if err != nil {
		t.KitFault(err)
	}
	t.Cleanup(fresh.Close)
	t.mu.Lock()
	t.client = fresh
	t.mu.Unlock()
	return fresh
}

// NewClient returns a client of its own connection to address (host:port), for cases that need several. Close it.
func NewClient(address string, recorder *trace.Recorder, from, to trace.Party) (*Client, error) {
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec{}), grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		// A target that is being started, or was just killed, is tried again soon: cases wait for it, and gRPC's own back-off grows to minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry())
	if err != nil {
		return nil, &KitError{fmt.Errorf("client of %s: %w", address, err)}
	}
	return &Client{conn: conn, recorder: recorder, from: from, to: to}, nil
}

// Close closes the connection; calls that are open end with CANCELLED.
func (c *Client) Close() { _ = c.conn.Close() }

// Answer is what came around the message of a call.
type Answer struct {
	Header, Trailer metadata.MD
}

// Unary makes a call of method ("/package.Service/Method") with request and decodes the reply into reply. md, when not nil,
// is sent as the request's metadata.
func (c *Client) Unary(ctx context.Context, method string, request, reply proto.Message, md metadata.MD) (Answer, error) {
	body, err := proto.Marshal(request)
	if err != nil {
		return Answer{}, &KitError{fmt.Errorf("request of %s: %w", method, err)}
	}
	got, answer, err := c.call(ctx, method, body, request, reply, md)
	if err != nil {
		return answer, err
	}
	if err := proto.Unmarshal(got, reply); err != nil {
		return answer, fmt.Errorf("reply of %s is no %s: %w", method, reply.ProtoReflect().Descriptor().FullName(), err)
	}
	return answer, nil
}

// UnaryBytes is [Client.Unary] with the bytes of request and reply as they are on the wire.
func (c *Client) UnaryBytes(ctx context.Context, method string, request []byte, md metadata.MD) ([]byte, Answer, error) {
	return c.call(ctx, method, request, nil, nil, md)
}

func (c *Client) call(ctx context.Context, method string, body []byte, request, reply proto.Message, md metadata.MD) ([]byte, Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.Stream(ctx, method, md)
	if err != nil {
		return nil, Answer{}, err
	}
	s.want = reply
	if err := s.send(body, request); err != nil && !errors.Is(err, io.EOF) {
		return nil, Answer{}, err
	}
	if err := s.CloseSend(); err != nil {
		return nil, Answer{}, err
	}
	got, err := s.RecvBytes()
	if errors.Is(err, io.EOF) {
		return nil, s.Answer(), status.Error(codes.Internal, "the call ended with status OK and without a message")
	}
	if err != nil {
		return nil, s.Answer(), err
	}
	if _, err := s.RecvBytes(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = status.Error(codes.Internal, "the call answered with more than one message")
		}
		return nil, s.Answer(), err
	}
	return got, s.Answer(), nil
}

// Stream opens a call of method with any number of messages both ways. It ends when the status has been received or ctx ends.
func (c *Client) Stream(ctx context.Context, method string, md metadata.MD) (*Stream, error) {
	if md != nil {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	s := &Stream{client: c, method: method, id: c.recorder.NewStream()}
	s.record(trace.Message{Kind: trace.Open, Metadata: md}, true)
	inner, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		s.ended(err)
		return nil, err
	}
	s.inner = inner
	return s, nil
}
