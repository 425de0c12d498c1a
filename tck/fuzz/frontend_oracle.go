package fuzz

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// due is what a frontend owes for one message.
type due int

const (
	// nothing: the message is taken without an answer.
	nothing due = iota
	// exactly: the one answer that the model gives.
	exactly
	// something: a command that SPEC.md leaves to the frontend. It is answered, or ends the stream.
	something
	// failing: the stream fails.
	failing
	// open: SPEC.md does not say; nothing is awaited.
	open
)

// expectation is what a frontend owes for a message, and for which requirements.
type expectation struct {
	due  due
	want proto.Message // of exactly: the stream's message
	why  string
}

// entityOracle knows what the stream of an entity must bring, message by message. It reads the bytes as the frontend will.
type entityOracle struct {
	kind   Kind
	entity string

	es        mockfunction.EventSourcedInstance
	ve        mockfunction.ValueEntityInstance
	two       bool // the service is one that only answers with nothing
	begun     bool // init has come
	commanded bool
	sequence  int64 // of the last event
	// unsure is set when the frontend's state is not known any more: it was sent what SPEC.md does not provide for.
	unsure bool
	// lost is set when even a command that changed nothing cannot make it known again.
	lost bool
	// doomed is set when the stream must have failed, so that no later message matters.
	doomed bool
}

// incoming is a message to either kind of entity.
type incoming struct {
	service, entity string // of init
	es              *eventsourced.EventSourcedInit
	ve              *valueentity.ValueEntityInit
	event           *eventsourced.EventSourcedEvent
	command         *cloudstate.Command
}

// read decodes a message; false when it is no message at all.
func (o *entityOracle) read(raw []byte) (incoming, bool) {
	if o.kind == EventSourced {
		var in eventsourced.EventSourcedStreamIn
		if proto.Unmarshal(raw, &in) != nil {
			return incoming{}, false
		}
		init := in.GetInit()
		return incoming{service: init.GetServiceName(), entity: init.GetEntityId(), es: init, event: in.GetEvent(), command: in.GetCommand()}, true
	}
	var in valueentity.ValueEntityStreamIn
	if proto.Unmarshal(raw, &in) != nil {
		return incoming{}, false
	}
	init := in.GetInit()
	return incoming{service: init.GetServiceName(), entity: init.GetEntityId(), ve: init, command: in.GetCommand()}, true
}

// why picks the requirement of the oracle's kind.
func (o *entityOracle) why(es, ve string) string {
	if o.kind == EventSourced {
		return es
	}
	return ve
}

// next takes the message that is sent next and says what is due for it.
func (o *entityOracle) next(raw []byte) expectation {
	if o.doomed {
		return expectation{due: open}
	}
	if len(raw) > lim19 {
		o.unsure = true // LIM-20: a frontend need not take it
		return expectation{due: open}
	}
	e := o.judge(raw)
	o.doomed = e.due == failing
	return e
}

func (o *entityOracle) judge(raw []byte) expectation {
	in, ok := o.read(raw)
	switch {
	case !ok:
		// What is no message of the protocol, a library may not even get to see.
		o.unsure = true
		return expectation{due: open}
	case in.es == nil && in.ve == nil && in.event == nil && in.command == nil:
		return expectation{due: failing, why: o.why("ES-52", "VE-31")}
	case in.es == nil && in.ve == nil && !o.begun:
		return expectation{due: failing, why: o.why("ES-11", "VE-27")}
	case in.es != nil || in.ve != nil:
		return o.init(in)
	case o.unsure && in.event != nil:
		return expectation{due: open}
	case in.event != nil:
		return o.event(in.event)
	case in.command.GetEntityId() != o.entity:
		return expectation{due: failing, why: o.why("ES-12", "VE-30")}
	default:
		return o.command(in.command)
	}
}

func (o *entityOracle) init(in incoming) expectation {
	if o.begun {
		return expectation{due: failing, why: o.why("ES-50", "VE-28")}
	}
	o.begun, o.entity = true, in.entity
	if in.es != nil {
		if instance := (model.EventSourced{}).New(in.es); instance != nil {
			o.es, o.two = instance, in.service != model.EventSourcedService
		}
	} else if instance := model.ValueEntity(in.ve); instance != nil {
		o.ve, o.two = instance, in.service != model.ValueEntityService
	}
	if o.es == nil && o.ve == nil {
		return expectation{due: failing, why: o.why("ES-51", "VE-29")}
	}
	if in.entity == "" || len(in.entity) > 1024 || !o.restorable(in) {
		o.unsure = true
		return expectation{due: open}
	}
	return expectation{due: nothing}
}

// restorable tells whether the state in an init is one that a proxy could have stored for the service.
func (o *entityOracle) restorable(in incoming) bool {
	if in.ve != nil {
		value := in.ve.GetState().GetValue()
		return value == nil || !o.two && decodes(value, &vemodel.Persisted{})
	}
	snapshot := in.es.GetSnapshot()
	if snapshot == nil {
		return true
	}
	o.sequence = snapshot.GetSnapshotSequence()
	return !o.two && o.sequence > 0 && o.sequence < 1<<62 && decodes(snapshot.GetSnapshot(), &esmodel.Persisted{})
}

func (o *entityOracle) event(event *eventsourced.EventSourcedEvent) expectation {
	if o.commanded || o.two || event.GetSequence() != o.sequence+1 || !decodes(event.GetPayload(), &esmodel.Persisted{}) {
		// Nothing that a proxy may send, and nothing that a frontend must notice.
		o.unsure = true
		return expectation{due: open}
	}
	o.sequence++
	o.es.Event(event)
	return expectation{due: nothing}
}

func (o *entityOracle) command(command *cloudstate.Command) expectation {
	o.commanded = true
	o.lost = o.unsure
	if o.unsure || !o.lawful(command) {
		o.unsure = true
		return expectation{due: something, why: o.why("ES-18", "VE-10")}
	}
	if o.kind == EventSourced {
		reply := o.es.Command(command)
		// A failed command may ask for a restart, and then the instance is not good for another (ES-32).
		o.unsure = reply.GetClientAction().GetFailure() != nil
		return expectation{due: exactly, why: "ES-18", want: &eventsourced.EventSourcedStreamOut{
			Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply},
		}}
	}
	reply := o.ve.Command(command)
	return expectation{due: exactly, why: "VE-10", want: &valueentity.ValueEntityStreamOut{
		Message: &valueentity.ValueEntityStreamOut_Reply{Reply: reply},
	}}
}

// lawful tells whether the model says what the answer to a command is.
func (o *entityOracle) lawful(command *cloudstate.Command) bool {
	name := "Process"
	if o.two {
		name = "Call"
	}
	if command.GetName() != name || command.GetStreamed() {
		return false
	}
	if o.kind == EventSourced {
		var request esmodel.Request
		return decodes(command.GetPayload(), &request) && plain(request.GetActions(), func(a *esmodel.RequestAction) (bool, bool) {
			return a.GetAction() != nil, a.GetForward() != nil
		})
	}
	var request vemodel.Request
	return decodes(command.GetPayload(), &request) && plain(request.GetActions(), func(a *vemodel.RequestAction) (bool, bool) {
		return a.GetAction() != nil, a.GetForward() != nil
	})
}

// plain tells whether each action is set and at most one forwards: what else is asked for the model does not say.
func plain[A any](actions []A, look func(A) (set, forward bool)) bool {
	forwards := 0
	for _, a := range actions {
		set, forward := look(a)
		if !set {
			return false
		}
		if forward {
			forwards++
		}
	}
	return forwards <= 1
}

// decodes tells whether a is an into, under its very type URL, and decodes it.
func decodes(a *anypb.Any, into proto.Message) bool {
	return a != nil && a.GetTypeUrl() == "type.googleapis.com/"+string(into.ProtoReflect().Descriptor().FullName()) &&
		proto.Unmarshal(a.GetValue(), into) == nil
}
