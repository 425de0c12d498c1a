package match

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/crdt"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// Owner is whom a call is for; empty for calls that are for the whole user function.
type Owner struct {
	// Service is the full name of the entity's or action's service.
	Service string
	// ID is the entity id; for an action it is the command's name.
	ID string
}

// OwnerOf reads the owner from the first message of a call.
func OwnerOf(first proto.Message) Owner {
	switch m := first.(type) {
	case *eventsourced.EventSourcedStreamIn:
		return Owner{m.GetInit().GetServiceName(), m.GetInit().GetEntityId()}
	case *valueentity.ValueEntityStreamIn:
		return Owner{m.GetInit().GetServiceName(), m.GetInit().GetEntityId()}
	case *crdt.CrdtStreamIn:
		return Owner{m.GetInit().GetServiceName(), m.GetInit().GetEntityId()}
	case *action.ActionCommand:
		return Owner{m.GetServiceName(), m.GetName()}
	}
	return Owner{}
}

// Step is one message of a call with its place in the whole trace.
type Step struct {
	trace.Message
	// Index counts from 0 over all messages of the trace.
	Index int
}

// Call is one call of a trace.
type Call struct {
	Stream   trace.StreamID
	Method   string
	From, To trace.Party
	Owner    Owner
	Steps    []Step
	// Last is set for the last call of an entity instance. How it ends is open: whether the proxy had passivated the instance when the recording
	// ended is its own affair.
	Last bool
}

// Key tells what a call is compared with: the nth call of a key in one conversation with the nth in another.
type Key struct {
	Method string
	Owner  Owner
}

// Key returns the call's key.
func (c *Call) Key() Key { return Key{c.Method, c.Owner} }

// Where names the call for people.
func (c *Call) Where() string {
	return fmt.Sprintf("stream %d, %s", c.Stream, c.Key())
}

// String names the key for people.
func (k Key) String() string {
	text := strings.TrimPrefix(k.Method, "/")
	text = text[strings.LastIndexByte(text[:max(strings.LastIndexByte(text, '/'), 0)], '.')+1:]
	if k.Owner != (Owner{}) {
		text += " of " + k.Owner.Service + " " + k.Owner.ID
	}
	return text
}

// StepOf returns what was received live as a step.
func StepOf[R proto.Message](item wire.Item[R]) Step {
	switch {
	case item.Bad != nil:
		return Step{Message: trace.Message{Kind: trace.Data, Raw: item.Bad.Raw, Size: len(item.Bad.Raw)}}
	case item.End != nil && item.End.HalfClose:
		return Step{Message: trace.Message{Kind: trace.HalfClose}}
	case item.End != nil:
		return Step{Message: trace.Message{Kind: trace.Status, Code: item.End.Status.Code(), Reason: item.End.Status.Message()}}
	}
	return Step{Message: trace.Message{Kind: trace.Data, Payload: item.Msg}}
}

// Single tells whether the caller of method sends one message only.
func Single(method string) bool {
	return !entity(method) && method != action.ActionProtocol_HandleStreamedIn_FullMethodName && method != action.ActionProtocol_HandleStreamed_FullMethodName
}

// Consequences returns the commands that an answer asks the proxy for: its forward, if there is one, and its side effects.
func Consequences(answer proto.Message) (*cloudstate.Forward, []*cloudstate.SideEffect) {
	switch m := answer.(type) {
	case *eventsourced.EventSourcedStreamOut:
		return m.GetReply().GetClientAction().GetForward(), m.GetReply().GetSideEffects()
	case *valueentity.ValueEntityStreamOut:
		return m.GetReply().GetClientAction().GetForward(), m.GetReply().GetSideEffects()
	case *crdt.CrdtStreamOut:
		return m.GetReply().GetClientAction().GetForward(), m.GetReply().GetSideEffects()
	case *action.ActionResponse:
		return m.GetForward(), m.GetSideEffects()
	}
	return nil, nil
}

// Up tells whether the caller sent the step's message.
func (s Step) Up() bool { return !s.IsAnswer() }

// Calls takes a trace apart into its calls, in the order in which they begin. What is recorded of clients and proxies is left out: it is not
// the protocol's.
func Calls(messages []trace.Message) []*Call {
	var calls []*Call
	byStream := map[trace.StreamID]*Call{}
	for i, m := range messages {
		if m.From == trace.Client || m.To == trace.Client {
			continue
		}
		call := byStream[m.Stream]
		if call == nil {
			call = &Call{Stream: m.Stream, Method: m.Method, From: trace.Proxy, To: trace.Frontend}
			byStream[m.Stream] = call
			calls = append(calls, call)
		}
		if call.Owner == (Owner{}) && m.Kind == trace.Data && !m.IsAnswer() {
			call.Owner = OwnerOf(m.Payload)
		}
		call.Steps = append(call.Steps, Step{m, i})
	}
	last := map[Key]*Call{}
	for _, call := range calls {
		if entity(call.Method) {
			last[call.Key()] = call
		}
	}
	for _, call := range last {
		call.Last = call.endsQuietly()
	}
	return calls
}

// entity tells whether the calls of method are the streams of entity instances, which live as long as the proxy wants.
func entity(method string) bool {
	return method == eventsourced.EventSourced_Handle_FullMethodName || method == valueentity.ValueEntity_Handle_FullMethodName ||
		method == crdt.Crdt_Handle_FullMethodName
}

// endsQuietly tells whether the user function did not end the call with a failure.
func (c *Call) endsQuietly() bool {
	for _, step := range c.Steps {
		if step.Kind == trace.Status && step.Code != 0 {
			return false
		}
	}
	return true
}

// Body returns the call's steps without those that may be different by the rules: headers, and how the last call of an instance ends.
func (c *Call) Body() []Step {
	var body []Step
	for _, step := range c.Steps {
		if step.Kind == trace.Open || c.Last && step.Kind != trace.Data {
			continue
		}
		body = append(body, step)
	}
	return body
}

// Repeatable tells whether a proxy may make calls of the key as often as it likes: it may ask again what the user function serves.
func (k Key) Repeatable() bool { return k.Method == cloudstate.EntityDiscovery_Discover_FullMethodName }
