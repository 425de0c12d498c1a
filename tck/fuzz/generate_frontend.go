package fuzz

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// pack wraps one of the fuzzer's own messages.
func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("fuzz: %v", err)) //nolint:forbidigo // a message that the generator made of valid text always encodes
	}
	return a
}

// toFrontend returns what a proxy sends on one stream or call.
func (g *generator) toFrontend(kind Kind) []Step {
	switch kind {
	case EventSourced:
		return g.toEventSourced()
	case ValueEntity:
		return g.toValueEntity()
	default:
		return g.toAction(kind)
	}
}

func (g *generator) toEventSourced() []Step {
	send := func(in *eventsourced.EventSourcedStreamIn) Step { return Step{Send: &Message{Body: in}} }
	init := &eventsourced.EventSourcedInit{ServiceName: model.EventSourcedService, EntityId: placeholder}
	name := "Process"
	if g.chance(12) {
		init.ServiceName, name = []string{model.EventSourcedTwo, model.EventSourcedConfigured}[g.IntN(2)], "Call"
	}
	steps := []Step{send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: init}})}
	if name == "Process" {
		sequence := int64(0)
		if g.chance(3) {
			sequence = int64(1 + g.IntN(100))
			init.Snapshot = &eventsourced.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: pack(&esmodel.Persisted{Value: g.word()})}
		}
		for range g.IntN(5) {
			sequence++
			event := &eventsourced.EventSourcedEvent{Sequence: sequence, Payload: pack(&esmodel.Persisted{Value: g.word()})}
			steps = append(steps, send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Event{Event: event}}))
		}
	}
	for id := range int64(1 + g.IntN(4)) {
		command := g.command(id+1, name, g.eventSourcedRequest())
		steps = append(steps, send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: command}}))
	}
	return steps
}

func (g *generator) toValueEntity() []Step {
	send := func(in *valueentity.ValueEntityStreamIn) Step { return Step{Send: &Message{Body: in}} }
	init := &valueentity.ValueEntityInit{ServiceName: model.ValueEntityService, EntityId: placeholder, State: &valueentity.ValueEntityInitState{}}
	name := "Process"
	if g.chance(12) {
		init.ServiceName, name = []string{model.ValueEntityTwo, model.ValueEntityConfigured}[g.IntN(2)], "Call"
	} else if g.chance(2) {
		init.State.Value = pack(&vemodel.Persisted{Value: g.word()})
	}
	steps := []Step{send(&valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Init{Init: init}})}
	for id := range int64(1 + g.IntN(4)) {
		command := g.command(id+1, name, g.valueRequest())
		steps = append(steps, send(&valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Command{Command: command}}))
	}
	return steps
}

func (g *generator) command(id int64, name string, request proto.Message) *cloudstate.Command {
	return &cloudstate.Command{EntityId: placeholder, Id: id, Name: name, Payload: pack(request), Metadata: g.metadata()}
}

// metadata is what a call brings, mostly nothing.
func (g *generator) metadata() *cloudstate.Metadata {
	if !g.chance(4) {
		return nil
	}
	return &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
		{Key: "fuzz", Value: &cloudstate.MetadataEntry_StringValue{StringValue: g.word()}},
		{Key: "fuzz-bin", Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte{0, 255}}},
	}}
}

// eventSourcedRequest asks the event sourced model for a few things, with at most one forward and a failure at the end.
func (g *generator) eventSourcedRequest() *esmodel.Request {
	request := &esmodel.Request{Id: placeholder}
	add := func(a *esmodel.RequestAction) { request.Actions = append(request.Actions, a) }
	for range g.IntN(4) {
		add(&esmodel.RequestAction{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: g.word()}}})
	}
	if g.chance(4) {
		add(&esmodel.RequestAction{Action: &esmodel.RequestAction_Effect{Effect: &esmodel.Effect{Id: placeholder, Synchronous: g.chance(2)}}})
	}
	switch g.IntN(8) {
	case 0:
		add(&esmodel.RequestAction{Action: &esmodel.RequestAction_Forward{Forward: &esmodel.Forward{Id: placeholder}}})
	case 1:
		add(&esmodel.RequestAction{Action: &esmodel.RequestAction_Fail{Fail: &esmodel.Fail{Message: g.word()}}})
	}
	return request
}

// valueRequest asks the value entity model for a few things.
func (g *generator) valueRequest() *vemodel.Request {
	request := &vemodel.Request{Id: placeholder}
	add := func(a *vemodel.RequestAction) { request.Actions = append(request.Actions, a) }
	for range g.IntN(3) {
		if g.chance(4) {
			add(&vemodel.RequestAction{Action: &vemodel.RequestAction_Delete{Delete: &vemodel.Delete{}}})
		} else {
			add(&vemodel.RequestAction{Action: &vemodel.RequestAction_Update{Update: &vemodel.Update{Value: g.word()}}})
		}
	}
	if g.chance(4) {
		add(&vemodel.RequestAction{Action: &vemodel.RequestAction_Effect{Effect: &vemodel.Effect{Id: placeholder, Synchronous: g.chance(2)}}})
	}
	switch g.IntN(8) {
	case 0:
		add(&vemodel.RequestAction{Action: &vemodel.RequestAction_Forward{Forward: &vemodel.Forward{Id: placeholder}}})
	case 1:
		add(&vemodel.RequestAction{Action: &vemodel.RequestAction_Fail{Fail: &vemodel.Fail{Message: g.word()}}})
	}
	return request
}

// calls are the calls of actions by kind: the model's method, and the protocol's.
var calls = map[Kind]struct{ name, method string }{
	ActionUnary:    {"ProcessUnary", action.ActionProtocol_HandleUnary_FullMethodName},
	ActionIn:       {"ProcessStreamedIn", action.ActionProtocol_HandleStreamedIn_FullMethodName},
	ActionOut:      {"ProcessStreamedOut", action.ActionProtocol_HandleStreamedOut_FullMethodName},
	ActionStreamed: {"ProcessStreamed", action.ActionProtocol_HandleStreamed_FullMethodName},
}

func streamsIn(kind Kind) bool  { return kind == ActionIn || kind == ActionStreamed }
func streamsOut(kind Kind) bool { return kind == ActionOut || kind == ActionStreamed }

func (g *generator) toAction(kind Kind) []Step {
	send := func(c *action.ActionCommand) Step { return Step{Send: &Message{Body: c}} }
	header := &action.ActionCommand{ServiceName: model.ActionService, Name: calls[kind].name, Metadata: g.metadata()}
	if !streamsIn(kind) {
		header.Payload = pack(g.actionRequest())
		if kind == ActionUnary && g.chance(10) {
			header.ServiceName, header.Name, header.Payload = model.ActionTwo, "Call", pack(&actionmodel.OtherRequest{Id: g.word()})
		}
		return []Step{send(header)}
	}
	steps := []Step{send(header)}
	for range g.IntN(4) {
		steps = append(steps, send(&action.ActionCommand{Payload: pack(g.actionRequest())}))
	}
	return steps
}

func (g *generator) actionRequest() *actionmodel.Request {
	request := &actionmodel.Request{}
	for range g.IntN(4) {
		group := &actionmodel.ProcessGroup{}
		for range 1 + g.IntN(3) {
			group.Steps = append(group.Steps, g.actionStep())
		}
		request.Groups = append(request.Groups, group)
	}
	return request
}

func (g *generator) actionStep() *actionmodel.ProcessStep {
	switch g.IntN(6) {
	case 0:
		return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Forward{Forward: &actionmodel.Forward{Id: g.word()}}}
	case 1:
		return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Fail{Fail: &actionmodel.Fail{Message: g.word()}}}
	case 2:
		return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Effect{Effect: &actionmodel.SideEffect{Id: g.word(), Synchronous: g.chance(2)}}}
	default:
		return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Reply{Reply: &actionmodel.Reply{Message: g.word()}}}
	}
}

// discovery asks a frontend what it is, and tells it of an error.
func (g *generator) discovery() []Step {
	var steps []Step
	for range 1 + g.IntN(2) {
		steps = append(steps, Step{Send: &Message{Body: &cloudstate.ProxyInfo{
			ProtocolMinorVersion: 2, ProxyName: "cloudstate-tck", ProxyVersion: "fuzz",
			SupportedEntityTypes: []string{"cloudstate.eventsourced.EventSourced", "cloudstate.action.ActionProtocol"},
		}}})
	}
	if g.chance(2) {
		steps = append(steps, Step{Send: &Message{Body: &cloudstate.UserFunctionError{Message: "found while fuzzing: " + g.word()}}})
	}
	return steps
}
