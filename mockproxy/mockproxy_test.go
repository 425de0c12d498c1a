package mockproxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair starts a mock function with the model behaviours and connects a mock proxy to it.
func pair(t *testing.T, cfg mockfunction.Config) (*mockproxy.Proxy, *mockfunction.Function, *trace.Recorder) {
	t.Helper()
	cfg.Spec = model.Spec()
	f := mockfunction.New(cfg)
	if err := f.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	rec := trace.NewRecorder(0)
	p, err := mockproxy.Dial(f.Addr(), mockproxy.WithRecorder(rec))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		f.Kill()
	})
	return p, f, rec
}

func models() mockfunction.Config {
	return mockfunction.Config{EventSourced: model.EventSourced{}.New, ValueEntity: model.ValueEntity, Action: model.Action}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mismatch returns err's *trace.Mismatch and fails the test if it has none.
func mismatch(t *testing.T, err error) *trace.Mismatch {
	t.Helper()
	var m *trace.Mismatch
	if !errors.As(err, &m) {
		t.Fatalf("want a mismatch, got %v", err)
	}
	return m
}

func replying(t *testing.T, m proto.Message) *cloudstate.ClientAction {
	t.Helper()
	a, err := mockproxy.Any(m)
	ok(t, err)
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: a}}}
}

func TestDiscoverAndReport(t *testing.T) {
	p, f, _ := pair(t, models())
	ctx := t.Context()
	spec, err := p.Discover(ctx, mockproxy.Info(0, 2))
	ok(t, err)
	if !proto.Equal(spec, model.Spec()) {
		t.Errorf("got %s", trace.Text(spec))
	}
	info, err := f.NextDiscovery(ctx)
	ok(t, err)
	if !proto.Equal(info, mockproxy.Info(0, 2)) {
		t.Errorf("got %s", trace.Text(info))
	}
	ok(t, p.ReportError(ctx, "your fault"))
	if report, err := f.NextReport(ctx); err != nil || report != "your fault" {
		t.Errorf("got %q, %v", report, err)
	}
}

func TestRefusedConnection(t *testing.T) {
	p, f, _ := pair(t, models())
	f.Kill()
	_, err := p.Discover(t.Context(), mockproxy.Info(0, 2))
	if m := mismatch(t, err); !strings.Contains(m.Error(), "Unavailable") {
		t.Errorf("got %v", m)
	}
	if _, err := p.EventSourced(t.Context()); err == nil {
		t.Error("opened a stream to nobody")
	}
}

func TestEventSourced(t *testing.T) {
	p, _, rec := pair(t, models())
	ctx := t.Context()
	s, err := p.EventSourced(ctx)
	ok(t, err)
	persisted, err := mockproxy.Any(&esmodel.Persisted{Value: "c"})
	ok(t, err)
	emit := &esmodel.Request{Id: "e", Actions: []*esmodel.RequestAction{
		{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: "c"}}},
	}}
	ok(t,
		s.InitSnapshot(model.EventSourcedService, "e", 5, &esmodel.Persisted{Value: "a"}),
		s.Event(6, &esmodel.Persisted{Value: "b"}),
		s.Command(1, "Process", emit),
		s.ExpectReply(ctx, &eventsourced.EventSourcedReply{
			CommandId: 1, ClientAction: replying(t, &esmodel.Response{Message: "abc"}), Events: []*anypb.Any{persisted},
		}),
		s.Command(2, "Process", emit),
	)
	err = s.ExpectReply(ctx, &eventsourced.EventSourcedReply{CommandId: 3})
	m := mismatch(t, err)
	if !strings.Contains(m.Diff, `-     "command_id": 3`) || !strings.Contains(m.Diff, `+     "command_id": 2`) ||
		!strings.Contains(m.Got, `"message": "abcc"`) {
		t.Errorf("got %v", m)
	}
	ok(t, s.Passivate(ctx))
	_, err = s.Recv(ctx)
	var end *wire.End
	if !errors.As(err, &end) || end.Status.Code() != codes.OK {
		t.Errorf("after the end: %v", err)
	}

	var kinds []string
	for _, m := range rec.Messages() {
		kinds = append(kinds, string(m.From[0])+":"+m.Kind.String())
	}
	want := "p:open p:message p:message p:message f:message p:message f:message p:half-close f:status"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("recorded %s\nwant     %s\n%s", got, want, rec)
	}
}

func TestValueEntity(t *testing.T) {
	p, _, _ := pair(t, models())
	ctx := t.Context()
	s, err := p.ValueEntity(ctx)
	ok(t, err)
	defer s.Cancel()
	request := &vemodel.Request{Id: "e", Actions: []*vemodel.RequestAction{
		{Action: &vemodel.RequestAction_Fail{Fail: &vemodel.Fail{Message: "no"}}},
	}}
	ok(t,
		s.Init(model.ValueEntityService, "e", &vemodel.Persisted{Value: "v"}),
		s.Command(1, "Process", &vemodel.Request{Id: "e"}),
		s.ExpectReply(ctx, &valueentity.ValueEntityReply{CommandId: 1, ClientAction: replying(t, &vemodel.Response{Message: "v"})}),
		s.Command(2, "Process", request),
		s.ExpectReply(ctx, &valueentity.ValueEntityReply{CommandId: 2, ClientAction: &cloudstate.ClientAction{
			Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{CommandId: 2, Description: "no"}},
		}}),
		s.Passivate(ctx),
	)
}

func replies(messages ...string) *actionmodel.Request {
	r := &actionmodel.Request{}
	for _, m := range messages {
		step := &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Reply{Reply: &actionmodel.Reply{Message: m}}}
		r.Groups = append(r.Groups, &actionmodel.ProcessGroup{Steps: []*actionmodel.ProcessStep{step}})
	}
	return r
}

func answer(t *testing.T, message string) *action.ActionResponse {
	return &action.ActionResponse{Response: &action.ActionResponse_Reply{
		Reply: replying(t, &actionmodel.Response{Message: message}).GetReply(),
	}}
}

func TestActions(t *testing.T) {
	p, _, _ := pair(t, models())
	ctx := t.Context()
	payload, err := mockproxy.Any(replies("a", "b"))
	ok(t, err)
	command := &action.ActionCommand{ServiceName: model.ActionService, Name: "ProcessUnary", Payload: payload}

	got, err := p.HandleUnary(ctx, command)
	ok(t, err, trace.Compare("unary", answer(t, "b"), got))

	command.Name = "ProcessStreamedOut"
	out, err := p.HandleStreamedOut(ctx, command)
	ok(t, err)
	ok(t, out.Expect(ctx, answer(t, "a")), out.Expect(ctx, answer(t, "b")), out.ExpectCompletion(ctx))

	in, err := p.HandleStreamedIn(ctx)
	ok(t, err)
	ok(t, in.Header(model.ActionService, "ProcessStreamedIn"), in.Message(replies("x")), in.Message(replies("y")),
		in.CloseSend(), in.Expect(ctx, answer(t, "y")), in.ExpectCompletion(ctx))

	both, err := p.HandleStreamed(ctx)
	ok(t, err)
	ok(t, both.Header(model.ActionService, "ProcessStreamed"),
		both.Message(replies("x")), both.Expect(ctx, answer(t, "x")),
		both.Message(replies("y", "z")), both.Expect(ctx, answer(t, "y")), both.Expect(ctx, answer(t, "z")),
		both.Passivate(ctx))
}

func TestBrokenBytesBothWays(t *testing.T) {
	p, f, rec := pair(t, mockfunction.Config{})
	ctx := t.Context()
	s, err := p.EventSourced(ctx)
	ok(t, err)
	defer s.Cancel()
	ok(t, s.Init("svc", "e"), s.SendRaw([]byte{0xff, 0xff}), s.Send(&eventsourced.EventSourcedStreamIn{}))

	script, err := f.EventSourced(ctx, mockfunction.Claim{ID: "e"})
	ok(t, err)
	ok(t, script.ExpectInit(ctx, &eventsourced.EventSourcedInit{ServiceName: "svc", EntityId: "e"}))
	_, err = script.Recv(ctx)
	var bad *wire.Undecodable
	if !errors.As(err, &bad) || string(bad.Raw) != "\xff\xff" {
		t.Fatalf("got %v", err)
	}
	ok(t, script.Expect(ctx, &eventsourced.EventSourcedStreamIn{}))

	ok(t, script.SendRaw([]byte{0xfe, 0xfe}))
	_, err = s.Recv(ctx)
	bad = nil
	if !errors.As(err, &bad) || string(bad.Raw) != "\xfe\xfe" {
		t.Fatalf("got %v", err)
	}
	script.Fail(codes.DataLoss, "broken")
	m := mismatch(t, s.ExpectCompletion(ctx))
	if m.Got != "the end of the stream, status DataLoss: broken" {
		t.Errorf("got %q", m.Got)
	}
	m = mismatch(t, s.Command(1, "Process", nil))
	if !strings.Contains(m.Got, "ended") {
		t.Errorf("got %q", m.Got)
	}
	if text := rec.String(); !strings.Contains(text, "message <2 bytes: ffff>") || !strings.Contains(text, "status DataLoss: broken") {
		t.Errorf("recorded\n%s", text)
	}
}

func TestNothingComes(t *testing.T) {
	p, f, _ := pair(t, mockfunction.Config{})
	s, err := p.EventSourced(t.Context())
	ok(t, err)
	ok(t, s.Init("svc", "silent"))
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = s.ExpectReply(short, &eventsourced.EventSourcedReply{CommandId: 1})
	if m := mismatch(t, err); !strings.HasPrefix(m.Got, "nothing within") || !strings.Contains(m.Expected, `"command_id": 1`) ||
		!errors.Is(m, context.DeadlineExceeded) {
		t.Errorf("got %v", m)
	}
	// The stream is still good: what comes later is received.
	script, err := f.EventSourced(t.Context(), mockfunction.Claim{})
	ok(t, err)
	ok(t, script.Reply(&eventsourced.EventSourcedReply{CommandId: 1}), s.ExpectReply(t.Context(), &eventsourced.EventSourcedReply{CommandId: 1}))
	s.Cancel()
	s.Cancel()
	ok(t, script.ExpectCancel(t.Context()))
}

func TestWaitBoundsExpectations(t *testing.T) {
	p, f, _ := pair(t, mockfunction.Config{Wait: 20 * time.Millisecond})
	s, err := p.With(mockproxy.WithWait(20 * time.Millisecond)).EventSourced(t.Context())
	ok(t, err)
	defer s.Cancel()
	ok(t, s.Init("svc", "silent"))
	_, err = s.Recv(t.Context())
	_ = mismatch(t, err)
	_, err = f.EventSourced(t.Context(), mockfunction.Claim{ID: "another"})
	if m := mismatch(t, err); m.Expected != "a stream for event sourced entity any service, id another" {
		t.Errorf("got %v", m)
	}
}

func TestMetadataTravels(t *testing.T) {
	p, f, _ := pair(t, mockfunction.Config{})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-key", "v")
	s, err := p.ValueEntity(ctx)
	ok(t, err)
	defer s.Cancel()
	ok(t, s.Init("svc", "e", nil))
	script, err := f.ValueEntity(ctx, mockfunction.Claim{Service: "svc"})
	ok(t, err)
	if got := script.Headers().Get("x-key"); len(got) != 1 || got[0] != "v" {
		t.Errorf("got %v", got)
	}
	ok(t, script.ExpectInit(ctx, &valueentity.ValueEntityInit{
		ServiceName: "svc", EntityId: "e", State: &valueentity.ValueEntityInitState{},
	}))
	ok(t, s.CloseSend(), script.ExpectHalfClose(ctx))
	script.Complete()
	script.Fail(codes.Internal, "too late")
	ok(t, s.ExpectCompletion(ctx))
}
