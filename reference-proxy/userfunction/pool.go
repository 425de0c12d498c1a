package userfunction

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Config says where the user function is and what may be asked of it. The zero value of every field but Port means
// its default.
type Config struct {
	// Host and Port are the user function's address; Host defaults to 127.0.0.1.
	Host string
	Port int
	// MaxMessageSize bounds each message received, in bytes. Default 12 MiB (LIM-01).
	MaxMessageSize int
}

// Pool holds the connections to one user function. All its methods may be called concurrently.
type Pool struct {
	cc           *grpc.ClientConn
	disconnected chan struct{}
}

// NewPool checks the configuration and returns a pool. It does not connect yet: the first call does.
func NewPool(cfg Config) (*Pool, error) {
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if cfg.MaxMessageSize == 0 {
		cfg.MaxMessageSize = 12 << 20
	}
	if cfg.Port < 1 || cfg.Port > 65535 {
		return nil, fmt.Errorf("user function port %d: give a port from 1 to 65535", cfg.Port)
	}
	cc, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(cfg.MaxMessageSize)))
	if err != nil {
		return nil, err
	}
	return &Pool{cc: cc, disconnected: make(chan struct{}, 1)}, nil
}

// Close ends every stream and connection and waits until they are gone. Calls after it fail with [ErrClosed].
func (p *Pool) Close() { _ = p.cc.Close() }

// Disconnected delivers one value each time the last usable connection to the user function was lost: the user
// function is gone, or was replaced. A connection that the user function closed politely (GOAWAY, or for being idle)
// or that the pool trimmed is not a loss, provided that the user function answers a new connection at once.
//
// It is always the same channel, with room for one value, meant for one receiver. A loss that nobody has taken yet is
// not delivered twice.
func (p *Pool) Disconnected() <-chan struct{} { return p.disconnected }

// Discover asks the user function what it serves (DISC-01). It waits, as long as ctx allows, for the user function to
// be reachable: a user function that appears is reached within about 100 ms.
func (p *Pool) Discover(ctx context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	spec := new(cloudstate.EntitySpec)
	if err := p.cc.Invoke(ctx, cloudstate.EntityDiscovery_Discover_FullMethodName, info, spec, grpc.WaitForReady(true)); err != nil {
		return nil, wrap(err)
	}
	return spec, nil
}

// ReportError tells the user function, in words, what is wrong with it (DISC-19).
func (p *Pool) ReportError(ctx context.Context, message string) error {
	spec := new(cloudstate.EntitySpec)
	return wrap(p.cc.Invoke(ctx, cloudstate.EntityDiscovery_ReportError_FullMethodName, &cloudstate.UserFunctionError{Message: message}, spec))
}

// EntityStream opens a stream that lives as long as its entity instance. ctx bounds only the wait for a connection
// with room; the stream outlives it, and no deadline of it reaches the user function. The caller must end the stream:
// by receiving until an error, or by Cancel.
func (p *Pool) EntityStream(ctx context.Context, method string) (*Stream, error) {
	return p.open(context.WithoutCancel(ctx), method)
}

// ActionStream opens a stream for one streamed call. ctx is the call's: its deadline travels to the user function and
// its end cancels the stream.
func (p *Pool) ActionStream(ctx context.Context, method string) (*Stream, error) {
	return p.open(ctx, method)
}

func (p *Pool) open(ctx context.Context, method string) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	cs, err := p.cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		cancel()
		return nil, wrap(err)
	}
	return &Stream{cs: cs, cancel: cancel}, nil
}

// ActionUnary makes one unary call. The pool owns in from here on; the result belongs to the caller.
func (p *Pool) ActionUnary(ctx context.Context, method string, in []byte) ([]byte, error) {
	out := frame{}
	if err := p.cc.Invoke(ctx, method, &frame{in}, &out); err != nil {
		return nil, wrap(err)
	}
	return out.bytes, nil
}

// Stream is one open stream to the user function. One goroutine may send while another one receives.
type Stream struct {
	cs     grpc.ClientStream
	cancel context.CancelFunc
}

// Send queues one message. The stream owns msg from here on: the caller must not change it any more. It blocks while
// the user function does not take what was sent before (flow control). io.EOF means that the stream has ended: Recv
// says why.
func (s *Stream) Send(msg []byte) error { return s.cs.SendMsg(&frame{msg}) }

// Recv waits for one message. The caller may keep it. io.EOF means that the user function ended the stream in good
// order; any other error is its status, or one of this package's. After an error the stream is gone.
func (s *Stream) Recv() ([]byte, error) {
	var f frame
	if err := s.cs.RecvMsg(&f); err != nil {
		s.cancel()
		return nil, wrap(err)
	}
	return f.bytes, nil
}

// CloseSend tells the user function that nothing more will be sent (half-close). It must not run beside Send.
func (s *Stream) CloseSend() error { return s.cs.CloseSend() }

// Cancel ends the stream at once. It may be called at any time, by anyone, and more than once.
func (s *Stream) Cancel() { s.cancel() }

func wrap(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if status.Code(err) == codes.Unavailable {
		return unavailable("user function", err)
	}
	return err
}
