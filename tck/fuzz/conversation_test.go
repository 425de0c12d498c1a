package fuzz

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

func TestMain(m *testing.M) {
	broken := asTarget()
	if broken == nil {
		goleak.VerifyTestMain(m)
	}
	broken()
}

// drawConversation draws one of either side.
func drawConversation(t *rapid.T) Conversation {
	side := rapid.SampledFrom([]target.Role{target.Frontend, target.Proxy}).Draw(t, "side")
	c, _ := generate(side, rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "index"))
	return c
}

// sent are all bytes of a conversation, for an entity.
func sent(c Conversation, entity string) [][]byte {
	var out [][]byte
	add := func(m *Message) {
		if m != nil {
			out = append(out, m.bytesFor(entity))
		}
	}
	for _, step := range c.Steps {
		add(step.Send)
		for _, a := range step.Answers {
			add(a.Send)
		}
	}
	return out
}

// A case is written and read without a change to what is sent, and one seed always has the same conversations.
func TestCasesOutliveTheirFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConversation(t)
		text, err := Case{Failure: "f", Conversations: []Conversation{c}}.Text()
		if err != nil {
			t.Fatal(err)
		}
		read, err := Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		again, err := read.Text()
		if err != nil || !sameJSON(text, again) {
			t.Fatalf("%v:\n%s\nbecame\n%s", err, text, again)
		}
		want, got := sent(c, placeholder), sent(read.Conversations[0], placeholder)
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				t.Fatalf("message %d: %x became %x", i, want[i], got[i])
			}
		}
	})
}

func TestOneSeedOneSeries(t *testing.T) {
	text := func(seed, index uint64) string {
		c, _ := generate(target.Proxy, seed, index)
		out, err := Case{Conversations: []Conversation{c}}.Text()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	different := 0
	for i := range uint64(50) {
		if !sameJSON([]byte(text(7, i)), []byte(text(7, i))) {
			t.Fatalf("conversation %d of a seed is not always the same", i)
		}
		if text(7, i) != text(8, i) {
			different++
		}
	}
	if different < 45 {
		t.Errorf("only %d of 50 conversations differ between two seeds", different)
	}
}

// sameJSON compares but for white space, which protojson varies.
func sameJSON(a, b []byte) bool {
	var left, right bytes.Buffer
	return json.Compact(&left, a) == nil && json.Compact(&right, b) == nil && left.String() == right.String()
}

func TestEntityIDsAreReplaced(t *testing.T) {
	m := &Message{Body: &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{
		Init: &eventsourced.EventSourcedInit{ServiceName: "s", EntityId: placeholder},
	}}}
	var in eventsourced.EventSourcedStreamIn
	if err := proto.Unmarshal(m.bytesFor("0123456789abcdef"), &in); err != nil || in.GetInit().GetEntityId() != "0123456789abcdef" {
		t.Errorf("%v, %v", &in, err)
	}
}

func TestMutations(t *testing.T) {
	body := &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Event{
		Event: &eventsourced.EventSourcedEvent{Sequence: 3},
	}}
	for _, tt := range []struct {
		m    Mutation
		want string
	}{
		{Mutation{Op: SetField, Path: "event.sequence", Value: "5"}, "\x12\x02\x08\x05"},
		{Mutation{Op: SetField, Path: "event.sequence", Value: "five"}, "\x12\x02\x08\x03"},
		{Mutation{Op: SetField, Path: "event.payload", Value: "1"}, "\x12\x02\x08\x03"},
		{Mutation{Op: SetField, Path: "init.entity_id", Value: "x"}, "\x12\x02\x08\x03"},
		{Mutation{Op: SetField, Path: "no.such", Value: "x"}, "\x12\x02\x08\x03"},
		{Mutation{Op: ClearField, Path: "event.sequence"}, "\x12\x00"},
		{Mutation{Op: ClearField, Path: "event"}, ""},
		{Mutation{Op: FlipByte, At: 3, Value: "6"}, "\x12\x02\x08\x05"},
		{Mutation{Op: FlipByte, At: 99, Value: "6"}, "\x12\x02\x08\x03"},
		{Mutation{Op: CutBytes, At: 2}, "\x12\x02"},
		{Mutation{Op: CutBytes, At: -1}, ""},
		{Mutation{Op: InsertBytes, At: 0, Value: "AAE="}, "\x00\x01\x12\x02\x08\x03"},
		{Mutation{Op: PadBytes, At: 1}, "\x12\x02\x08\x03\x82\xfa\x01\x01\x00"},
	} {
		if got := mutated(body, []Mutation{tt.m}); string(got) != tt.want {
			t.Errorf("%+v: %x, want %x", tt.m, got, tt.want)
		}
	}
	if body.GetEvent().GetSequence() != 3 {
		t.Error("a mutation changed the message that it was to copy")
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                     "EOF",
		`{"conversations": []}`: "0 conversations",
		`{"conversations": [{"side": "store", "kind": "raw", "steps": []}]}`:                                                             "side",
		`{"conversations": [{"side": "proxy", "kind": "crdt", "steps": []}]}`:                                                            "kind",
		`{"conversations": [{"side": "proxy", "kind": "raw", "steps": [], "more": 1}]}`:                                                  "more",
		`{"conversations": [{"side": "proxy", "kind": "event-sourced", "steps": [{"send": {"type": "x.Y"}}]}]}`:                          "x.Y",
		`{"conversations": [{"side": "proxy", "kind": "event-sourced", "steps": [{"send": {"type": "cloudstate.Reply", "body": {}}}]}]}`: "such a message",
		`{"conversations": [{"side": "proxy", "kind": "raw", "steps": [` + strings.Repeat(`{},`, maxSteps) + `{}]}]}`:                    "too many",
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrCase) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120s: %v, want %q", text, err, want)
		}
	}
}

// FuzzParse reads what anybody may have written into a file; what is read can be sent, written and shortened.
func FuzzParse(f *testing.F) {
	for i := range uint64(20) {
		for _, side := range []target.Role{target.Frontend, target.Proxy} {
			c, _ := generate(side, 1, i)
			text, err := Case{Conversations: []Conversation{c}}.Text()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		for _, conversation := range c.Conversations {
			_ = sent(conversation, "0123456789abcdef")
			_ = lessOf(conversation)
		}
		if _, err := c.Text(); err != nil {
			t.Fatal(err)
		}
	})
}
