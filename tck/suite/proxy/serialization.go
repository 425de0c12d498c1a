package proxy

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// strange are values that a proxy must not look into.
func strange() []*anypb.Any {
	return []*anypb.Any{
		{TypeUrl: "json.cloudstate.io/cart", Value: []byte("\x0a\x0f{\"a\":  1, \"b\":2}")},
		{TypeUrl: "json.cloudstate.io/", Value: []byte("\x0a\x02{}")},
		{TypeUrl: "p.cloudstate.io/string", Value: []byte("\x0a\x03abc")},
		{TypeUrl: "p.cloudstate.io/int64"},
		{TypeUrl: "type.googleapis.com/no.such.Message", Value: []byte{0xff, 0xff, 0, 1}},
		{TypeUrl: "type.googleapis.com/cloudstate.tck.model.Persisted", Value: []byte{0x0a, 0x7f}},
		{TypeUrl: "no slash, spaces and é", Value: []byte("x")},
		{Value: []byte("without a type URL")},
	}
}

func serializationCases() []suite.Case {
	es := servingCase("", "events and snapshots keep type URL and bytes, whatever they are", []string{suite.EventSourced}, requires("SER-08"), func(s *scene) {
		k := eventSourced
		e := s.entity(k, k.model)
		c := e.call("")
		i := e.opens("SER-08")
		i.command("SER-08", "")
		i.says(esOut(&eventsourced.EventSourcedReply{CommandId: 1, ClientAction: replied(k.response("")), Events: strange()}))
		c.replies("SER-08", k.response(""))
		c = e.call("restart")
		i.command("SER-08", "restart")
		i.fails("restart", true)
		<-c.done
		i.ended("SER-08", "the failure asked for a restart")
		i = e.stream("SER-08")
		i.expect("SER-08", esBegin(e.service, e.id, nil, 1, nil)...)
		for n, event := range strange() {
			i.expect("SER-08", esEvent(int64(n+1), event))
		}
		sequence := int64(len(strange()))
		for _, snapshot := range strange() {
			c = e.call("")
			i.command("SER-08", "")
			i.says(esOut(&eventsourced.EventSourcedReply{
				CommandId: i.last, ClientAction: replied(k.response("")), Events: esEvents(fmt.Sprint("event ", sequence)), Snapshot: snapshot,
			}))
			c.replies("SER-08", k.response(""))
			sequence++
		}
		c = e.call("restart")
		i.command("SER-08", "restart")
		i.fails("restart", true)
		<-c.done
		i.ended("SER-08", "the failure asked for a restart")
		i = e.stream("SER-08")
		last := strange()[len(strange())-1]
		i.expect("SER-08", esBegin(e.service, e.id, &eventsourced.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: last}, 0, nil)...)
	})
	es.ID = "ser/proxy/es"
	ve := servingCase("", "a value keeps type URL and bytes, whatever they are", []string{suite.ValueEntity}, requires("SER-08"), func(s *scene) {
		k := valueBased
		e := s.entity(k, k.model)
		c := e.call("")
		i := e.opens("SER-08")
		for n, value := range strange() {
			if n > 0 {
				c = e.call("")
			}
			i.command("SER-08", "")
			i.says(veOut(&valueentity.ValueEntityReply{CommandId: i.last, ClientAction: replied(k.response("")), StateAction: veUpdate(value)}))
			c.replies("SER-08", k.response(""))
			c = e.call("restart")
			i.command("SER-08", "restart")
			i.fails("restart", true)
			<-c.done
			i.ended("SER-08", "the failure asked for a restart")
			i = e.stream("SER-08")
			i.expect("SER-08", []proto.Message{veInit(e.service, e.id, &valueentity.ValueEntityInitState{Value: value})}...)
		}
	})
	ve.ID = "ser/proxy/ve"
	return []suite.Case{es, ve}
}
