package proxy

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// valueEntityCases covers area VE: what is common to stateful entities, and the state actions.
func valueEntityCases() []suite.Case {
	k := valueBased
	return append(entityCases(k),
		k.on("update", "an update is stored, whether or not there was a value, and later instances start from the last one",
			requires("VE-05", "VE-06", "VE-13", "VE-36"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("VE-36", "A")
				i = i.restart("VE-06", "A")
				i.asksStoring("VE-36", "B", "B")
				i.asks("VE-36", "reads")
				i.asksStoring("VE-36", "C", "C")
				i.asksStoring("VE-36", "D", "D")
				i.restart("VE-06", "D").restart("VE-06", "D").asks("VE-06", "reads")
			}),
		k.on("delete", "a delete leaves no value, and the stream goes on; a later update is stored",
			requires("VE-14", "VE-15", "VE-05"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("VE-14", "A")
				i.acts("VE-15", veDelete())
				i.asks("VE-15", "reads")
				e.unopened("VE-15", "a delete does not end the stream")
				i = i.restart("VE-14")
				i.acts("VE-15", veDelete())
				i.asksStoring("VE-15", "B", "B")
				i = i.restart("VE-15", "B")
				i.acts("VE-15", veDelete())
				i.asksStoring("VE-15", "C", "C")
				i.acts("VE-14", veDelete())
				i = i.restart("VE-14")
				i.asksStoring("VE-15", "D", "D")
				i.restart("VE-15", "D")
			}),
		k.on("any-values", "a value is handed back with the type URL and the bytes that it was given, whatever these are",
			requires("VE-16", "SER-08"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("VE-16")
				for _, value := range oddValues() {
					i.acts("VE-16", veUpdate(value))
					c := e.call("restart")
					i.command("VE-16", "restart")
					i.fails("restart", true)
					c.fails("VE-16", codes.Unknown, "restart")
					i.ended("VE-43", "the failure asked for a restart")
					i = e.stream("VE-16")
					i.expect("VE-16", veInit(e.service, e.id, &valueentity.ValueEntityInitState{Value: value}))
				}
			}),
		k.on("malformed-action", "a state action in which nothing is set, or an update without value, is a violation, and nothing of its reply is stored",
			requires("VE-26", "VE-48"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("VE-26", "kept")
				for _, malformed := range []*valueentity.ValueEntityAction{{}, veUpdate(nil)} {
					c := e.call("wrong")
					i.command("VE-26", "wrong")
					i.says(veOut(&valueentity.ValueEntityReply{CommandId: i.last, ClientAction: replied(k.response("wrong")), StateAction: malformed}))
					c.fails("VE-26", codes.Unknown, k.unexpectedReply)
					i.ended("VE-26", "the state action was malformed")
					i = e.startsAfresh("VE-26", "kept")
				}
			}),
		k.on("failed-delete", "a delete in a reply with a failure is not carried out, and the instance starts anew",
			requires("VE-20", "VE-43"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("VE-20", "kept")
				c := e.call("fails")
				i.command("VE-20", "fails")
				i.says(veOut(&valueentity.ValueEntityReply{
					CommandId: i.last, ClientAction: failed(&cloudstate.Failure{CommandId: i.last, Description: "fails"}), StateAction: veDelete(),
				}))
				c.fails("VE-20", codes.Unknown, "fails")
				i.ended("VE-43", "the failed command had changed the user function's state")
				e.opens("VE-20", "kept").asks("VE-43", "next")
			}),
		k.on("large-value", "a value of a megabyte is stored and handed back whole",
			requires("VE-16", "VE-06"), func(s *scene) {
				value := &anypb.Any{TypeUrl: "p.cloudstate.io/bytes", Value: make([]byte, 1<<20)}
				for n := range value.Value {
					value.Value[n] = byte(n * n >> 8)
				}
				e := s.entity(k, k.model)
				i := e.put("VE-16")
				i.acts("VE-16", veUpdate(value))
				c := e.call("restart")
				i.command("VE-16", "restart")
				i.fails("restart", true)
				c.fails("VE-16", codes.Unknown, "restart")
				i.ended("VE-43", "the failure asked for a restart")
				e.stream("VE-16").expect("VE-16", veInit(e.service, e.id, &valueentity.ValueEntityInitState{Value: value}))
			}),
	)
}

// acts makes a call that the instance answers with this state action.
func (i *instance) acts(requirement string, action *valueentity.ValueEntityAction) {
	c := i.e.call("acts")
	i.command(requirement, "acts")
	i.says(veOut(&valueentity.ValueEntityReply{CommandId: i.last, ClientAction: replied(i.e.k.response("done")), StateAction: action}))
	c.replies(requirement, i.e.k.response("done"))
}
