package intercept

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// between returns a client whose calls pass a relay to function.
func between(t *testing.T, config mockfunction.Config) (*suite.Client, *Relay, *mockfunction.Function) {
	t.Helper()
	return amended(t, config, nil)
}

// amended is between with a relay that changes the answers to discover.
func amended(t *testing.T, config mockfunction.Config, amend func(*cloudstate.EntitySpec)) (*suite.Client, *Relay, *mockfunction.Function) {
	t.Helper()
	config.Spec = model.Spec()
	function := mockfunction.New(config)
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(function.Kill)
	relay, err := Start("127.0.0.1:0", function.Addr(), trace.NewRecorder(0), amend)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	client, err := suite.NewClient(relay.Addr(), nil, trace.Proxy, trace.Frontend)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, relay, function
}

func kinds(messages []trace.Message) string {
	var out []string
	for _, m := range messages {
		out = append(out, string(m.From)+" "+m.Kind.String())
	}
	return strings.Join(out, ", ")
}

func ctx10(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func ended(messages []trace.Message) bool {
	return slices.ContainsFunc(messages, func(m trace.Message) bool { return m.Kind == trace.Status || m.Kind == trace.Cancel })
}

func TestUnaryCallPassesUnchangedAndIsDecoded(t *testing.T) {
	var relay *Relay
	started := make(chan struct{})
	// An answer may overtake the half-close, which is then not seen: this one waits for it.
	client, relay, function := between(t, mockfunction.Config{Discover: func(ctx context.Context, _ *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
		<-started
		return model.Spec(), relay.Await(ctx, "the half-close", func(messages []trace.Message) bool {
			return slices.ContainsFunc(messages, func(m trace.Message) bool { return m.Kind == trace.HalfClose })
		})
	}})
	close(started)
	var answer cloudstate.EntitySpec
	if _, err := client.Unary(ctx10(t), cloudstate.EntityDiscovery_Discover_FullMethodName, &cloudstate.ProxyInfo{ProxyName: "p"}, &answer, nil); err != nil {
		t.Fatal(err)
	}
	if len(answer.GetEntities()) == 0 {
		t.Error("the answer did not come through")
	}
	info, err := function.NextDiscovery(ctx10(t))
	if err != nil || info.GetProxyName() != "p" {
		t.Errorf("the request came as %v, %v", info, err)
	}
	if err := relay.Await(ctx10(t), "the end", ended); err != nil {
		t.Fatal(err)
	}
	want := "proxy open, proxy message, proxy half-close, frontend message, frontend status"
	if got := kinds(relay.Messages()); got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
	if sent, ok := relay.Messages()[1].Payload.(*cloudstate.ProxyInfo); !ok || sent.GetProxyName() != "p" {
		t.Errorf("the request is not decoded: %v", relay.Messages()[1])
	}
}

func TestStreamOrderHalfCloseAndStatus(t *testing.T) {
	client, relay, function := between(t, mockfunction.Config{})
	ctx := ctx10(t)
	s, err := client.Stream(ctx, eventsourced.EventSourced_Handle_FullMethodName, nil)
	if err != nil {
		t.Fatal(err)
	}
	init := &eventsourced.EventSourcedInit{ServiceName: "a.S", EntityId: "e"}
	if err := s.Send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: init}}); err != nil {
		t.Fatal(err)
	}
	served, err := function.EventSourced(ctx, mockfunction.Claim{ID: "e"})
	if err != nil {
		t.Fatal(err)
	}
	if err := served.ExpectInit(ctx, init); err != nil {
		t.Error(err)
	}
	for id := range int64(5) {
		command := &cloudstate.Command{EntityId: "e", Id: id + 1, Name: "N"}
		if err := s.Send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: command}}); err != nil {
			t.Fatal(err)
		}
		if err := served.ExpectCommand(ctx, command); err != nil {
			t.Error(err)
		}
		if err := served.Reply(&eventsourced.EventSourcedReply{CommandId: id + 1}); err != nil {
			t.Fatal(err)
		}
		var out eventsourced.EventSourcedStreamOut
		if err := s.Recv(&out); err != nil || out.GetReply().GetCommandId() != id+1 {
			t.Errorf("reply %v, %v", &out, err)
		}
	}
	if err := served.SendRaw([]byte{0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if raw, err := s.RecvBytes(); err != nil || string(raw) != "\xff\xff" {
		t.Errorf("garbage came as %x, %v", raw, err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if end, err := served.ExpectEnd(ctx); err != nil || !end.HalfClose {
		t.Errorf("the half-close came as %v, %v", end, err)
	}
	served.Fail(codes.DataLoss, "on purpose")
	if _, err := s.RecvBytes(); status.Code(err) != codes.DataLoss || status.Convert(err).Message() != "on purpose" {
		t.Errorf("the status came as %v", err)
	}
	last := relay.Messages()[len(relay.Messages())-1]
	if last.Kind != trace.Status || last.Code != codes.DataLoss {
		t.Errorf("the record ends with %v", last)
	}
}

func TestCancellationPasses(t *testing.T) {
	client, relay, function := between(t, mockfunction.Config{})
	ctx, cancel := context.WithCancel(ctx10(t))
	s, err := client.Stream(ctx, action.ActionProtocol_HandleStreamed_FullMethodName, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(&action.ActionCommand{ServiceName: "a.S", Name: "M"}); err != nil {
		t.Fatal(err)
	}
	served, err := function.Action(ctx10(t), mockfunction.Claim{Service: "a.S"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-served.Context().Done():
	case <-ctx10(t).Done():
		t.Error("the user function never saw the cancellation")
	}
	if err := relay.Await(ctx10(t), "the cancel", ended); err != nil {
		t.Fatal(err)
	}
	if last := relay.Messages()[len(relay.Messages())-1]; last.Kind != trace.Cancel || last.From != trace.Proxy {
		t.Errorf("the record ends with %v, want the proxy's cancel", last)
	}
}

func TestHeadersAndDeadlinePass(t *testing.T) {
	var seen metadata.MD
	var deadline bool
	client, _, _ := between(t, mockfunction.Config{Discover: func(ctx context.Context, _ *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
		seen, _ = metadata.FromIncomingContext(ctx)
		_, deadline = ctx.Deadline()
		return nil, status.Error(codes.FailedPrecondition, "no")
	}})
	md := metadata.Pairs("x-one", "1", "x-one", "2", "x-bin", "\x00\x01")
	_, err := client.Unary(ctx10(t), cloudstate.EntityDiscovery_Discover_FullMethodName, &cloudstate.ProxyInfo{}, &cloudstate.EntitySpec{}, md)
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("status %v", err)
	}
	if !slices.Equal(seen.Get("x-one"), []string{"1", "2"}) || !slices.Equal(seen.Get("x-bin"), []string{"\x00\x01"}) {
		t.Errorf("headers came as %v", seen)
	}
	if !deadline {
		t.Error("the deadline did not pass")
	}
}

func TestFrontendGoneIsUnavailableAndComesBack(t *testing.T) {
	client, relay, function := between(t, mockfunction.Config{})
	function.Kill()
	discover := func() error {
		_, err := client.Unary(ctx10(t), cloudstate.EntityDiscovery_Discover_FullMethodName, &cloudstate.ProxyInfo{}, &cloudstate.EntitySpec{}, nil)
		return err
	}
	if err := discover(); status.Code(err) != codes.Unavailable {
		t.Errorf("with the user function gone: %v", err)
	}
	if err := function.Start(""); err != nil {
		t.Fatal(err)
	}
	ctx := ctx10(t)
	for err := discover(); err != nil; err = discover() {
		if ctx.Err() != nil {
			t.Fatalf("it never comes back: %v", err)
		}
		relay.Reconnect()
	}
}

func TestAwaitSaysWhatItWaitedFor(t *testing.T) {
	_, relay, _ := between(t, mockfunction.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := relay.Await(ctx, "a command", func([]trace.Message) bool { return false })
	var mismatch *trace.Mismatch
	if !errors.As(err, &mismatch) || mismatch.Expected != "a command" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestUnknownMethodsPassRaw(t *testing.T) {
	if m := decode("/example.Shop/Buy", []byte("abc"), true); m.Payload != nil || string(m.Raw) != "abc" || m.Size != 3 {
		t.Errorf("%+v", m)
	}
	if m := decode(eventsourced.EventSourced_Handle_FullMethodName, []byte{0xff}, true); m.Payload != nil || len(m.Raw) != 1 {
		t.Errorf("garbage: %+v", m)
	}
	if got := forwardable(metadata.Pairs(":authority", "a", "grpc-timeout", "1S", "te", "trailers", "user-agent", "x", "content-type", "y", "mine", "z")); len(got) != 1 {
		t.Errorf("%v, want only mine", got)
	}
}

func TestAmendedAnswersToDiscover(t *testing.T) {
	client, relay, _ := amended(t, mockfunction.Config{}, func(spec *cloudstate.EntitySpec) { spec.Entities = spec.GetEntities()[:1] })
	got := &cloudstate.EntitySpec{}
	if _, err := client.Unary(ctx10(t), cloudstate.EntityDiscovery_Discover_FullMethodName, &cloudstate.ProxyInfo{}, got, nil); err != nil {
		t.Fatal(err)
	}
	if len(got.GetEntities()) != 1 || len(got.GetProto()) == 0 {
		t.Errorf("%d entities and %d bytes of descriptors passed", len(got.GetEntities()), len(got.GetProto()))
	}
	for _, m := range relay.Messages() {
		if spec, ok := m.Payload.(*cloudstate.EntitySpec); ok && len(spec.GetEntities()) != 1 {
			t.Error("what was recorded is not what passed")
		}
	}
}
