package proxy

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// eventSourcedCases covers area ES: what is common to stateful entities, and journals and snapshots.
func eventSourcedCases() []suite.Case {
	k := eventSourced
	return append(entityCases(k),
		k.on("replay", "events are numbered from 1 and replayed in order before the first command",
			requires("ES-06", "ES-07", "ES-09", "ES-05", "ES-20"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("ES-06", "1", "2", "3")
				i.asksStoring("ES-06", "one", "4")
				i.asks("ES-06", "none")
				i.asksStoring("ES-06", "many", "5", "6", "7", "8", "9", "10", "11")
				i = i.restart("ES-06", counted(11)...)
				i.asksStoring("ES-09", "last", "12")
				c := e.call("fails")
				i.command("ES-09", "fails")
				e.queue("queued")
				i.fails("restart", true)
				c.fails("ES-09", codes.Unknown, "restart")
				i.ended("ES-34", "the failure asked for a restart")
				i = e.opens("ES-09", counted(12)...)
				i.command("ES-09", "queued")
				i.replies("")
			}),
		k.on("any-events", "events are replayed with the type URL and the bytes that they were emitted with, whatever these are",
			requires("ES-29", "SER-08"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("ES-29")
				c := e.call("writes")
				i.command("ES-29", "writes")
				i.says(esOut(&eventsourced.EventSourcedReply{CommandId: i.last, ClientAction: replied(k.response("written")), Events: oddValues()}))
				c.replies("ES-29", k.response("written"))
				c = e.call("restart")
				i.command("ES-29", "restart")
				i.fails("restart", true)
				c.fails("ES-29", codes.Unknown, "restart")
				i.ended("ES-34", "the failure asked for a restart")
				i = e.stream("ES-29")
				i.expect("ES-29", k.begin(e.service, e.id, nil)...)
				for n, value := range oddValues() {
					i.expect("ES-29", esEvent(int64(n+1), value))
				}
			}),
		k.on("snapshot", "a snapshot covers the events of its reply: init brings the latest, and only later events are replayed",
			requires("ES-05", "ES-06", "ES-08", "ES-21", "ES-29"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("ES-21", counted(3)...)
				i.snapshot("4 and 5", "state at 5", "4", "5")
				i = i.restartAt(5, "state at 5", counted(5))
				i.asksStoring("ES-06", "more", "6", "7")
				i = i.restartAt(5, "state at 5", counted(7))
				i.snapshot("8", "state at 8", "8")
				i = i.restartAt(8, "state at 8", counted(8))
				i.asksStoring("ES-07", "last", "9")
				i.restartAt(8, "state at 8", counted(9))
			}),
		k.on("snapshot-without-events", "a reply with a snapshot but without events is a violation, and nothing of it is stored",
			requires("ES-23", "ES-57"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("ES-23", "kept")
				c := e.call("wrong")
				i.command("ES-23", "wrong")
				i.says(esOut(&eventsourced.EventSourcedReply{
					CommandId: i.last, ClientAction: replied(k.response("wrong")), Snapshot: pack(&esmodel.Persisted{Value: "wrong"}),
				}))
				c.fails("ES-23", codes.Unknown, k.unexpectedReply)
				i.ended("ES-23", "a snapshot came without events")
				e.startsAfresh("ES-23", "kept").restart("ES-23", "kept")
			}),
		k.on("snapshot-of-failure", "a snapshot in a reply with a failure is not stored, and the instance starts anew",
			requires("ES-36", "ES-59"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("ES-36", "kept")
				for _, events := range [][]*anypb.Any{nil, esEvents("not kept")} {
					c := e.call("fails")
					i.command("ES-36", "fails")
					i.says(esOut(&eventsourced.EventSourcedReply{
						CommandId: i.last, ClientAction: failed(&cloudstate.Failure{CommandId: i.last, Description: "fails"}),
						Events: events, Snapshot: pack(&esmodel.Persisted{Value: "not kept"}),
					}))
					c.fails("ES-36", codes.Unknown, "fails")
					i.ended("ES-59", "the failed command had changed the user function's state")
					i = e.opens("ES-36", "kept")
				}
				i.restart("ES-36", "kept")
			}),
		k.on("long-journal", "a long journal is replayed whole to a user function that reads slowly, while other entities are served",
			requires("ES-49", "ES-06", "LIM-05"), func(s *scene) {
				const replies, each = 10, 1000
				e := s.entity(k, k.model)
				i := e.put("ES-49")
				// Some 4 MB: far more than flow control lets through at once.
				padding := strings.Repeat("x", 400)
				value := func(n int) string { return fmt.Sprint(n, padding) }
				for reply := range replies {
					values := make([]string, each)
					for n := range values {
						values[n] = value(reply*each + n + 1)
					}
					i.asksStoring("ES-20", "more", values...)
				}
				c := e.call("restart")
				i.command("ES-49", "restart")
				i.fails("restart", true)
				c.fails("ES-49", codes.Unknown, "restart")
				i.ended("ES-34", "the failure asked for a restart")
				i = e.stream("ES-49")
				c = e.call("after")
				i.expect("ES-49", k.begin(e.service, e.id, nil)...)
				for n := 1; n <= replies*each; n++ {
					switch {
					case n == replies*each/2:
						s.roundTrips(100) // by then the proxy has filled all windows
					case n%500 == 1:
						s.roundTrips(5)
					}
					i.expect("ES-49", esEvent(int64(n), esEvents(value(n))[0]))
				}
				i.command("ES-49", "after")
				i.replies("after")
				c.replies("ES-49", k.response("after"))
			}),
	)
}

// counted returns the numbers from 1 to last as texts.
func counted(last int) []string {
	out := make([]string, last)
	for n := range out {
		out[n] = fmt.Sprint(n + 1)
	}
	return out
}

// oddValues are values that no store and no proxy may look into.
func oddValues() []*anypb.Any {
	return []*anypb.Any{
		{TypeUrl: "json.cloudstate.io/anything at all", Value: []byte("\x0a\x0d{\"b\":1,\"a\":2}")},
		{TypeUrl: "p.cloudstate.io/string", Value: nil},
		{TypeUrl: "p.cloudstate.io/int32", Value: []byte{0x08, 0x80, 0x80, 0x00}},
		{TypeUrl: "type.googleapis.com/no.such.Message", Value: []byte{0xff, 0x00, 0xfe}},
		{TypeUrl: "type.googleapis.com/cloudstate.tck.model.Persisted", Value: []byte{0xff}},
		{TypeUrl: "no slash", Value: []byte{0}},
		{TypeUrl: "", Value: []byte("bytes without a type")},
		{},
	}
}

// snapshot makes a call whose reply emits values and brings a snapshot.
func (i *instance) snapshot(text, state string, values ...string) {
	c := i.e.call(text)
	i.command("ES-21", text)
	i.says(esOut(&eventsourced.EventSourcedReply{
		CommandId: i.last, ClientAction: replied(i.e.k.response(text)), Events: esEvents(values...), Snapshot: pack(&esmodel.Persisted{Value: state}),
	}))
	c.replies("ES-21", i.e.k.response(text))
}

// restartAt restarts the instance until init brings the snapshot of state after event sequence, and returns the new instance. A proxy may store a
// snapshot after it has answered; until then it brings the one before, or none. Each replay must continue the snapshot that it came with.
func (i *instance) restartAt(sequence int64, state string, journal []string) *instance {
	e := i.e
	for {
		c := e.call("restart")
		i.command("ES-08", "restart")
		i.fails("restart", true)
		c.fails("ES-34", codes.Unknown, "restart")
		i.ended("ES-34", "the failure asked for a restart")
		i = e.stream("ES-34")
		first, err := i.recv(e.ctx)
		e.t.Check(err, suite.Failure{Requirement: "ES-05"})
		in, _ := first.(*eventsourced.EventSourcedStreamIn)
		got := in.GetInit().GetSnapshot()
		last := got.GetSnapshotSequence()
		if last < 0 || last > sequence {
			e.t.Fail(suite.Failure{
				Requirement: "ES-08", Expected: fmt.Sprintf("init with the snapshot after event %d", sequence), Got: trace.Text(first),
			})
		}
		i.expect("ES-06", esBegin(e.service, e.id, nil, last+1, journal[last:])[1:]...)
		if last == sequence {
			want := &eventsourced.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: pack(&esmodel.Persisted{Value: state})}
			e.t.Equal(esBegin(e.service, e.id, want, 1, nil)[0], first, suite.Failure{Requirement: "ES-08"})
			return i
		}
	}
}
