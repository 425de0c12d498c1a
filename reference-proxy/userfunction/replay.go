package userfunction

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxUnconfirmed bounds the bytes that a stream keeps for a second try before the user function has answered anything.
const maxUnconfirmed = 256 << 10

// replay is what a stream needs to begin again on another connection, after the user function refused it without
// having looked at it. It exists until the user function has answered anything. The stream's lock guards it.
type replay struct {
	messages [][]byte
	size     int
	closed   bool
	refusals int
	// running says that the stream is between two connections: the receiver sends what is in messages, and whoever
	// else sends only adds to them. cancel ends that.
	running bool
	cancel  context.CancelFunc
}

// sendUnconfirmed sends a message that may have to be sent again on another connection.
func (s *Stream) sendUnconfirmed(msg []byte) error {
	s.mu.Lock()
	if r := s.replay; r != nil {
		r.messages = append(r.messages, msg)
		r.size += len(msg)
		switch {
		case r.running:
			s.mu.Unlock()
			return nil
		case r.size > maxUnconfirmed:
			s.replay = nil
		}
	}
	a, client, repeatable := s.attempt, s.client, s.replay != nil
	s.mu.Unlock()
	err := client.SendMsg(&frame{bytes: msg})
	if repeatable && !s.ended.Load() && (errors.Is(err, io.EOF) || a.unseen(err)) {
		// Refused, perhaps. Recv finds out, and repeats the message on another connection, or tells why it cannot.
		return nil
	}
	return err
}

// confirm drops what was kept for a second try.
func (s *Stream) confirm() {
	s.mu.Lock()
	s.replay = nil
	s.mu.Unlock()
	s.confirmed.Store(true)
}

// mayStartAgain tells whether a stream that failed was refused unseen, and everything sent on it is still at hand. If
// so, it enters the state between two connections.
func (s *Stream) mayStartAgain(err error) bool {
	if errors.Is(err, io.EOF) {
		return false
	}
	if s.drained(err) {
		s.attempt.drained.Store(true)
	}
	if !s.attempt.unseen(err) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() || s.replay == nil {
		return false
	}
	s.replay.running = true
	s.replay.cancel = func() {}
	return true
}

// drained tells whether gRPC itself gave the stream up because the user function had said goodbye before it saw the
// stream. gRPC tries such a stream again, which [attempt.unseen] recognises; but when that happens while something is
// sent, the receiver is left with this error of the first try. A user function's own status comes with a content type.
func (s *Stream) drained(err error) bool {
	st, ok := status.FromError(err)
	return ok && st.Code() == codes.Unavailable && st.Message() == "the connection is draining" &&
		len(s.client.Trailer()) == 0
}

// startAgain opens the stream on another connection and sends there what was sent before. If it fails, the stream has
// ended.
func (s *Stream) startAgain(reason error) error {
	wait, cancel := context.WithCancel(s.life)
	defer cancel()
	s.mu.Lock()
	r := s.replay
	r.cancel = cancel
	ended := s.ended.Load()
	s.mu.Unlock()
	again, failure := s.attempt.failed(wait, reason, r.refusals)
	r.refusals++
	if ended {
		return errEnded
	}
	if !again {
		s.ended.Store(true)
		return failure
	}
	a, client, err := s.start(wait, r.refusals)
	if err != nil {
		s.ended.Store(true)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt, s.client = a, client
	r.cancel = a.cancel
	for i := 0; i < len(r.messages) && !s.ended.Load(); i++ {
		msg := r.messages[i]
		s.mu.Unlock()
		err := client.SendMsg(&frame{bytes: msg})
		s.mu.Lock()
		if err != nil {
			break // the next receive says why
		}
	}
	r.running = false
	switch {
	case s.ended.Load():
		a.done()
		return errEnded
	case r.size > maxUnconfirmed:
		s.replay = nil
	}
	if r.closed {
		return client.CloseSend()
	}
	return nil
}
