package trace

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
)

func pack(t testing.TB, m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTextExpandsAnyAndLeavesOutUnsetFields(t *testing.T) {
	m := &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: &cloudstate.Command{
		EntityId: "a\"b", Id: 7, Name: "Process", Payload: pack(t, &model.Request{Id: "x"}),
	}}}
	want := `{"command": {"entity_id": "a\"b", "id": 7, "name": "Process", ` +
		`"payload": {"@type": "type.googleapis.com/cloudstate.tck.model.Request", "id": "x"}}}`
	if got := Text(m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Text(nil); got != "<nothing>" {
		t.Errorf("a nil message reads %q", got)
	}
	if got := Text(&eventsourced.EventSourcedStreamIn{}); got != "{}" {
		t.Errorf("an empty message reads %q", got)
	}
}

func TestTextOfAnyValues(t *testing.T) {
	for _, c := range []struct{ url, value, want string }{
		{"p.cloudstate.io/string", "\x0a\x02hi", `"hi"`},
		{"p.cloudstate.io/string", "", "<default>"},
		{"p.cloudstate.io/int64", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "-1"},
		{"p.cloudstate.io/bytes", "\x0a\x01\xff", "<1 bytes: ff>"},
		{"json.cloudstate.io/T", "\x0a\x02{}", `"{}"`},
		{"json.cloudstate.io/T", "\x0a\x7f{}", "<4 bytes: 0a7f7b7d>"},
		{"p.cloudstate.io/string", "\x12\x02hi", "<4 bytes: 12026869>"},
		{"type.googleapis.com/no.such.Type", "\x00", "<1 bytes: 00>"},
		{"type.googleapis.com/cloudstate.Command", "\xff", "<1 bytes: ff>"},
	} {
		want := fmt.Sprintf(`{"@type": %q, "value": %s}`, c.url, c.want)
		if got := Text(&anypb.Any{TypeUrl: c.url, Value: []byte(c.value)}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTextIsBounded(t *testing.T) {
	deep := pack(t, &cloudstate.Command{})
	for range 200 {
		deep = pack(t, &cloudstate.Command{Name: strings.Repeat("é", 1000), Payload: deep})
	}
	events := make([]*anypb.Any, 10_000)
	for i := range events {
		events[i] = &anypb.Any{TypeUrl: "x/y", Value: make([]byte, 1000)}
	}
	text := Text(&eventsourced.EventSourcedReply{Events: events, Snapshot: deep})
	if len(text) > 64<<10 {
		t.Errorf("the text has %d bytes", len(text))
	}
	if !strings.Contains(text, "… 9936 more") || !strings.Contains(text, "(2000 bytes)") || !strings.Contains(text, "{…}") {
		t.Error("the text does not say what it left out")
	}
}

func TestMessageString(t *testing.T) {
	r := NewRecorder(10)
	id := r.NewStream()
	base := Message{From: Proxy, To: Frontend, Stream: id, Method: "/cloudstate.eventsourced.EventSourced/handle"}
	open, data, end := base, base, base
	open.Kind, open.Metadata = Open, metadata.Pairs("b-bin", "\x01", "a", "x")
	data.Kind, data.Raw, data.Size = Data, []byte{0xff}, 1
	end.Kind, end.Code, end.Reason = Status, codes.Aborted, "gone"
	var followed []uint64
	r.Follow(func(m Message) { followed = append(followed, m.Seq) })
	for _, m := range []Message{open, data, end} {
		r.Record(m)
	}
	want := "#1 proxy -> frontend [1 EventSourced/handle] open [a: x, b-bin: <1 bytes: 01>]\n" +
		"#2 proxy -> frontend [1 EventSourced/handle] message <1 bytes: ff>\n" +
		"#3 proxy -> frontend [1 EventSourced/handle] status Aborted: gone\n"
	if got := r.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if fmt.Sprint(followed) != "[1 2 3]" {
		t.Errorf("followed %v", followed)
	}
	if r.Messages()[0].Time.IsZero() {
		t.Error("the recorder did not set the time")
	}
}

func TestRecorderKeepsTheNewestInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, n := rapid.IntRange(1, 20).Draw(t, "limit"), rapid.IntRange(0, 60).Draw(t, "n")
		r := NewRecorder(limit)
		for range n {
			r.Record(Message{Kind: Data})
		}
		kept := r.Messages()
		if len(kept) != min(limit, n) {
			t.Fatalf("kept %d", len(kept))
		}
		for i, m := range kept {
			if want := uint64(n - len(kept) + i + 1); m.Seq != want {
				t.Fatalf("place %d has number %d, want %d", i, m.Seq, want)
			}
		}
		r.Reset()
		r.Record(Message{})
		if got := r.Messages(); len(got) != 1 || got[0].Seq != uint64(n+1) {
			t.Fatalf("after reset: %v", got)
		}
	})
}

func TestRecorderKeepsLargeMessagesOnlyInPart(t *testing.T) {
	r := NewRecorder(0)
	var followed []Message
	r.Follow(func(m Message) { followed = append(followed, m) })
	r.Record(Message{Kind: Data, Raw: make([]byte, 1<<20), Size: 1 << 20})
	r.Record(Message{Kind: Data, Payload: &cloudstate.Command{}, Size: 1 << 20})
	m := r.Messages()
	if len(m[0].Raw) != maxKept || m[0].Size != 1<<20 || m[1].Payload != nil {
		t.Errorf("kept %d bytes and payload %v", len(m[0].Raw), m[1].Payload)
	}
	if len(followed[0].Raw) != 1<<20 || followed[1].Payload == nil {
		t.Errorf("the follower got %d bytes and payload %v", len(followed[0].Raw), followed[1].Payload)
	}
}

func TestNilRecorder(t *testing.T) {
	var r *Recorder
	r.Record(Message{})
	r.Reset()
	if r.NewStream() != 0 || r.Messages() != nil || r.String() != "" {
		t.Error("a nil recorder recorded")
	}
}

func TestRecorderIsConcurrencySafe(t *testing.T) {
	r := NewRecorder(100)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				r.Record(Message{Stream: r.NewStream(), Time: time.Unix(1, 0)})
				_ = r.Messages()
			}
		})
	}
	wg.Wait()
	if stream := r.NewStream(); stream != 1601 {
		t.Errorf("stream %d, want 1601", stream)
	}
	kept := r.Messages()
	if len(kept) != 100 {
		t.Fatalf("kept %d, want 100", len(kept))
	}
	for i, m := range kept {
		if want := uint64(1501 + i); m.Seq != want {
			t.Errorf("place %d has number %d, want %d", i, m.Seq, want)
		}
	}
}

func TestCompare(t *testing.T) {
	want := &cloudstate.Failure{CommandId: 1, Description: "no"}
	if err := Compare("here", want, &cloudstate.Failure{CommandId: 1, Description: "no"}); err != nil {
		t.Error(err)
	}
	err := Compare("here", want, &cloudstate.Failure{CommandId: 2, Description: "no"})
	text := `here: expected {"command_id": 1, "description": "no"}, got {"command_id": 2, "description": "no"}
  {
-   "command_id": 1
+   "command_id": 2
    "description": "no"
  }
`
	if err == nil || err.Error() != text {
		t.Errorf("got  %v\nwant %s", err, text)
	}
	long := strings.Repeat("x", 1000)
	err = Compare("here", &cloudstate.Failure{Description: long + "a"}, &cloudstate.Failure{Description: long + "b"})
	if err == nil || !strings.Contains(err.Error(), "too long to show") {
		t.Errorf("a hidden difference is not admitted: %v", err)
	}
}

func TestLineDiffHoldsBothSides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 12)
		a, b := lines.Draw(t, "a"), lines.Draw(t, "b")
		diff := lineDiff(a, b)
		if diff == "" {
			if strings.Join(a, "\n") != strings.Join(b, "\n") {
				t.Fatal("a difference went unseen")
			}
			return
		}
		var left, right []string
		for line := range strings.Lines(diff) {
			mark, text := line[:2], strings.TrimSuffix(line[2:], "\n")
			if mark != "+ " {
				left = append(left, text)
			}
			if mark != "- " {
				right = append(right, text)
			}
		}
		if strings.Join(left, "\n") != strings.Join(a, "\n") || strings.Join(right, "\n") != strings.Join(b, "\n") {
			t.Fatalf("%q and %q make\n%s", a, b, diff)
		}
	})
}

// FuzzText feeds the renderer what a peer may put into a message: it must neither panic nor grow without bound.
func FuzzText(f *testing.F) {
	seed, _ := proto.Marshal(&eventsourced.EventSourcedReply{CommandId: 1, Events: []*anypb.Any{pack(f, &model.Persisted{Value: "v"})}})
	f.Add(seed)
	f.Add([]byte("\x2a\x1c\x0a\x16p.cloudstate.io/string\x12\x02\x0a\x7f"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m eventsourced.EventSourcedReply
		if proto.Unmarshal(raw, &m) != nil {
			return
		}
		if text := Text(&m); text != Text(proto.Clone(&m)) {
			t.Errorf("equal messages have different texts: %s", text)
		}
		if err := Compare("fuzz", &m, proto.Clone(&m)); err != nil && proto.Equal(&m, proto.Clone(&m)) {
			t.Error(err)
		}
		_ = RawText(raw, len(raw))
	})
}
