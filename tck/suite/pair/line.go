package pair

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// line says in a few words what passed, so far as the standard fixes it. What a library may choose, such as the command id inside a failure, is left out.
func line(m trace.Message) string {
	switch m.Kind {
	case trace.Data:
		return described(m.Payload)
	case trace.Status:
		return "status " + m.Code.String()
	default:
		return m.Kind.String()
	}
}

func described(m proto.Message) string {
	switch m := m.(type) {
	case *eventsourced.EventSourcedStreamIn:
		switch {
		case m.GetInit() != nil:
			out := fmt.Sprintf("init %s", m.GetInit().GetServiceName())
			if snapshot := m.GetInit().GetSnapshot(); snapshot != nil {
				out += fmt.Sprintf(" snapshot %d %s", snapshot.GetSnapshotSequence(), value(snapshot.GetSnapshot()))
			}
			return out
		case m.GetEvent() != nil:
			return fmt.Sprintf("event %d %s", m.GetEvent().GetSequence(), value(m.GetEvent().GetPayload()))
		}
		return commanded(m.GetCommand())
	case *eventsourced.EventSourcedStreamOut:
		reply := m.GetReply()
		if reply == nil {
			return "top-level failure " + m.GetFailure().GetDescription()
		}
		out := answered(reply.GetCommandId(), reply.GetClientAction(), reply.GetSideEffects())
		for _, event := range reply.GetEvents() {
			out += ", event " + value(event)
		}
		if reply.GetSnapshot() != nil {
			out += ", snapshot " + value(reply.GetSnapshot())
		}
		return out
	case *valueentity.ValueEntityStreamIn:
		if init := m.GetInit(); init != nil {
			out := "init " + init.GetServiceName()
			switch {
			case init.GetState() == nil:
				out += " without state"
			case init.GetState().GetValue() != nil:
				out += " state " + value(init.GetState().GetValue())
			}
			return out
		}
		return commanded(m.GetCommand())
	case *valueentity.ValueEntityStreamOut:
		reply := m.GetReply()
		if reply == nil {
			return "top-level failure " + m.GetFailure().GetDescription()
		}
		out := answered(reply.GetCommandId(), reply.GetClientAction(), reply.GetSideEffects())
		switch state := reply.GetStateAction(); {
		case state.GetUpdate() != nil:
			out += ", update " + value(state.GetUpdate().GetValue())
		case state.GetDelete() != nil:
			out += ", delete"
		}
		return out
	case *action.ActionCommand:
		var parts []string
		if m.GetServiceName() != "" {
			parts = append(parts, m.GetServiceName(), m.GetName())
		}
		if m.GetPayload() != nil {
			parts = append(parts, "payload")
		}
		return "command " + strings.Join(parts, " ")
	case *action.ActionResponse:
		out := "response nothing"
		switch {
		case m.GetReply() != nil:
			out = "response reply " + value(m.GetReply().GetPayload())
		case m.GetForward() != nil:
			out = fmt.Sprintf("response forward %s/%s", m.GetForward().GetServiceName(), m.GetForward().GetCommandName())
		case m.GetFailure() != nil:
			out = "response failure " + m.GetFailure().GetDescription()
		}
		return out + effects(m.GetSideEffects())
	}
	return trace.Text(m)
}

func commanded(c *cloudstate.Command) string {
	out := fmt.Sprintf("command %d %s", c.GetId(), c.GetName())
	if c.GetMetadata() != nil {
		out += " with metadata"
	}
	return out
}

func answered(id int64, a *cloudstate.ClientAction, asked []*cloudstate.SideEffect) string {
	out := fmt.Sprintf("reply %d nothing", id)
	switch {
	case a.GetReply() != nil:
		out = fmt.Sprintf("reply %d %s", id, value(a.GetReply().GetPayload()))
	case a.GetForward() != nil:
		out = fmt.Sprintf("reply %d forward %s/%s", id, a.GetForward().GetServiceName(), a.GetForward().GetCommandName())
	case a.GetFailure() != nil:
		out = fmt.Sprintf("reply %d failure %s", id, a.GetFailure().GetDescription())
		if a.GetFailure().GetRestart() {
			out += ", restart"
		}
	}
	return out + effects(asked)
}

func effects(asked []*cloudstate.SideEffect) string {
	var out strings.Builder
	for _, e := range asked {
		fmt.Fprintf(&out, ", effect %s/%s", e.GetServiceName(), e.GetCommandName())
		if e.GetSynchronous() {
			out.WriteString(" synchronous")
		}
	}
	return out.String()
}

// value is the text in a model message: all of those that hold state or replies have one string field, the first.
func value(a *anypb.Any) string {
	m, err := a.UnmarshalNew()
	if err != nil {
		return fmt.Sprintf("<%v>", err)
	}
	fields := m.ProtoReflect().Descriptor().Fields()
	if fields.Len() == 0 {
		return "''"
	}
	return fmt.Sprintf("'%s'", m.ProtoReflect().Get(fields.Get(0)).String())
}

// beginsFor reports whether m is the init of a stream of this entity.
func beginsFor(m trace.Message, service, id string) bool {
	switch in := m.Payload.(type) {
	case *eventsourced.EventSourcedStreamIn:
		return in.GetInit().GetServiceName() == service && in.GetInit().GetEntityId() == id
	case *valueentity.ValueEntityStreamIn:
		return in.GetInit().GetServiceName() == service && in.GetInit().GetEntityId() == id
	}
	return false
}

// commands reports whether m is the first command of a call of this action.
func commands(m trace.Message, service, name string) bool {
	c, ok := m.Payload.(*action.ActionCommand)
	return ok && c.GetServiceName() == service && c.GetName() == name
}
