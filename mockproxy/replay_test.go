package mockproxy_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// recordSome has a conversation with the mock function and returns it as a file would.
func recordSome(t *testing.T) (*tracefile.Trace, *mockproxy.Proxy) {
	t.Helper()
	p, _, recorder := pair(t, models())
	ctx := t.Context()
	if _, err := p.Discover(ctx, mockproxy.Info(0, 2)); err != nil {
		t.Fatal(err)
	}
	s, err := p.EventSourced(ctx)
	ok(t, err, s.Init(model.EventSourcedService, "one"))
	emit := &esmodel.Request{Id: "one", Actions: []*esmodel.RequestAction{{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: "a"}}}}}
	ok(t, s.Command(1, "Process", emit))
	_, err = s.Recv(ctx)
	ok(t, err, s.SendRaw([]byte{0xff}))
	_, err = s.ExpectEnd(ctx) // the function ends the stream over the garbage
	ok(t, err)
	payload, err := mockproxy.Any(&actionmodel.Request{Groups: []*actionmodel.ProcessGroup{{Steps: []*actionmodel.ProcessStep{{Step: &actionmodel.ProcessStep_Reply{Reply: &actionmodel.Reply{Message: "m"}}}}}}})
	ok(t, err)
	_, err = p.HandleUnary(ctx, &action.ActionCommand{ServiceName: model.ActionService, Name: "ProcessUnary", Payload: payload})
	ok(t, err)
	cancelled, err := p.HandleStreamed(ctx)
	ok(t, err, cancelled.Header(model.ActionService, "ProcessStreamed"))
	cancelled.Cancel()
	text, err := tracefile.Format(tracefile.Header{Began: time.Now()}, recorder.Messages())
	ok(t, err)
	recorded, err := tracefile.Read(strings.NewReader(text), "recorded", tracefile.Limits{})
	ok(t, err)
	return recorded, p.With(mockproxy.WithRecorder(nil))
}

func TestReplayOfWhatWasJustRecorded(t *testing.T) {
	recorded, p := recordSome(t)
	differences, err := p.Replay(t.Context(), recorded, match.Rules{})
	ok(t, err)
	for _, difference := range differences {
		t.Error(difference)
	}
}

// TestReplayOfOneMessageClosesAtOnce: where the recorder saw the half-close of a unary call is chance, and some servers wait for it.
func TestReplayOfOneMessageClosesAtOnce(t *testing.T) {
	p, f, _ := pair(t, mockfunction.Config{})
	waits, err := script.Parse("waits", []byte("as: function\nsteps: [{open: action-unary}, {expect: {}}, {expect-end: half-close}, {send: {reply: {}}}, {close: }]"))
	ok(t, err)
	played := make(chan error, 1)
	go func() { played <- waits.Run(t.Context(), f.Side(), tracefile.NewTypes()) }()
	const method = action.ActionProtocol_HandleUnary_FullMethodName
	up := func(kind trace.Kind, payload proto.Message) trace.Message {
		return trace.Message{From: trace.Proxy, To: trace.Frontend, Stream: 1, Method: method, Kind: kind, Payload: payload}
	}
	down := func(kind trace.Kind, payload proto.Message) trace.Message {
		return trace.Message{From: trace.Frontend, To: trace.Proxy, Stream: 1, Method: method, Kind: kind, Payload: payload}
	}
	answer := &action.ActionResponse{Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{}}}
	recorded := &tracefile.Trace{Types: tracefile.NewTypes(), Messages: []trace.Message{
		up(trace.Open, nil), up(trace.Data, &action.ActionCommand{ServiceName: "S", Name: "C"}), down(trace.Data, answer), up(trace.HalfClose, nil), down(trace.Status, nil),
	}}
	differences, err := p.Replay(t.Context(), recorded, match.Rules{})
	ok(t, err, <-played)
	if len(differences) > 0 {
		t.Error(differences)
	}
}

func TestReplayTellsWhatDiffers(t *testing.T) {
	recorded, p := recordSome(t)
	for i, m := range recorded.Messages {
		switch out := m.Payload.(type) {
		case *eventsourced.EventSourcedStreamOut:
			changed, ok := proto.Clone(out).(*eventsourced.EventSourcedStreamOut)
			if !ok {
				t.Fatal("a clone is of another type")
			}
			changed.GetReply().CommandId = 7
			recorded.Messages[i].Payload = changed
		case *action.ActionResponse:
			recorded.Messages[i].Kind = trace.Status
		}
	}
	differences, err := p.Replay(t.Context(), recorded, match.Rules{})
	ok(t, err)
	if len(differences) != 2 {
		t.Fatalf("%d differences, want those of the two calls: %v", len(differences), differences)
	}
	for i, want := range []string{`-     "command_id": "7"`, "expected the end of the call, status OK, got {"} {
		if !strings.Contains(differences[i].Error(), want) {
			t.Errorf("lacks %s: %v", want, differences[i])
		}
	}
}

func TestReplayWaitsNoLongerThanToldAndStopsWhenTold(t *testing.T) {
	recorded, _ := recordSome(t)
	recorded.Messages = slices.DeleteFunc(recorded.Messages, func(m trace.Message) bool { return m.Method != eventsourced.EventSourced_Handle_FullMethodName })
	p, _, _ := pair(t, mockfunction.Config{}) // a function that never replies
	differences, err := p.With(mockproxy.WithWait(50*time.Millisecond)).Replay(t.Context(), recorded, match.Rules{})
	if err != nil || len(differences) != 1 || !strings.Contains(differences[0].Error(), "nothing within") {
		t.Errorf("%v, %v", differences, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Replay(ctx, recorded, match.Rules{}); err == nil {
		t.Error("it went on after its context's end")
	}
	if _, err := p.Replay(t.Context(), &tracefile.Trace{}, match.Rules{}); err == nil || !strings.Contains(err.Error(), "no call") {
		t.Errorf("an empty trace: %v", err)
	}
	cut := &tracefile.Trace{Messages: []trace.Message{{Kind: trace.Data, Size: 3}}}
	if _, err := p.Replay(t.Context(), cut, match.Rules{}); err == nil || !strings.Contains(err.Error(), "not whole") {
		t.Errorf("a trace that lacks bytes: %v", err)
	}
}
