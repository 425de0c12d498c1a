package eventsourced

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// Handler is one part of an entity's definition, made by [Command], [Event], [Snapshot] or [Initial].
type Handler[S any] func(*Entity[S])

// command runs a command handler on the payload of a command. The error is what fails the command.
type command[S any] struct {
	method protoreflect.MethodDescriptor
	run    func(state *S, ctx *Context, request *anypb.Any) (proto.Message, error)
}

// event applies the payload of an event. The error says that the payload cannot be read.
type event[S any] func(state *S, payload *anypb.Any) error

type snapshots[S any] struct {
	take    func(state *S) (*anypb.Any, error)
	restore func(state *S, payload *anypb.Any) error
}

// Command handles an rpc, named by the generated constant pb.<Service>_<Method>_FullMethodName. The handler decides on
// the state and must not change it: it emits events instead. What it returns goes to the caller: a reply, unless it
// forwarded, or an error, which fails the command. It is called for one command of an instance at a time.
func Command[S any, In, Out proto.Message](
	method string, handle func(state *S, ctx *Context, command In) (Out, error),
) Handler[S] {
	return func(entity *Entity[S]) {
		entity.handlers = append(entity.handlers, rpc.Handler{
			Method: method, Input: rpc.NameOf[In](), Output: rpc.NameOf[Out](), Constructor: "eventsourced.Command",
		})
		descriptor, err := rpc.FindMethod(method)
		if err != nil {
			return // rpc.Check says what is wrong with the name
		}
		entity.commands[string(descriptor.Name())] = command[S]{
			method: descriptor,
			run: func(state *S, ctx *Context, request *anypb.Any) (proto.Message, error) {
				input, err := rpc.Input[In](request)
				if err != nil {
					return nil, err
				}
				return handle(state, ctx, input)
			},
		}
	}
}

// Event handles events of type E: a protobuf message, a primitive, or a type with a JSONType method (package payload).
// It changes the state, must give the same result each time, and cannot fail: the event has happened.
func Event[S, E any](handle func(state *S, event E)) Handler[S] {
	return func(entity *Entity[S]) {
		url, err := payload.TypeURL[E]()
		if err != nil {
			entity.errs = append(entity.errs, fmt.Errorf("eventsourced.Event: %w", err))
			return
		}
		if entity.events[url] != nil {
			entity.errs = append(entity.errs, fmt.Errorf("eventsourced.Event: %s has two handlers: remove one", url))
		}
		entity.events[url] = func(state *S, encoded *anypb.Any) error {
			decoded, err := payload.Decode[E](encoded)
			if err != nil {
				return err
			}
			handle(state, decoded)
			return nil
		}
	}
}

// Snapshot lets the entity have snapshots of type V, which may be what an [Event] may be: take returns the whole state,
// restore puts it into a new instance. Without it there are no snapshots, and each activation replays all events.
func Snapshot[S, V any](take func(state *S) V, restore func(state *S, snapshot V)) Handler[S] {
	return func(entity *Entity[S]) {
		if _, err := payload.TypeURL[V](); err != nil {
			entity.errs = append(entity.errs, fmt.Errorf("eventsourced.Snapshot: %w", err))
			return
		}
		if entity.snapshots != nil {
			entity.errs = append(entity.errs, errors.New("eventsourced.Snapshot is given twice: remove one"))
		}
		entity.snapshots = &snapshots[S]{
			take: func(state *S) (*anypb.Any, error) {
				return payload.Encode(take(state))
			},
			restore: func(state *S, encoded *anypb.Any) error {
				decoded, err := payload.Decode[V](encoded)
				if err != nil {
					return err
				}
				restore(state, decoded)
				return nil
			},
		}
	}
}

// Initial makes the state of an instance before any snapshot or event. Without it the state starts as the zero S.
func Initial[S any](create func(entityID string) *S) Handler[S] {
	return func(entity *Entity[S]) {
		if entity.initial != nil {
			entity.errs = append(entity.errs, errors.New("eventsourced.Initial is given twice: remove one"))
		}
		entity.initial = create
	}
}
