package mockfunction_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ok(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// serve starts a function of cfg, with the model's discovery answer if cfg has none.
func serve(t *testing.T, cfg mockfunction.Config) *mockfunction.Function {
	t.Helper()
	if cfg.Spec == nil {
		cfg.Spec = model.Spec()
	}
	f := mockfunction.New(cfg)
	ok(t, f.Start("127.0.0.1:0"))
	t.Cleanup(f.Kill)
	return f
}

func dial(t *testing.T, f *mockfunction.Function) *mockproxy.Proxy {
	t.Helper()
	p, err := mockproxy.Dial(f.Addr())
	ok(t, err)
	t.Cleanup(func() { ok(t, p.Close()) })
	return p
}

// call brings one command to an instance and expects the message of the reply.
func call(t *testing.T, p *mockproxy.Proxy, id string, want string, steps ...*esmodel.RequestAction) *mockproxy.EventSourced {
	t.Helper()
	s, err := p.EventSourced(t.Context())
	ok(t, err)
	t.Cleanup(s.Cancel)
	ok(t, s.Init(model.EventSourcedService, id), s.Command(1, "Process", &esmodel.Request{Id: id, Actions: steps}))
	out, err := s.Recv(t.Context())
	ok(t, err)
	var response esmodel.Response
	ok(t, out.GetReply().GetClientAction().GetReply().GetPayload().UnmarshalTo(&response))
	if response.GetMessage() != want {
		t.Fatalf("got %q, want %q", response.GetMessage(), want)
	}
	return s
}

func emit(value string) *esmodel.RequestAction {
	return &esmodel.RequestAction{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: value}}}
}

func TestConnectionsAreRenewed(t *testing.T) {
	f := serve(t, mockfunction.Config{MaxConnectionIdle: 10 * time.Millisecond, MaxConnectionAge: 10 * time.Millisecond, EventSourced: model.EventSourced{}.New})
	p := dial(t, f)
	s := call(t, p, "a", "x", emit("x"))
	for f.Connections() < 3 {
		_, err := p.Discover(t.Context(), mockproxy.Info(0, 2))
		ok(t, err)
	}
	ok(t, s.Command(2, "Process", &esmodel.Request{Id: "a"}))
	if _, err := s.Recv(t.Context()); err != nil {
		t.Errorf("a stream that was open before its connection was renewed: %v", err)
	}
}

func TestKillDropsEverythingAndComesBackAsAnother(t *testing.T) {
	f := serve(t, mockfunction.Config{EventSourced: model.EventSourced{}.New})
	addr := f.Addr()
	p := dial(t, f)
	s := call(t, p, "a", "x", emit("x"))

	f.Kill()
	end, err := s.ExpectEnd(t.Context())
	ok(t, err)
	if end.Status.Code() != codes.Unavailable {
		t.Errorf("the stream ended with %s", end.Status)
	}

	other := &cloudstate.EntitySpec{Entities: []*cloudstate.Entity{mockfunction.Entity(mockfunction.ActionType, "other", "")}}
	f.SetSpec(other)
	ok(t, f.Start(""))
	if f.Addr() != addr {
		t.Errorf("came back at %s, not at %s", f.Addr(), addr)
	}
	if err := f.Start(""); !errors.Is(err, mockfunction.ErrRunning) {
		t.Errorf("a second start: %v", err)
	}
	spec, err := dial(t, f).Discover(t.Context(), mockproxy.Info(0, 2))
	ok(t, err, trace.Compare("spec", other, spec))
	f.Kill()
	f.Kill()
}

func TestStopLetsStreamsEnd(t *testing.T) {
	f := serve(t, mockfunction.Config{EventSourced: model.EventSourced{}.New})
	s := call(t, dial(t, f), "a", "")
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.Stop() }()
	ok(t, s.Command(2, "Process", &esmodel.Request{Id: "a", Actions: []*esmodel.RequestAction{emit("late")}}))
	out, err := s.Recv(t.Context())
	ok(t, err)
	if out.GetReply().GetCommandId() != 2 {
		t.Errorf("got %s", trace.Text(out))
	}
	ok(t, s.Passivate(t.Context()))
	<-stopped
}

func TestClaimsComeBeforeBehaviours(t *testing.T) {
	f := serve(t, mockfunction.Config{EventSourced: model.EventSourced{}.New})
	p := dial(t, f)
	for _, c := range []mockfunction.Claim{
		{ID: "mine"}, {Service: model.EventSourcedService, ID: "mine"}, {Service: model.EventSourcedService}, {},
	} {
		release := f.Claim(c)
		s, err := p.EventSourced(t.Context())
		ok(t, err)
		ok(t, s.Init(model.EventSourcedService, "mine"), s.Command(1, "Process", nil))
		script, err := f.EventSourced(t.Context(), c)
		ok(t, err)
		ok(t,
			script.ExpectInit(t.Context(), &eventsourced.EventSourcedInit{ServiceName: model.EventSourcedService, EntityId: "mine"}),
			script.ExpectCommand(t.Context(), &cloudstate.Command{EntityId: "mine", Id: 1, Name: "Process"}),
			script.SendFailure(&cloudstate.Failure{CommandId: 1, Description: "scripted"}),
			s.ExpectFailure(t.Context(), &cloudstate.Failure{CommandId: 1, Description: "scripted"}),
			s.CloseSend(),
			script.ExpectHalfClose(t.Context()),
		)
		script.Complete()
		ok(t, s.ExpectCompletion(t.Context()))
		release()
		release()
		call(t, p, "mine", "x", emit("x")).Cancel()
	}
	keep := f.Claim(mockfunction.Claim{ID: "theirs"})
	defer keep()
	call(t, p, "mine", "x", emit("x"))
}

func TestStreamLimitOfAConnection(t *testing.T) {
	f := serve(t, mockfunction.Config{EventSourced: model.EventSourced{}.New, MaxConcurrentStreams: 2})
	p := dial(t, f)
	first, second := call(t, p, "a", ""), call(t, p, "b", "")
	tight, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.EventSourced(tight); err == nil {
		t.Fatal("a third stream was let in")
	}
	ok(t, first.Passivate(t.Context()))
	call(t, p, "c", "")
	second.Cancel()

	f.Kill()
	f.SetMaxConcurrentStreams(0)
	ok(t, f.Start(""))
	p = dial(t, f)
	for i := range 20 {
		call(t, p, fmt.Sprint(i), "")
	}
}

func TestManyStreams(t *testing.T) {
	f := serve(t, mockfunction.Config{EventSourced: model.EventSourced{}.New})
	p := dial(t, f)
	for i := range 3000 {
		id := fmt.Sprint("entity-", i)
		call(t, p, id, id, emit(id))
	}
}

func TestScriptedDiscovery(t *testing.T) {
	f := serve(t, mockfunction.Config{
		Discover: func(_ context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
			return nil, status.Errorf(codes.Unavailable, "not for %s", info.GetProxyName())
		},
		ReportError: func(context.Context, string) error { return status.Error(codes.Internal, "cannot log") },
	})
	p := dial(t, f)
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(p.Discover(t.Context(), mockproxy.Info(0, 2))), "the end of the stream, status Unavailable: not for cloudstate-mockproxy"},
		{p.ReportError(t.Context(), "x"), "the end of the stream, status Internal: cannot log"},
		{p.Call(t.Context(), "/no.Such/method", &cloudstate.Command{}, &cloudstate.Command{}),
			"the end of the stream, status Unimplemented: mockfunction serves no /no.Such/method"},
	} {
		var m *trace.Mismatch
		if !errors.As(c.err, &m) || m.Got != c.want {
			t.Errorf("got %v, want %s", c.err, c.want)
		}
	}
	if report, err := f.NextReport(t.Context()); err != nil || report != "x" {
		t.Errorf("report %q, %v", report, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestScriptedAction(t *testing.T) {
	f := serve(t, mockfunction.Config{Action: model.Action})
	defer f.Claim(mockfunction.Claim{Service: "svc", ID: "Do"})()
	p := dial(t, f)
	response := &action.ActionResponse{Response: &action.ActionResponse_Failure{Failure: &cloudstate.Failure{Description: "no"}}}
	type result struct {
		response *action.ActionResponse
		err      error
	}
	answered := make(chan result, 1)
	go func() {
		got, err := p.HandleUnary(t.Context(), &action.ActionCommand{ServiceName: "svc", Name: "Do"})
		answered <- result{got, err}
	}()
	script, err := f.Action(t.Context(), mockfunction.Claim{Service: "svc", ID: "Do"})
	ok(t, err)
	ok(t, script.Expect(t.Context(), &action.ActionCommand{ServiceName: "svc", Name: "Do"}), script.Respond(response))
	got := <-answered
	ok(t, got.err, trace.Compare("response", response, got.response))

	in, err := p.HandleStreamedIn(t.Context())
	ok(t, err)
	ok(t, in.Header("svc", "Do"))
	script, err = f.Action(t.Context(), mockfunction.Claim{})
	ok(t, err)
	in.Cancel()
	ok(t, script.ExpectCancel(t.Context()))
}

func TestBehavioursRefuseViolations(t *testing.T) {
	f := serve(t, mockfunction.Config{EventSourced: model.EventSourced{}.New, ValueEntity: model.ValueEntity, Action: model.Action})
	p := dial(t, f)
	es, err := p.EventSourced(t.Context())
	ok(t, err)
	ok(t, es.Command(1, "Process", nil))
	expectViolation(t, es.ExpectCompletion(t.Context()))
	es, err = p.EventSourced(t.Context())
	ok(t, err)
	ok(t, es.Init(model.EventSourcedService, "a"), es.SendRaw([]byte{0xff}))
	expectViolation(t, es.ExpectCompletion(t.Context()))
	ve, err := p.ValueEntity(t.Context())
	ok(t, err)
	ok(t, ve.Init(model.ValueEntityService, "a", nil), ve.Init(model.ValueEntityService, "a", nil))
	expectViolation(t, ve.ExpectCompletion(t.Context()))
	a, err := p.HandleStreamed(t.Context())
	ok(t, err)
	ok(t, a.SendRaw([]byte{0xff}))
	expectViolation(t, a.ExpectCompletion(t.Context()))
}

func expectViolation(t *testing.T, err error) {
	t.Helper()
	var m *trace.Mismatch
	if !errors.As(err, &m) || !strings.HasPrefix(m.Got, "the end of the stream, status InvalidArgument: protocol violation: ") {
		t.Errorf("got %v", err)
	}
}

func TestSpecIsSelfContained(t *testing.T) {
	spec := mockfunction.NewSpec(
		[]protoreflect.FileDescriptor{esmodel.File_cloudstate_tck_model_eventsourced_proto, esmodel.File_cloudstate_tck_model_eventsourced_proto},
		mockfunction.Passivated(mockfunction.Entity(mockfunction.EventSourcedType, model.EventSourcedService, "p"), 1500*time.Microsecond),
	)
	var set descriptorpb.FileDescriptorSet
	ok(t, proto.Unmarshal(spec.GetProto(), &set))
	seen := make(map[string]bool)
	for _, file := range set.GetFile() {
		for _, dep := range file.GetDependency() {
			if !seen[dep] {
				t.Errorf("%s comes before its import %s", file.GetName(), dep)
			}
		}
		if seen[file.GetName()] {
			t.Errorf("%s is there twice", file.GetName())
		}
		seen[file.GetName()] = true
	}
	files, err := protodesc.NewFiles(&set)
	ok(t, err)
	if _, err := files.FindDescriptorByName(model.EventSourcedService); err != nil {
		t.Error(err)
	}
	if got := spec.GetEntities()[0].GetPassivationStrategy().GetTimeout().GetTimeout(); got != 1 {
		t.Errorf("passivation after %d ms", got)
	}
}
