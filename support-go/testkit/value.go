package testkit

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// Value is a kit for one value entity whose value is an S. It keeps what a proxy would have stored of it.
type Value[S any] struct {
	entity
	stored *anypb.Any // nil: there is no value
	live   *stream    // nil: the next command meets a new instance
}

// NewValue makes a kit for the entity of this id, which has no value yet. service is value.New's, checked as a server
// checks it at start.
func NewValue[S any](t T, service cloudstate.Service, entityID string) *Value[S] {
	t.Helper()
	k := &Value[S]{entity: loadEntity(t, service, entityID, "NewValue")}
	t.Cleanup(k.passivate)
	return k
}

// Given stores a value, as if the entity had been given it before. The next command meets a new instance that starts
// from it. A value that the entity cannot start from ends the test.
func (k *Value[S]) Given(value S) {
	k.t.Helper()
	k.passivate()
	k.stored = encode(k.t, "Given", value)
	k.verify("Given")
}

// Run sends a command and returns the answer; what it changes counts as stored. method is the rpc's name or full name,
// such as the generated constant pb.<Service>_<Method>_FullMethodName; metadata is what a caller's headers would be. A
// panic, and a value from which no instance can start, end the test.
func (k *Value[S]) Run(method string, message proto.Message, metadata ...cloudstate.Entry) *Result {
	k.t.Helper()
	if k.live == nil {
		k.commands = 0
	}
	command := k.command(method, message, metadata)
	if k.live == nil {
		k.live = k.activate()
	}
	out := &pb.ValueEntityStreamOut{}
	err := k.live.send(&pb.ValueEntityStreamIn{Message: &pb.ValueEntityStreamIn_Command{Command: command}})
	if err == nil || errors.Is(err, errOver) {
		err = k.live.receive(out)
	}
	if failure := out.GetFailure(); failure != nil {
		err = errors.New(failure.GetDescription())
	}
	if err != nil {
		k.broken(command.GetName(), err)
	}
	return k.settle(command.GetName(), out.GetReply())
}

// settle does with a reply what a proxy does.
func (k *Value[S]) settle(command string, reply *pb.ValueEntityReply) *Result {
	k.t.Helper()
	result := &Result{t: k.t, command: command}
	result.setAction(reply.GetClientAction())
	result.setEffects(reply.GetSideEffects())
	switch change := reply.GetStateAction().GetAction().(type) {
	case *pb.ValueEntityAction_Update:
		result.Updated = true
		k.stored = change.Update.GetValue()
		k.verify(command)
	case *pb.ValueEntityAction_Delete:
		result.Deleted = true
		k.stored = nil
	}
	return result
}

// Restart ends the instance, as a proxy does with an idle one: the next command meets a new one, made from the stored
// value.
func (k *Value[S]) Restart() { k.passivate() }

// State returns a copy of the stored value; without one it is an empty message, or the zero S.
func (k *Value[S]) State() S {
	k.t.Helper()
	if k.stored == nil {
		return payload.Empty[S]()
	}
	value, err := payload.Decode[S](k.stored)
	if err != nil {
		k.t.Fatalf("testkit: the value of %s: %v", k.service.Name(), err)
	}
	return value
}

// Exists tells whether there is a value.
func (k *Value[S]) Exists() bool { return k.stored != nil }

// activate has the library make an instance from what is stored.
func (k *Value[S]) activate() *stream {
	made := k.call(context.Background(), "handle")
	// Should the handler have ended already, who waits for its answer is told why.
	_ = made.send(&pb.ValueEntityStreamIn{Message: &pb.ValueEntityStreamIn_Init{Init: &pb.ValueEntityInit{
		ServiceName: k.service.Name(), EntityId: k.id, State: &pb.ValueEntityInitState{Value: k.stored},
	}}})
	return made
}

// verify has another instance start from what is stored.
func (k *Value[S]) verify(where string) {
	k.t.Helper()
	if err := k.activate().finish(&pb.ValueEntityStreamOut{}); err != nil {
		k.broken(where+": no instance can start from the stored value", err)
	}
}

// passivate ends the instance that lives, if one does.
func (k *Value[S]) passivate() {
	if k.live != nil {
		// An instance that has failed was told of; one that is idle ends without error.
		_ = k.live.finish(&pb.ValueEntityStreamOut{})
		k.live = nil
	}
}
