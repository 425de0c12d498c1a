package eventsourced

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// ErrEvent says that an event cannot be emitted. [Context.Emit] panics with it: the program lacks a handler or a
// proper type, and the command must not go on as if the event had happened.
var ErrEvent = errors.New("event cannot be emitted")

// Context is what a command handler is given for one command.
type Context struct {
	*cloudstate.Context
	entityID  string
	commandID int64
	events    []*anypb.Any
	apply     func(*anypb.Any) error
}

// EntityID returns the key of the instance, as the proxy read it from the command.
func (c *Context) EntityID() string {
	return c.entityID
}

// CommandID returns the number of the command on its stream, from 1.
func (c *Context) CommandID() int64 {
	return c.commandID
}

// Emit states that events have happened: each is applied to the state at once, by its [Event] handler, and they are
// stored together, in order, before the caller gets the reply (SPEC ES-19, ES-20). The value may be changed or used
// again afterwards. Panics with [ErrEvent].
func (c *Context) Emit(events ...any) {
	for _, event := range events {
		encoded, err := payload.Encode(event)
		if err != nil {
			wire.Abort(fmt.Errorf("%w: %w", ErrEvent, err))
		}
		// First in the list, then applied: should the handler panic, the state is known to have been touched.
		c.events = append(c.events, encoded)
		// What was encoded is applied, not the value itself: exactly as it will be replayed.
		if err := c.apply(encoded); err != nil {
			wire.Abort(fmt.Errorf("%w: %w", ErrEvent, err))
		}
	}
}
