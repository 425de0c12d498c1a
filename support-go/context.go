package cloudstate

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// ErrTarget says that a forward or side effect is addressed to an rpc that cannot take it. The methods of [Context]
// panic with it: it is a mistake in the program, and the command must not go on as if the call had been made.
var ErrTarget = errors.New("forward or side effect cannot be addressed")

// Context is what the handlers of every kind are given for one command; each kind's own context embeds it. As a
// context.Context it ends when the proxy gives the stream or call up. It is valid until the handler returns, and is
// not for concurrent use.
type Context struct {
	context.Context
	method   protoreflect.MethodDescriptor
	metadata Metadata
	outcome  *Outcome
}

// Outcome is what a handler asked for besides its reply.
type Outcome struct {
	Forward       *protocol.Forward      // nil when the command is not forwarded
	SideEffects   []*protocol.SideEffect // in the order asked for
	ReplyMetadata Metadata
}

// NewContext is for packages that implement an entity kind. The methods of the context write into outcome.
func NewContext(
	parent context.Context, method protoreflect.MethodDescriptor, metadata Metadata, outcome *Outcome,
) *Context {
	return &Context{Context: parent, method: method, metadata: metadata, outcome: outcome}
}

// Metadata returns what came with the command: a gRPC caller's request headers, a forward's or side effect's metadata.
func (c *Context) Metadata() Metadata {
	return c.metadata
}

// AddReplyMetadata sends entries with the reply; the proxy makes them response headers (SPEC META-05).
func (c *Context) AddReplyMetadata(entries ...Entry) {
	c.outcome.ReplyMetadata = append(c.outcome.ReplyMetadata, entries...)
}

// Forward lets another rpc of this user function answer the caller. method is its full name, the generated constant
// pb.<Service>_<Method>_FullMethodName; its output type must be that of the rpc being handled (SPEC FWD-03). The
// forward takes the place of the reply, so the handler may return nil for that; a later Forward takes the place of an
// earlier one. The proxy performs it after what the command changed is durable. Panics with [ErrTarget].
func (c *Context) Forward(method string, message proto.Message, metadata ...Entry) {
	target, encoded, err := address(method, message)
	if err == nil && target.Output().FullName() != c.method.Output().FullName() {
		err = fmt.Errorf("%w: %s gives %s, %s needs %s", ErrTarget, method,
			target.Output().FullName(), c.method.FullName(), c.method.Output().FullName())
	}
	if err != nil {
		wire.Abort(err)
	}
	c.outcome.Forward = &protocol.Forward{
		ServiceName: string(target.Parent().FullName()),
		CommandName: string(target.Name()),
		Payload:     encoded,
		Metadata:    Metadata(metadata).Proto(),
	}
}

// SideEffect lets the proxy call another rpc of this user function, after what the command changed is durable, without
// waiting for it. Its outcome never reaches the caller (SPEC FWD-10). method is as for [Context.Forward]. A side effect
// of an entity's command that fails is not sent (ES-31, VE-18). Panics with [ErrTarget].
func (c *Context) SideEffect(method string, message proto.Message, metadata ...Entry) {
	c.sideEffect(method, message, false, metadata)
}

// SynchronousSideEffect is a [Context.SideEffect] that is finished before the next one is started and before the
// caller gets the reply (SPEC FWD-09).
func (c *Context) SynchronousSideEffect(method string, message proto.Message, metadata ...Entry) {
	c.sideEffect(method, message, true, metadata)
}

func (c *Context) sideEffect(method string, message proto.Message, synchronous bool, metadata Metadata) {
	target, encoded, err := address(method, message)
	if err != nil {
		wire.Abort(err)
	}
	c.outcome.SideEffects = append(c.outcome.SideEffects, &protocol.SideEffect{
		ServiceName: string(target.Parent().FullName()),
		CommandName: string(target.Name()),
		Payload:     encoded,
		Synchronous: synchronous,
		Metadata:    metadata.Proto(),
	})
}

func address(fullMethod string, message proto.Message) (protoreflect.MethodDescriptor, *anypb.Any, error) {
	target, err := rpc.FindMethod(fullMethod)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	if message == nil || target.Input().FullName() != message.ProtoReflect().Descriptor().FullName() {
		return nil, nil, fmt.Errorf("%w: %s takes *%s, not %T", ErrTarget, fullMethod, target.Input().FullName(), message)
	}
	encoded, err := payload.Encode(message)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrTarget, fullMethod, err)
	}
	return target, encoded, nil
}
