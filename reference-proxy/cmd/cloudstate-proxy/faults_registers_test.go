package main

import (
	"fmt"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// registers is a user function of counters that remember what they counted: a register holds the ids of all increments,
// in order, and answers each command with all that it holds. There are event sourced ones (an event an increment, a snapshot every seventh) and
// value entities. Both tell the tests what the proxy replays wrongly.
type registers struct {
	mu     sync.Mutex
	faults []string
}

func (r *registers) config() mockfunction.Config {
	return mockfunction.Config{
		Spec: mockfunction.NewSpec(
			[]protoreflect.FileDescriptor{esmodel.File_cloudstate_tck_model_eventsourced_proto, vemodel.File_cloudstate_tck_model_valueentity_proto},
			mockfunction.Entity(mockfunction.EventSourcedType, "cloudstate.tck.model.EventSourcedTckModel", "es-register"),
			mockfunction.Entity(mockfunction.ValueEntityType, "cloudstate.tck.model.valueentity.ValueEntityTckModel", "ve-register"),
		),
		EventSourced: func(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
			e := &eventRegister{all: r, id: init.GetEntityId()}
			if s := init.GetSnapshot(); s != nil {
				e.seq = s.GetSnapshotSequence()
				e.held = r.unpack(e.id, s.GetSnapshot())
				if n := int64(len(strings.Fields(e.held))); n != e.seq {
					r.fault("register %s: its snapshot at %d holds %d increments", e.id, e.seq, n)
				}
			}
			return e
		},
		ValueEntity: func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
			v := &valueRegister{all: r, id: init.GetEntityId()}
			if value := init.GetState().GetValue(); value != nil {
				v.held = r.unpack(v.id, value)
			}
			return v
		},
	}
}

func (r *registers) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// unpack is for either kind's Persisted: both are one text.
func (r *registers) unpack(id string, stored *anypb.Any) string {
	m, err := stored.UnmarshalNew()
	if err != nil {
		r.fault("register %s: %v", id, err)
		return ""
	}
	p, ok := m.(interface{ GetValue() string })
	if !ok {
		r.fault("register %s: it was given a %T", id, m)
		return ""
	}
	return p.GetValue()
}

// with is a register's content after one more increment.
func with(held, id string) string { return strings.TrimPrefix(held+" "+id, " ") }

type eventRegister struct {
	all  *registers
	id   string
	seq  int64
	held string
}

func (e *eventRegister) Event(event *eventsourced.EventSourcedEvent) {
	if event.GetSequence() != e.seq+1 {
		e.all.fault("register %s: event %d was replayed after %d", e.id, event.GetSequence(), e.seq)
	}
	e.seq = event.GetSequence()
	e.held = with(e.held, e.all.unpack(e.id, event.GetPayload()))
}

func (e *eventRegister) Command(c *cloudstate.Command) *eventsourced.EventSourcedReply {
	request := &esmodel.Request{}
	if err := c.GetPayload().UnmarshalTo(request); err != nil {
		e.all.fault("register %s: %v", e.id, err)
	}
	r := &eventsourced.EventSourcedReply{CommandId: c.GetId()}
	for _, a := range request.GetActions() {
		e.held = with(e.held, a.GetEmit().GetValue())
		e.seq++
		r.Events = append(r.Events, pack(&esmodel.Persisted{Value: a.GetEmit().GetValue()}))
		if e.seq%7 == 0 {
			r.Snapshot = pack(&esmodel.Persisted{Value: e.held})
		}
	}
	r.ClientAction = replyWith(&esmodel.Response{Message: e.held})
	return r
}

type valueRegister struct {
	all      *registers
	id, held string
}

func (v *valueRegister) Command(c *cloudstate.Command) *valueentity.ValueEntityReply {
	request := &vemodel.Request{}
	if err := c.GetPayload().UnmarshalTo(request); err != nil {
		v.all.fault("register %s: %v", v.id, err)
	}
	r := &valueentity.ValueEntityReply{CommandId: c.GetId()}
	for _, a := range request.GetActions() {
		v.held = with(v.held, a.GetUpdate().GetValue())
		r.StateAction = &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Update{
			Update: &valueentity.ValueEntityUpdate{Value: pack(&vemodel.Persisted{Value: v.held})},
		}}
	}
	r.ClientAction = replyWith(&vemodel.Response{Message: v.held})
	return r
}
