package wire

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Failure states an error to the caller. A gRPC status error keeps its code; any other error, and one of code UNKNOWN,
// leaves the code unset, which means UNKNOWN. The text is made valid UTF-8: it could not be sent otherwise.
func Failure(commandID int64, err error) *protocol.Failure {
	failure := &protocol.Failure{
		CommandId:   commandID,
		Description: strings.ToValidUTF8(description(err), "\uFFFD"),
	}
	if code := status.Code(err); code != codes.Unknown && code != codes.OK {
		failure.GrpcStatusCode = int32(code)
	}
	return failure
}

// description is the text of an error, without the words that gRPC puts around the message of a status error.
func description(err error) string {
	var inner interface {
		error
		GRPCStatus() *status.Status
	}
	if !errors.As(err, &inner) {
		return err.Error()
	}
	return strings.Replace(err.Error(), inner.Error(), inner.GRPCStatus().Message(), 1)
}

// Guard calls f and turns a panic into an error of code INTERNAL that says only where it happened. Value and stack go
// to the log, not to a peer: they may hold what a caller must not see.
func Guard(log *slog.Logger, where string, f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			log.Error("panic in a handler", "where", where, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
			err = &PanicError{Where: where}
		}
	}()
	return f()
}

// Abort ends a handler whose program is at fault, so that it cannot go on as if what it asked for had been done. It
// panics with err; [Guard] contains it.
func Abort(err error) {
	panic(err) //nolint:forbidigo // the author's program is at fault, and its handlers have no other way out
}

// PanicError says that a handler panicked. As a gRPC status it is INTERNAL.
type PanicError struct {
	Where string // rpc or step, for a person
}

// Error implements error. The text is for callers and holds nothing of the panic itself.
func (e *PanicError) Error() string {
	return "unexpected failure in " + e.Where
}

// GRPCStatus makes the code known to package status.
func (e *PanicError) GRPCStatus() *status.Status {
	return status.New(codes.Internal, e.Error())
}
