package userfunction

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The reasons for which a call or stream fails without the user function having said so. Test with [errors.Is].
// An error that matches none of them is the user function's own gRPC status, or the end of the caller's context.
var (
	// ErrUnavailable says that the user function cannot be reached, or that the connection broke in the middle.
	// A call that failed with it may or may not have been processed. Its gRPC status is UNAVAILABLE.
	ErrUnavailable = errors.New("user function unavailable")
	// ErrNoRoom says that every connection is full and no further one may be opened, for as long as the caller was
	// ready to wait. Nothing was sent. Its gRPC status is RESOURCE_EXHAUSTED.
	ErrNoRoom = errors.New("no room for another stream to the user function")
	// ErrClosed says that the pool was closed. Its gRPC status is UNAVAILABLE.
	ErrClosed = errors.New("connections to the user function are closed")
)

// failure is how the sentinels above reach callers: with a text that says where and why, a gRPC status, and the cause.
type failure struct {
	kind  error
	code  codes.Code
	text  string
	cause error
}

// Error gives the text, with the cause appended.
func (f *failure) Error() string {
	if f.cause == nil {
		return f.text
	}
	return f.text + ": " + f.cause.Error()
}

// Unwrap makes both the sentinel and the cause visible to errors.Is and errors.As.
func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// GRPCStatus lets status.Code choose the code that the sentinel stands for.
func (f *failure) GRPCStatus() *status.Status {
	return status.New(f.code, f.Error())
}

func unavailable(text string, cause error) error {
	return &failure{kind: ErrUnavailable, code: codes.Unavailable, text: text, cause: cause}
}

func noRoom(text string, cause error) error {
	return &failure{kind: ErrNoRoom, code: codes.ResourceExhausted, text: text, cause: cause}
}

func closedError() error {
	return &failure{kind: ErrClosed, code: codes.Unavailable, text: ErrClosed.Error()}
}
