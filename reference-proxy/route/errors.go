package route

import (
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

var (
	// ErrNoReply means that the user function's final answer to a call with a unary response has
	// no reply (SERV-31).
	ErrNoReply = errors.New("the user function sent no reply")
	// ErrReplyType means that the reply is of another type than the method's output (SERV-09).
	ErrReplyType = errors.New("the user function replied with the wrong type")
	// ErrTooManyHops means that a chain of forwards did not end (FWD-19).
	ErrTooManyHops = errors.New("too many forwards")
	// ErrStreamedTarget means that a call with a unary response was forwarded to a method with a
	// streamed one (FWD-21).
	ErrStreamedTarget = errors.New("forwarded to a method with a streamed response")
	// ErrBusy means that the node has as many calls in flight as it may (LIM-10).
	ErrBusy = errors.New("too many calls in flight")
	// ErrKeyTooLong means that the entity id has more than MaxKeyBytes (LIM-18).
	ErrKeyTooLong = errors.New("entity id too long")
)

// StatedFailure is a failure that the user function answered with (SERV-10).
type StatedFailure struct{ Failure *cloudstate.Failure }

func (e *StatedFailure) Error() string { return e.Failure.GetDescription() }

// TargetError is a forward or side effect to something that the user function does
// not serve (FWD-07, FWD-08).
type TargetError struct {
	Service, Command string
	// KnownService tells that only the command is unknown.
	KnownService bool
	// Trail says how the command came about, latest hop first.
	Trail string
}

func (e *TargetError) Error() string {
	if e.KnownService {
		return fmt.Sprintf("Service [%s] does not have a command named: [%s]%s", e.Service, e.Command, e.Trail)
	}
	return fmt.Sprintf("Service [%s] unknown%s", e.Service, e.Trail)
}
