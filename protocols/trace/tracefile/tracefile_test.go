package tracefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

var began = time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)

const (
	discover = cloudstate.EntityDiscovery_Discover_FullMethodName
	handle   = eventsourced.EventSourced_Handle_FullMethodName
	item     = "type.googleapis.com/com.example.shoppingcart.AddLineItem"
)

func pack(t testing.TB, m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// cart is the discovery answer of a cart; without imports as published libraries send it.
func cart(t testing.TB) *cloudstate.EntitySpec {
	file := protodesc.ToFileDescriptorProto(shoppingcart.File_shoppingcart_shoppingcart_proto)
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	return &cloudstate.EntitySpec{Proto: set}
}

func answer(payload proto.Message, method string) trace.Message {
	return trace.Message{Seq: 1, Time: began, From: trace.Frontend, To: trace.Proxy, Stream: 1, Method: method, Kind: trace.Data, Payload: payload, Size: proto.Size(payload)}
}

func command(payload *anypb.Any) trace.Message {
	m := &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: &cloudstate.Command{Id: 7, Payload: payload}}}
	return trace.Message{Seq: 2, Time: began.Add(1500 * time.Microsecond), From: trace.Proxy, To: trace.Frontend, Stream: 2, Method: handle, Kind: trace.Data, Payload: m, Size: proto.Size(m)}
}

// back writes the messages and reads them again.
func back(t testing.TB, messages ...trace.Message) (string, *Trace) {
	text, err := Format(Header{MadeBy: "a test", Began: began}, messages)
	if err != nil {
		t.Fatal(err)
	}
	read, err := Read(strings.NewReader(text), "test", Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return text, read
}

func differ(want, got []trace.Message) string { return cmp.Diff(want, got, protocmp.Transform()) }

func TestPayloadsOfTheDiscoveryAnswerAreDecoded(t *testing.T) {
	payload := pack(t, &shoppingcart.AddLineItem{UserId: "ada", ProductId: "tea", Quantity: 2})
	messages := []trace.Message{command(payload), answer(cart(t), discover), command(payload)}
	text, read := back(t, messages...)
	lines := strings.Split(text, "\n")
	const decoded = `"payload":{"@type":"` + item + `","user_id":"ada","product_id":"tea","quantity":2}`
	if strings.Contains(lines[1], "user_id") || !strings.Contains(lines[3], decoded) {
		t.Errorf("the payload is decoded from the discovery answer on, and not before it:\n%s", text)
	}
	if diff := differ(messages, read.Messages); diff != "" {
		t.Error(diff)
	}
}

// TestTypesThatDependOnImports: a known import that the answer leaves out is added; what depends on an unknown one stays bytes.
func TestTypesThatDependOnImports(t *testing.T) {
	of := func(name, typeName, path string) *descriptorpb.FileDescriptorProto {
		return &descriptorpb.FileDescriptorProto{
			Name: proto.String(name + ".proto"), Package: proto.String("a"), Syntax: proto.String("proto3"), Dependency: []string{path},
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String(name), Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("at"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), TypeName: proto.String(typeName),
			}}}},
		}
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		of("Known", ".google.protobuf.Timestamp", "google/protobuf/timestamp.proto"), of("Unknown", ".b.Nowhere", "b.proto"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	value := []byte("\x0a\x02\x08\x01") // at: one second after 1970 began
	text, _ := back(t, answer(&cloudstate.EntitySpec{Proto: set}, discover), command(&anypb.Any{TypeUrl: "x/a.Known", Value: value}), command(&anypb.Any{TypeUrl: "x/a.Unknown", Value: []byte("\x0a\x00")}))
	for _, want := range []string{`{"@type":"x/a.Known","at":"1970-01-01T00:00:01Z"}`, `{"@type":"trace.cloudstate.io/bytes","type":"x/a.Unknown","value":"CgA="}`} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s:\n%s", want, text)
		}
	}
}

func TestForms(t *testing.T) {
	nested := pack(t, pack(t, &model.Request{Id: "deep"}))
	for _, c := range []struct {
		name    string
		payload *anypb.Any
		want    string
	}{
		{"the model's", pack(t, &model.Request{Id: "x"}), `{"@type":"type.googleapis.com/cloudstate.tck.model.Request","id":"x"}`},
		{"a payload inside a payload", nested, `{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/cloudstate.tck.model.Request","id":"deep"}}`},
		{"a string", &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte("\x0a\x02hi")}, `{"@type":"p.cloudstate.io/string","value":"hi"}`},
		{"the empty string", &anypb.Any{TypeUrl: "p.cloudstate.io/string"}, `{"@type":"p.cloudstate.io/string"}`},
		{"a number", &anypb.Any{TypeUrl: "p.cloudstate.io/int64", Value: []byte("\x08\x05")}, `{"@type":"p.cloudstate.io/int64","value":"5"}`},
		{"JSON", &anypb.Any{TypeUrl: "json.cloudstate.io/T", Value: []byte("\x0a\x02{}")}, `{"@type":"json.cloudstate.io/T","value":"{}"}`},
		{"an unknown type", &anypb.Any{TypeUrl: "x/y", Value: []byte{1, 2}}, `{"@type":"trace.cloudstate.io/bytes","type":"x/y","value":"AQI="}`},
		{"not what its type says", &anypb.Any{TypeUrl: "x/cloudstate.Command", Value: []byte{0xff}}, `{"@type":"trace.cloudstate.io/bytes","type":"x/cloudstate.Command","value":"/w=="}`},
		{"an unknown field", &anypb.Any{TypeUrl: "x/cloudstate.Failure", Value: []byte("\x78\x01")}, `{"@type":"trace.cloudstate.io/bytes","type":"x/cloudstate.Failure","value":"eAE="}`},
		{"an unusual encoding", &anypb.Any{TypeUrl: "x/cloudstate.Failure", Value: []byte("\x08\x00")}, `{"@type":"trace.cloudstate.io/bytes","type":"x/cloudstate.Failure","value":"CAA="}`},
		{"our own type of bytes", &anypb.Any{TypeUrl: bytesURL, Value: []byte("\x0a\x01x")}, `{"@type":"trace.cloudstate.io/bytes","type":"trace.cloudstate.io/bytes","value":"CgF4"}`},
		{"an empty payload", &anypb.Any{}, `{}`},
		{"no type", &anypb.Any{Value: []byte{1}}, `{"@type":"trace.cloudstate.io/bytes","value":"AQ=="}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, read := back(t, command(c.payload))
			if !strings.Contains(text, `"message":{"command":{"id":"7","payload":`+c.want+`}}`) {
				t.Errorf("written as %s", text)
			}
			if diff := differ([]trace.Message{command(c.payload)}, read.Messages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatJSONWouldLoseIsKeptInBytes(t *testing.T) {
	withUnknown := &cloudstate.EntitySpec{}
	withUnknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	text, read := back(t, answer(withUnknown, discover))
	if strings.Contains(text, `"message":{`) || !strings.Contains(text, `"bytes":"mAYB"`) {
		t.Errorf("written as %s", text)
	}
	if diff := differ([]trace.Message{answer(withUnknown, discover)}, read.Messages); diff != "" {
		t.Error(diff)
	}
}

func TestUnusualMessages(t *testing.T) {
	raw := answer(nil, "/a.Shop/Buy")
	raw.Raw, raw.Size = []byte{1, 2, 3}, 3
	cut := raw
	cut.Raw, cut.Size = []byte{1}, 100_000
	status := trace.Message{Seq: 9, Time: began, From: trace.Frontend, To: trace.Proxy, Stream: 3, Method: handle, Kind: trace.Status, Code: 99, Reason: "<ü>\n",
		Metadata: metadata.Pairs("a", "1", "a", "2", "b-bin", "\x00\xff")}
	messages := []trace.Message{raw, cut, status}
	text, read := back(t, messages...)
	if diff := differ(messages, read.Messages); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(text, `"code":"99","reason":"<ü>\n"`) {
		t.Error(text)
	}
}

func anyPayload() *rapid.Generator[*anypb.Any] {
	return rapid.Custom(func(t *rapid.T) *anypb.Any {
		url := rapid.SampledFrom([]string{
			"", "x/y", bytesURL, item, "type.googleapis.com/cloudstate.tck.model.Request", "type.googleapis.com/google.protobuf.Any", "p.cloudstate.io/string",
			"p.cloudstate.io/double", "p.cloudstate.io/unknown", "json.cloudstate.io/T", "type.googleapis.com/google.protobuf.Struct", "type.googleapis.com/google.protobuf.Timestamp",
		}).Draw(t, "url")
		value := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "value")
		if rapid.Bool().Draw(t, "sound") {
			value, _ = proto.Marshal(&anypb.Any{TypeUrl: rapid.String().Draw(t, "inner"), Value: value})
		}
		return &anypb.Any{TypeUrl: url, Value: value}
	})
}

func anyMessage(spec *cloudstate.EntitySpec) *rapid.Generator[trace.Message] {
	return rapid.Custom(func(t *rapid.T) trace.Message {
		m := trace.Message{
			Seq: rapid.Uint64().Draw(t, "seq"), Time: began.Add(time.Duration(rapid.IntRange(-1e6, 1e12).Draw(t, "µs")) * time.Microsecond),
			Stream: trace.StreamID(rapid.Uint64().Draw(t, "stream")), From: trace.Proxy, To: trace.Frontend,
			Method: rapid.SampledFrom([]string{"", "/", "/a.B/C", handle, discover, action.ActionProtocol_HandleStreamed_FullMethodName, "/com.example.shoppingcart.ShoppingCart/AddItem"}).Draw(t, "method"),
			Kind:   trace.Kind(rapid.IntRange(int(trace.Open), int(trace.Cancel)).Draw(t, "kind")),
		}
		if rapid.Bool().Draw(t, "answer") {
			m.From, m.To = m.To, m.From
		}
		switch m.Kind {
		case trace.Data:
			switch rapid.IntRange(0, 3).Draw(t, "form") {
			case 0:
				m.Raw = rapid.SliceOf(rapid.Byte()).Draw(t, "raw")
				m.Size = len(m.Raw) + rapid.IntRange(0, 2).Draw(t, "cut")
			case 1:
				m.Method, m.From, m.To, m.Payload = discover, trace.Frontend, trace.Proxy, spec
			default:
				reply := &eventsourced.EventSourcedReply{CommandId: rapid.Int64().Draw(t, "id"), Events: rapid.SliceOfN(anyPayload(), 0, 3).Draw(t, "events")}
				m.Method, m.From, m.To = handle, trace.Frontend, trace.Proxy
				m.Payload = &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}}
			}
			if m.Payload != nil {
				m.Size = proto.Size(m.Payload)
			}
		case trace.Status, trace.Cancel:
			m.Code, m.Reason = codes.Code(rapid.Uint32().Draw(t, "code")), rapid.String().Draw(t, "reason")
		default:
			if rapid.Bool().Draw(t, "with metadata") {
				m.Metadata = metadata.MD{"k": rapid.SliceOfN(rapid.String(), 1, 2).Draw(t, "v"), "k-bin": {string(rapid.SliceOf(rapid.Byte()).Draw(t, "bin"))}}
			}
		}
		return m
	})
}

// TestRoundTrip: whatever was recorded is read as it was written; what was recorded as bytes may be read decoded.
func TestRoundTrip(t *testing.T) {
	spec := cart(t)
	rapid.Check(t, func(rt *rapid.T) {
		messages := rapid.SliceOfN(anyMessage(spec), 0, 6).Draw(rt, "messages")
		text, err := Format(Header{Began: began, Note: "a note"}, messages)
		if err != nil {
			rt.Fatal(err)
		}
		read, err := Read(strings.NewReader(text), "test", Limits{})
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		for i, want := range messages {
			if i < len(read.Messages) && want.Kind == trace.Data && want.Payload == nil {
				if got := &read.Messages[i]; got.Payload != nil {
					again, err := marshal(got.Payload)
					wanted := got.Payload.ProtoReflect().New().Interface()
					if err != nil || proto.Unmarshal(want.Raw, wanted) != nil || !proto.Equal(wanted, got.Payload) {
						rt.Fatalf("bytes %x were read as %x (%v)", want.Raw, again, err)
					}
					got.Payload, got.Raw = nil, want.Raw
				} else if len(want.Raw) == 0 {
					got.Raw = want.Raw
				}
			}
		}
		if len(messages) > 0 || len(read.Messages) > 0 {
			if diff := differ(messages, read.Messages); diff != "" {
				rt.Fatalf("%s\n%s", diff, text)
			}
		}
		if again, err := Format(read.Header, read.Messages); err != nil || again != text && !rawInside(messages) {
			rt.Fatalf("writing what was read gives another file (%v):\n%s\n%s", err, text, again)
		}
	})
}

func rawInside(messages []trace.Message) bool {
	for _, m := range messages {
		if m.Kind == trace.Data && m.Payload == nil {
			return true
		}
	}
	return false
}

func TestDeepPayloadsEndInBytes(t *testing.T) {
	payload := pack(t, &cloudstate.Failure{CommandId: 1})
	for range 300 {
		payload = pack(t, payload)
	}
	text, read := back(t, command(payload))
	if !proto.Equal(command(payload).Payload, read.Messages[0].Payload) {
		t.Error("it was read as something else")
	}
	if got := strings.Count(text, "google.protobuf.Any"); got != maxNesting+1 {
		t.Errorf("%d levels are decoded, want %d", got, maxNesting+1)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	const header = `{"cloudstate_trace":"1.0","began":"2026-11-21T23:00:00Z"}` + "\n"
	line := func(rest string) string {
		return header + `{"seq":1,"from":"proxy","to":"frontend","method":"` + handle + `",` + rest + "}\n"
	}
	for _, c := range []struct{ text, want string }{
		{"", "f: the file is empty"},
		{"hello\n", "f:1: this is no trace"},
		{"{}\n", "f:1: this is no trace"},
		{`{"cloudstate_trace":"2.0"}` + "\n", "f:1: the trace has format 2.0"},
		{header + "{", "f:2: the line is cut off"},
		{header + "{]\n", "f:2: invalid character"},
		{line(`"kind":"noise"`), `f:2: kind "noise": it is open, message`},
		{line(`"kind":"status","code":"BAD"`), `f:2: code "BAD" is no gRPC status`},
		{line(`"kind":"message","message":{"x":1}`), "f:2: message: "},
		{line(`"kind":"message","message":{},"bytes":"AQ=="`), "not both"},
		{line(`"kind":"message","bytes":"AQ=="`), "1 bytes, but the size is 0"},
		{line(`"kind":"message","bytes":"?","size":1`), "bytes: illegal base64"},
		{line(`"kind":"open","metadata":{"a-bin":["?"]}`), "metadata: illegal base64"},
		{line(`"kind":"message","message":{"command":{"payload":{"@type":"a/b.C"}}}`), "a/b.C"},
		{header + `{"from":"me","to":"proxy","kind":"open"}` + "\n", `party "me"`},
		{header + `{"from":"proxy","to":"frontend","method":"/a.B/C","kind":"message","message":{}}` + "\n", "the type of method /a.B/C is not known"},
		{header + strings.Repeat(" ", 400) + "\n", "f:2: the line is longer than 300 bytes"},
		{line(`"kind":"open"`) + strings.Repeat(`{"from":"proxy","to":"frontend","kind":"open"}`+"\n", 3), "f:5: more than 3 messages"},
		{header + strings.Repeat(`{"from":"proxy","to":"frontend","kind":"open","method":"`+strings.Repeat("a", 200)+`"}`+"\n", 3), "f:4: the file is longer than 700 bytes"},
	} {
		_, err := Read(strings.NewReader(c.text), "f", Limits{Line: 300, Messages: 3, Bytes: 700})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestMinorVersionsAndUnknownFieldsAreRead(t *testing.T) {
	text := `{"cloudstate_trace":"1.7","began":"2026-11-21T23:00:00Z","new":1}` + "\n" + `{"seq":4,"from":"proxy","to":"frontend","kind":"open","new":{}}` + "\n"
	read, err := Read(strings.NewReader(text), "f", Limits{})
	if err != nil || len(read.Messages) != 1 || read.Messages[0].Seq != 4 || read.Header.Version != "1.7" {
		t.Errorf("%+v, %v", read, err)
	}
}

// TestTheExampleOfTheDocumentation reads the example of the format's page and writes it again, the same.
func TestTheExampleOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../../docs/tck/trace-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	read, err := Read(strings.NewReader(example), "trace-format.md", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Format(read.Header, read.Messages); err != nil || again != example {
		t.Errorf("%v, %s", err, cmp.Diff(example, again))
	}
	if !strings.Contains(string(page), "## Version "+Version+"\n") {
		t.Errorf("the page does not describe version %s", Version)
	}
}

func TestWriterTellsOfAFullDisk(t *testing.T) {
	if _, err := NewWriter(fullDisk{}, Header{}); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Error(err)
	}
	w := Writer{to: io.Discard, types: NewTypes()}
	if err := w.Write(trace.Message{Seq: 3}); err == nil || !strings.Contains(err.Error(), "message 3: kind(0)") {
		t.Error(err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// FuzzRead: no file makes the reader panic or go on for ever, and what it accepts it can write and read again, the same.
func FuzzRead(f *testing.F) {
	var seed bytes.Buffer
	w, err := NewWriter(&seed, Header{Began: began})
	if err != nil {
		f.Fatal(err)
	}
	// A small type of its own: the fuzzer spends its time on seeds by their length.
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("f"), MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []trace.Message{answer(&cloudstate.EntitySpec{Proto: set}, discover), command(&anypb.Any{TypeUrl: "x/M"}), command(&anypb.Any{TypeUrl: "x/y", Value: []byte{1}})} {
		if err := w.Write(m); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(seed.Bytes())
	f.Add([]byte(`{"cloudstate_trace":"1.0"}` + "\n" + fmt.Sprintf(`{"from":"proxy","to":"frontend","method":%q,"kind":"message","bytes":"AQ==","size":1}`, handle) + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := Read(bytes.NewReader(text), "f", Limits{Line: 1 << 20, Messages: 100, Bytes: 2 << 20})
		if err != nil {
			return
		}
		again, err := Format(read.Header, read.Messages)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		second, err := Read(strings.NewReader(again), "again", Limits{})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		third, err := Format(second.Header, second.Messages)
		if err != nil || third != again {
			t.Fatalf("the second writing differs (%v):\n%s\n%s", err, again, third)
		}
	})
}
