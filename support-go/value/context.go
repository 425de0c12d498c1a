package value

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// ErrState says that a value cannot be encoded, or that a stored one cannot be read. [Context.Update] and
// [Context.State] panic with it: the command must not go on as if it had worked.
var ErrState = errors.New("value cannot be used as state")

// Context is what a command handler is given for one command of an entity whose value is of type S.
type Context[S any] struct {
	*cloudstate.Context
	entityID  string
	commandID int64
	state     *anypb.Any            // encoded, nil when there is none; as changed by this command
	action    *pb.ValueEntityAction // the net change by this command, nil for none
}

// EntityID returns the key of the instance, as the proxy read it from the command.
func (c *Context[S]) EntityID() string {
	return c.entityID
}

// CommandID returns the number of the command on its stream, from 1.
func (c *Context[S]) CommandID() int64 {
	return c.commandID
}

// State returns a copy of the value, which the handler may change freely: only [Context.Update] has an effect. It is
// what this command last set; without a value it is an empty message, or the zero S.
func (c *Context[S]) State() S {
	if c.state == nil {
		return payload.Empty[S]()
	}
	value, err := payload.Decode[S](c.state)
	if err != nil {
		wire.Abort(fmt.Errorf("%w: %w", ErrState, err))
	}
	return value
}

// Exists tells whether there is a value.
func (c *Context[S]) Exists() bool {
	return c.state != nil
}

// Update replaces the value, or creates it. Only the last change of a command is stored (SPEC VE-12), before the
// caller gets the reply. The value may be changed or used again afterwards. Panics with [ErrState].
func (c *Context[S]) Update(value S) {
	encoded, err := payload.Encode(value)
	if err != nil {
		wire.Abort(fmt.Errorf("%w: %w", ErrState, err))
	}
	c.state = encoded
	c.action = &pb.ValueEntityAction{Action: &pb.ValueEntityAction_Update{
		Update: &pb.ValueEntityUpdate{Value: encoded},
	}}
}

// Delete removes the value. The instance lives on, and a later Update creates the value anew (SPEC VE-14, VE-15).
func (c *Context[S]) Delete() {
	c.state = nil
	c.action = &pb.ValueEntityAction{Action: &pb.ValueEntityAction_Delete{Delete: &pb.ValueEntityDelete{}}}
}
