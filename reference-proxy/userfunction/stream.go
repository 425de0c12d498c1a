package userfunction

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// Stream is one open stream to the user function. One goroutine may send while another one receives; Cancel may be
// called by any. The owner must end it, by receiving until there is an error, or by Cancel.
type Stream struct {
	lane   *lane
	method string
	life   context.Context
	in     frame
	out    frame

	// confirmed is set once the user function has answered anything: from then on the stream stays where it is, and
	// client and attempt do not change any more.
	confirmed atomic.Bool
	ended     atomic.Bool

	mu      sync.Mutex
	attempt *attempt
	client  grpc.ClientStream
	replay  *replay
}

var (
	streamDesc = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	// keepLittle lets gRPC forget what was sent when we do. Until then it finds out whether a stream was refused.
	keepLittle = grpc.MaxRetryRPCBufferSize(maxUnconfirmed)
)

// EntityStream opens a stream that lives as long as its entity instance. ctx bounds only the wait for a connection
// with room; the stream outlives it, and no deadline of it reaches the user function.
func (p *Pool) EntityStream(ctx context.Context, method string) (*Stream, error) {
	return p.open(ctx, context.Background(), method)
}

// ActionStream opens a stream for one streamed call. ctx is the call's: its deadline travels to the user function and
// its end cancels the stream.
func (p *Pool) ActionStream(ctx context.Context, method string) (*Stream, error) {
	return p.open(ctx, ctx, method)
}

func (p *Pool) open(wait, life context.Context, method string) (*Stream, error) {
	s := &Stream{lane: p.streams, method: method, life: life, replay: new(replay)}
	var err error
	s.attempt, s.client, err = s.start(wait, 0)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// start opens the stream on some connection. It waits for room as long as wait allows.
func (s *Stream) start(wait context.Context, refusals int) (*attempt, grpc.ClientStream, error) {
	for ; ; refusals++ {
		ctx, cancel := context.WithCancel(s.life)
		a := &attempt{cancel: cancel}
		if err := s.lane.reserve(wait, a, s.lane.pool.cfg.ReadyWait); err != nil {
			cancel()
			return nil, nil, err
		}
		stop := context.AfterFunc(wait, cancel)
		client, err := a.link.client.NewStream(ctx, streamDesc, s.method, grpc.PerRPCCredentials(a), keepLittle)
		if err == nil && !a.opened() {
			err = errTriedAlready
		}
		if !stop() {
			err = status.FromContextError(wait.Err()).Err()
		}
		if err == nil {
			return a, client, nil
		}
		if again, failure := a.failed(wait, err, refusals); !again {
			return nil, nil, failure
		}
	}
}

// Send queues one message. The stream owns msg from here on: the caller must not change it any more. It blocks while
// the user function does not take what was sent before (flow control). io.EOF means that the stream has ended: Recv
// says why.
func (s *Stream) Send(msg []byte) error {
	if s.confirmed.Load() {
		s.out.bytes = msg
		err := s.client.SendMsg(&s.out)
		s.out.bytes = nil
		return err
	}
	return s.sendUnconfirmed(msg)
}

// Recv waits for one message. The caller may keep it. io.EOF means that the user function ended the stream in good
// order; any other error is its status, or one of this package's. After an error the stream is gone.
func (s *Stream) Recv() ([]byte, error) {
	for {
		err := s.client.RecvMsg(&s.in)
		if err == nil {
			if !s.confirmed.Load() {
				s.confirm()
			}
			msg := s.in.bytes
			s.in.bytes = nil
			return msg, nil
		}
		if s.mayStartAgain(err) {
			if err = s.startAgain(err); err == nil {
				continue
			}
			return nil, err
		}
		failure := s.attempt.link.explain(err)
		s.Cancel()
		return nil, failure
	}
}

// CloseSend tells the user function that nothing more will be sent (half-close). It must not run beside Send.
func (s *Stream) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replay != nil {
		s.replay.closed = true
		if s.replay.running {
			return nil
		}
	}
	return s.client.CloseSend()
}

// Cancel ends the stream at once. It may be called at any time, by anyone, and more than once.
func (s *Stream) Cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Swap(true) {
		return
	}
	if s.replay != nil && s.replay.running {
		s.replay.cancel()
		return
	}
	s.attempt.done()
}

// errEnded is what Recv gives after Cancel.
var errEnded = status.FromContextError(context.Canceled).Err()
