package testkit

import (
	"fmt"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// Result is what a user function answered to a command, decoded from what it sent. One of Reply, Forward and Failure is
// set; of an action perhaps none, which a caller that waits for a reply is told as INTERNAL (SPEC ACT-22).
type Result struct {
	Reply    proto.Message       // nil for none
	Metadata cloudstate.Metadata // of the reply
	Forward  *Call               // nil for none
	Failure  *status.Status      // as the caller sees it; nil for none
	Effects  []Effect            // in the order in which they were asked for

	Events    []any // event sourced: what the command emitted, protobuf messages, primitives or [JSON]
	Snapshot  any   // event sourced: the one that was due with the events, in the form of an event; nil for none
	Restarted bool  // event sourced: it failed after it had emitted, the next command meets a new instance (SPEC ES-32)

	Updated bool // value entity: the value was set
	Deleted bool // value entity: the value was removed

	t       T
	command string
}

// Call is a call that a user function asked the proxy for.
type Call struct {
	Method   string // full name, as the generated constants
	Message  proto.Message
	Metadata cloudstate.Metadata
}

// Effect is a side effect.
type Effect struct {
	Call
	Synchronous bool
}

// Reply returns the reply of a result as an M. Any other outcome ends the test.
func Reply[M proto.Message](r *Result) M {
	r.t.Helper()
	reply, ok := r.Reply.(M)
	if !ok {
		r.t.Fatalf("%s was answered with %s; want a reply %T", r.command, r.outcome(), reply)
	}
	return reply
}

// WantReply fails the test unless the outcome is this reply.
func (r *Result) WantReply(want proto.Message) {
	r.t.Helper()
	if r.Reply == nil {
		r.t.Errorf("%s was answered with %s; want the reply %v", r.command, r.outcome(), want)
	} else if diff := cmp.Diff(want, r.Reply, values); diff != "" {
		r.t.Errorf("%s: reply, want (-) and got (+):\n%s", r.command, diff)
	}
}

// WantFailure fails the test unless the outcome is a failure of this code. A handler's error that has no gRPC status is
// codes.Unknown.
func (r *Result) WantFailure(code codes.Code) {
	r.t.Helper()
	if r.Failure.Code() != code || code == codes.OK {
		r.t.Errorf("%s was answered with %s; want a failure of code %v", r.command, r.outcome(), code)
	}
}

// WantEvents fails the test unless the command emitted these events and no others, in this order. They are given as to
// Emit, and encoded as there before they are compared.
func (r *Result) WantEvents(want ...any) {
	r.t.Helper()
	encoded := make([]*anypb.Any, len(want))
	for i, event := range want {
		encoded[i] = encode(r.t, "WantEvents", event)
	}
	if diff := cmp.Diff(decodeAll(encoded), r.Events, values); diff != "" {
		r.t.Errorf("%s: events, want (-) and got (+):\n%s", r.command, diff)
	}
}

// values compares decoded payloads.
var values = cmp.Options{protocmp.Transform(), cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}

// outcome says what became of the command, for a person.
func (r *Result) outcome() string {
	switch {
	case r.Failure != nil:
		return fmt.Sprintf("the failure %v: %s", r.Failure.Code(), r.Failure.Message())
	case r.Forward != nil:
		return "a forward to " + r.Forward.Method
	case r.Reply != nil:
		return fmt.Sprintf("the reply %T {%v}", r.Reply, r.Reply)
	default:
		return "neither reply, forward nor failure"
	}
}

func (r *Result) setReply(reply *protocol.Reply) {
	r.Reply, _ = decode(reply.GetPayload()).(proto.Message)
	r.Metadata = cloudstate.MetadataOf(reply.GetMetadata())
}

// setFailure states a failure as a proxy states it to the caller: without a code it is UNKNOWN (SPEC SERV-10).
func (r *Result) setFailure(failure *protocol.Failure) {
	code := codes.Code(failure.GetGrpcStatusCode())
	if code == codes.OK {
		code = codes.Unknown
	}
	r.Failure = status.New(code, failure.GetDescription())
}

func (r *Result) setForward(forward *protocol.Forward) {
	target := callOf(forward)
	r.Forward = &target
}

func (r *Result) setEffects(effects []*protocol.SideEffect) {
	for _, effect := range effects {
		r.Effects = append(r.Effects, Effect{Call: callOf(effect), Synchronous: effect.GetSynchronous()})
	}
}

// setAction fills in what an entity answers its client.
func (r *Result) setAction(action *protocol.ClientAction) {
	switch outcome := action.GetAction().(type) {
	case *protocol.ClientAction_Reply:
		r.setReply(outcome.Reply)
	case *protocol.ClientAction_Forward:
		r.setForward(outcome.Forward)
	case *protocol.ClientAction_Failure:
		r.setFailure(outcome.Failure)
	}
}

// callOf reads a forward or a side effect.
func callOf(addressed interface {
	GetServiceName() string
	GetCommandName() string
	GetPayload() *anypb.Any
	GetMetadata() *protocol.Metadata
}) Call {
	message, _ := decode(addressed.GetPayload()).(proto.Message)
	return Call{
		Method:   "/" + addressed.GetServiceName() + "/" + addressed.GetCommandName(),
		Message:  message,
		Metadata: cloudstate.MetadataOf(addressed.GetMetadata()),
	}
}
