package wire

import (
	"fmt"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// Item is one thing received: a message, or undecodable bytes, or the end.
type Item[R proto.Message] struct {
	Msg R
	Bad *Undecodable
	End *End
}

// End is how the peer's side of a stream ended.
type End struct {
	// HalfClose is set, on the called side only, if the caller will send no more but still listens.
	HalfClose bool
	// Status is the call's status: what the called side stated, or why the stream broke. Nil for a half-close.
	Status *status.Status
	// Trailer holds the trailing metadata that came with the status, on the calling side.
	Trailer metadata.MD
}

// Error describes the end in words.
func (e *End) Error() string {
	if e.HalfClose {
		return "the end of the stream (half-close)"
	}
	return "the end of the stream, status " + statusText(e.Status)
}

// Undecodable is the error for a received message that is no protobuf message of the type that the protocol wants.
type Undecodable struct {
	Raw []byte
	Err error
}

// Error shows the bytes and the reason.
func (u *Undecodable) Error() string {
	return fmt.Sprintf("undecodable bytes %s: %v", trace.RawText(u.Raw, 0), u.Err)
}

// Unwrap returns the decoder's error.
func (u *Undecodable) Unwrap() error { return u.Err }

func statusText(s *status.Status) string {
	if s.Message() == "" {
		return s.Code().String()
	}
	return s.Code().String() + ": " + s.Message()
}
