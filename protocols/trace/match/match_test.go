package match

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

const (
	discover = cloudstate.EntityDiscovery_Discover_FullMethodName
	handle   = eventsourced.EventSourced_Handle_FullMethodName
)

// recording makes a trace as an event sourced conversation goes.
type recording struct {
	messages []trace.Message
}

func (r *recording) add(stream trace.StreamID, method string, kind trace.Kind, up bool, payload proto.Message) *recording {
	m := trace.Message{Seq: uint64(len(r.messages) + 1), Stream: stream, Method: method, Kind: kind, From: trace.Proxy, To: trace.Frontend, Payload: payload}
	if !up {
		m.From, m.To = m.To, m.From
	}
	if payload != nil {
		m.Size = proto.Size(payload)
	}
	r.messages = append(r.messages, m)
	return r
}

func (r *recording) open(stream trace.StreamID, id string) *recording {
	init := &eventsourced.EventSourcedInit{ServiceName: "S", EntityId: id}
	return r.add(stream, handle, trace.Open, true, nil).
		add(stream, handle, trace.Data, true, &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: init}})
}

func (r *recording) command(stream trace.StreamID, id int64, payload *anypb.Any, headers ...string) *recording {
	c := &cloudstate.Command{Id: id, Name: "Process", Payload: payload}
	for _, key := range headers {
		if c.Metadata == nil {
			c.Metadata = &cloudstate.Metadata{}
		}
		c.Metadata.Entries = append(c.Metadata.Entries, &cloudstate.MetadataEntry{Key: key, Value: &cloudstate.MetadataEntry_StringValue{StringValue: "v"}})
	}
	return r.add(stream, handle, trace.Data, true, &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: c}})
}

func (r *recording) reply(stream trace.StreamID, id int64) *recording {
	reply := &eventsourced.EventSourcedReply{CommandId: id}
	return r.add(stream, handle, trace.Data, false, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}})
}

func (r *recording) end(stream trace.StreamID) *recording {
	return r.add(stream, handle, trace.HalfClose, true, nil).add(stream, handle, trace.Status, false, nil)
}

func (r *recording) failed(stream trace.StreamID, code codes.Code) *recording {
	r.add(stream, handle, trace.Status, false, nil)
	r.messages[len(r.messages)-1].Code = code
	return r
}

func (r *recording) discovery(name string) *recording {
	return r.add(90, discover, trace.Data, true, &cloudstate.ProxyInfo{ProxyName: name}).add(90, discover, trace.Data, false, &cloudstate.EntitySpec{ServiceInfo: &cloudstate.ServiceInfo{ServiceName: name}})
}

func (r *recording) entities(services ...string) *recording {
	spec := &cloudstate.EntitySpec{}
	for _, service := range services {
		spec.Entities = append(spec.Entities, &cloudstate.Entity{ServiceName: service})
	}
	return r.add(90, discover, trace.Data, false, spec)
}

func (r *recording) file() *tracefile.Trace {
	return &tracefile.Trace{Messages: r.messages, Types: tracefile.NewTypes()}
}

func request(t *testing.T, id string) *anypb.Any {
	a, err := anypb.New(&model.Request{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRules(t *testing.T) {
	begin := func() *recording { return (&recording{}).open(1, "e").command(1, 1, nil).reply(1, 1) }
	unusual := &anypb.Any{TypeUrl: "type.googleapis.com/cloudstate.tck.model.Request", Value: []byte("\x0a\x01x\x0a\x01e")} // the last id counts
	for _, c := range []struct {
		name   string
		a, b   *recording
		rules  Rules
		differ string // a part of the difference; empty: the same
		both   bool   // each way differs; otherwise it is the only difference
	}{
		{name: "the same", a: begin(), b: begin()},
		{name: "other command ids", a: begin(), b: (&recording{}).open(7, "e").command(7, 55, nil).reply(7, 55)},
		{name: "an id used twice", a: begin().command(1, 2, nil), b: begin().command(1, 1, nil), differ: `"id": "2"`},
		{name: "a reply to another command", a: begin().command(1, 2, nil).reply(1, 2), b: begin().command(1, 2, nil).reply(1, 1), differ: `"command_id": "2"`},
		{name: "another order across calls", a: begin().open(2, "f").command(2, 1, nil), b: (&recording{}).open(1, "f").open(2, "e").command(2, 1, nil).command(1, 1, nil).reply(2, 1)},
		{name: "another order across the two ways", a: begin().command(1, 2, nil).reply(1, 2), b: (&recording{}).open(1, "e").command(1, 1, nil).command(1, 2, nil).reply(1, 1).reply(1, 2)},
		{name: "another order one way", a: begin().command(1, 2, request(t, "x")), b: (&recording{}).open(1, "e").command(1, 2, request(t, "x")).command(1, 1, nil).reply(1, 2), differ: "payload"},
		{name: "a call more", a: begin(), b: begin().open(2, "f"), differ: "expected no such call, got the call"},
		{name: "a call less", a: begin().open(2, "f"), b: begin(), differ: "got no such call"},
		{name: "a message less", a: begin(), b: (&recording{}).open(1, "e").command(1, 1, nil), differ: "got nothing more"},
		{name: "a message more", a: begin(), b: begin().reply(1, 1), differ: "expected nothing more"},
		{name: "the last call ends, or does not", a: begin().end(1), b: begin()},
		{name: "an earlier call must end", a: begin().end(1).open(2, "e"), b: begin().open(2, "e"), differ: "expected the half-close", both: true},
		{name: "the last call fails", a: begin().failed(1, codes.Internal), b: begin(), differ: "status Internal"},
		{name: "with another code", a: begin().failed(1, codes.Internal), b: begin().failed(1, codes.Aborted), differ: "status Aborted"},
		{name: "who they are, and how often they ask", a: (&recording{}).discovery("x"), b: (&recording{}).discovery("y").add(91, discover, trace.Open, true, nil)},
		{name: "entities in another order", a: (&recording{}).entities("a", "b"), b: (&recording{}).entities("b", "a")},
		{name: "another entity", a: (&recording{}).entities("a", "b"), b: (&recording{}).entities("b", "c"), differ: `"service_name": "a"`},
		{name: "no discovery", a: (&recording{}).discovery("x"), b: &recording{}, differ: "got no such call"},
		{name: "the client's own headers", a: begin().command(1, 2, nil, "b", "a", "user-agent"), b: begin().command(1, 2, nil, "grpc-x", "a", "b")},
		{name: "another header", a: begin().command(1, 2, nil, "a"), b: begin().command(1, 2, nil, "c"), differ: `"key": "a"`},
		{name: "another encoding of the same payload", a: begin().command(1, 2, request(t, "e")), b: begin().command(1, 2, unusual)},
		{name: "another payload", a: begin().command(1, 2, request(t, "e")), b: begin().command(1, 2, request(t, "f")), differ: `-       "id": "e"`},
		{name: "an unknown payload", a: begin().command(1, 2, &anypb.Any{TypeUrl: "x/y", Value: []byte{1}}), b: begin().command(1, 2, &anypb.Any{TypeUrl: "x/y", Value: []byte{2}}), differ: `"value": "AQ=="`},
		{name: "an entity id that is mapped", a: begin().command(1, 2, request(t, "e")), b: (&recording{}).open(1, "f").command(1, 1, nil).reply(1, 1).command(1, 2, request(t, "f")), rules: Rules{Entities: map[string]string{"e": "f"}}},
		{name: "a field that is ignored", a: begin().command(1, 2, request(t, "e")), b: begin().command(1, 2, nil), rules: Rules{Ignore: []string{"cloudstate.Command.payload"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			differences := Traces(c.a.file(), c.b.file(), c.rules)
			if c.differ == "" {
				for _, difference := range differences {
					t.Error(difference)
				}
				return
			}
			if len(differences) != 1 && !(c.both && len(differences) == 2) {
				t.Fatalf("%d differences: %v", len(differences), differences)
			}
			var b strings.Builder
			Report(&b, differences)
			if m := (*trace.Mismatch)(nil); !errors.As(differences[0], &m) || !strings.Contains(b.String(), c.differ) {
				t.Errorf("lacks %s:\n%s", c.differ, &b)
			}
		})
	}
}

// TestEveryTraceIsTheSameAsItself, and the same with its command ids exchanged for others and its calls numbered anew.
func TestEveryTraceIsTheSameAsItself(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := &recording{}, &recording{}
		shift := rapid.Int64Range(0, 1000).Draw(rt, "shift")
		for call := range rapid.IntRange(0, 4).Draw(rt, "calls") {
			one, other := trace.StreamID(call+1), trace.StreamID(100-call)
			id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "entity")
			a.open(one, id)
			b.open(other, id)
			for command := range int64(rapid.IntRange(0, 3).Draw(rt, "commands")) {
				payload := &anypb.Any{TypeUrl: "p.cloudstate.io/bytes", Value: rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(rt, "payload")}
				a.command(one, command+1, payload).reply(one, command+1)
				b.command(other, command+1+shift, payload).reply(other, command+1+shift)
			}
			a.end(one)
			b.end(other)
		}
		for _, other := range []*recording{a, b} {
			if differences := Traces(a.file(), other.file(), Rules{}); len(differences) > 0 {
				rt.Fatal(differences)
			}
		}
	})
}

func TestTranslate(t *testing.T) {
	c := Rules{Entities: map[string]string{"e": "f"}}.NewConversation(tracefile.NewTypes())
	recorded := (&recording{}).open(1, "e").command(1, 1, request(t, "e")).reply(1, 1).messages
	live := (&recording{}).open(1, "f").command(1, 9, request(t, "f")).reply(1, 9).messages
	for _, i := range []int{1, 2} {
		if err := c.Compare("here", recorded[i].Payload, live[i].Payload); err != nil {
			t.Error(err)
		}
	}
	if got := c.Translate(recorded[3].Payload); !proto.Equal(got, live[3].Payload) {
		t.Errorf("the reply became %v", got)
	}
	if !proto.Equal(recorded[3].Payload, (&recording{}).reply(1, 1).messages[0].Payload) {
		t.Error("the recorded message was changed")
	}
}

func TestComplete(t *testing.T) {
	file := &tracefile.Trace{Messages: []trace.Message{{Seq: 4, Kind: trace.Data, Raw: []byte{1}, Size: 9}}}
	if err := Complete(file); err == nil || !strings.Contains(err.Error(), "message 4 is not whole: 1 of its 9 bytes") {
		t.Error(err)
	}
	file.Messages[0].Size = 1
	if err := Complete(file); err != nil {
		t.Error(err)
	}
}
