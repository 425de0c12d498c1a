package suite

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// Stream is an open call. One goroutine may send while another receives.
type Stream struct {
	client *Client
	method string
	id     trace.StreamID
	inner  grpc.ClientStream
	want   proto.Message // what received bytes are decoded as, for the record only
}

// Send sends m.
func (s *Stream) Send(m proto.Message) error {
	body, err := proto.Marshal(m)
	if err != nil {
		return &KitError{fmt.Errorf("message for %s: %w", s.method, err)}
	}
	return s.send(body, m)
}

// SendBytes sends body as it is. io.EOF means that the call has ended: Recv tells how.
func (s *Stream) SendBytes(body []byte) error { return s.send(body, nil) }

func (s *Stream) send(body []byte, decoded proto.Message) error {
	m := trace.Message{Kind: trace.Data, Size: len(body)}
	if decoded != nil {
		m.Payload = proto.Clone(decoded)
	} else {
		m.Raw = body
	}
	s.record(m, true)
	return s.inner.SendMsg(&wire.Frame{Bytes: body})
}

// CloseSend says that no more messages will be sent.
func (s *Stream) CloseSend() error {
	s.record(trace.Message{Kind: trace.HalfClose}, true)
	return s.inner.CloseSend()
}

// Recv receives one message into m. io.EOF is the end of the call with status OK.
func (s *Stream) Recv(m proto.Message) error {
	s.want = m
	body, err := s.RecvBytes()
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(body, m); err != nil {
		return fmt.Errorf("message of %s is no %s: %w", s.method, m.ProtoReflect().Descriptor().FullName(), err)
	}
	return nil
}

// RecvBytes receives the bytes of one message. io.EOF is the end of the call with status OK.
func (s *Stream) RecvBytes() ([]byte, error) {
	var frame wire.Frame
	if err := s.inner.RecvMsg(&frame); err != nil {
		s.ended(err)
		return nil, err
	}
	body := frame.Bytes
	m := trace.Message{Kind: trace.Data, Size: len(body), Raw: body}
	if s.want != nil {
		if decoded := s.want.ProtoReflect().New().Interface(); proto.Unmarshal(body, decoded) == nil {
			m.Payload, m.Raw = decoded, nil
		}
	}
	s.record(m, false)
	return body, nil
}

// Answer returns the response's header and trailer; the trailer is complete once the call has ended. Before the first
// message it waits for the header.
func (s *Stream) Answer() Answer {
	header, _ := s.inner.Header()
	return Answer{Header: header, Trailer: s.inner.Trailer()}
}

func (s *Stream) ended(err error) {
	m := trace.Message{Kind: trace.Status}
	if s.inner != nil {
		m.Metadata = s.inner.Trailer()
	}
	if !errors.Is(err, io.EOF) {
		st := status.Convert(err)
		m.Code, m.Reason = st.Code(), st.Message()
		if st.Code() == codes.Canceled {
			m.Kind = trace.Cancel
		}
	}
	s.record(m, false)
}

func (s *Stream) record(m trace.Message, sent bool) {
	m.From, m.To = s.client.from, s.client.to
	if !sent {
		m.From, m.To = m.To, m.From
	}
	m.Stream, m.Method = s.id, s.method
	s.client.recorder.Record(m)
}
