package eventsourced_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
	"github.com/stateful-serverless/cloudstate/support-go/internal/servertest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// text is the state of the entity under test. A step of a request says what its handler does.
type text struct {
	value string
}

func (s *text) process(ctx *eventsourced.Context, request *model.Request) (*model.Response, error) {
	for _, action := range request.GetActions() {
		if emit := action.GetEmit(); emit != nil {
			event := &model.Persisted{Value: emit.GetValue()}
			ctx.Emit(event)
			event.Value = "changed after it was emitted"
			continue
		}
		switch do, argument, _ := strings.Cut(action.GetFail().GetMessage(), ":"); do {
		case "fail":
			return nil, errors.New(argument)
		case "refuse":
			return nil, fmt.Errorf("refused: %w", status.Error(codes.FailedPrecondition, argument))
		case "panic":
			panic(argument)
		case "emit-unknown":
			ctx.Emit(&emptypb.Empty{})
		case "nil":
			return nil, nil
		case "big":
			return &model.Response{Message: strings.Repeat("x", maxMessageSize)}, nil
		case "forward":
			ctx.Forward(argument, &model.Request{Id: "other"}, cloudstate.Text("k", "v"))
		case "forward-to-cart": // gives another type than this rpc
			ctx.Forward(shoppingcart.ShoppingCart_GetCart_FullMethodName, &shoppingcart.GetShoppingCart{})
		case "effect":
			ctx.SideEffect(argument, &model.Request{Id: "other"})
		case "effect-wrong-type":
			ctx.SideEffect(model.EventSourcedTwo_Call_FullMethodName, &model.Response{})
		case "echo":
			value, _ := ctx.Metadata().Get(argument)
			ctx.AddReplyMetadata(cloudstate.Text("echo", value), cloudstate.Binary("raw-bin", []byte{0}))
		case "who":
			return &model.Response{Message: fmt.Sprint(ctx.EntityID(), " ", ctx.CommandID())}, nil
		}
	}
	return &model.Response{Message: s.value}, nil
}

func (s *text) persisted(event *model.Persisted) {
	if event.GetValue() == "panic" {
		panic("in an event handler")
	}
	s.value += event.GetValue()
}

const (
	service        = "cloudstate.tck.model.EventSourcedTckModel"
	maxMessageSize = 4096
)

func entity(parts ...eventsourced.Handler[text]) cloudstate.Service {
	return eventsourced.New(
		eventsourced.Config{Service: &model.EventSourcedTckModel_ServiceDesc, PersistenceID: "text", SnapshotEvery: 3},
		append(parts,
			eventsourced.Command(model.EventSourcedTckModel_Process_FullMethodName, (*text).process),
			eventsourced.Event((*text).persisted))...)
}

func snapshots() eventsourced.Handler[text] {
	return eventsourced.Snapshot(
		func(s *text) *model.Persisted { return &model.Persisted{Value: s.value} },
		func(s *text, snapshot *model.Persisted) { s.value = snapshot.GetValue() })
}

// TestStream plays the scripts in testdata/stream: each directive sends something on an entity stream, and the answers
// to it follow. A script that says so is about an entity without snapshots.
func TestStream(t *testing.T) {
	datadriven.Walk(t, "testdata/stream", func(t *testing.T, path string) {
		parts := []eventsourced.Handler[text]{snapshots()}
		if strings.HasSuffix(path, "without-snapshots") {
			parts = nil
		}
		address, logged := servertest.Start(t, &cloudstate.Server{
			Services: []cloudstate.Service{entity(parts...)}, MaxMessageSize: maxMessageSize,
		})
		proxy, err := mockproxy.Dial(address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = proxy.Close() })
		script := &script{proxy: proxy, logged: logged}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			return plain.Replace(script.play(t, d))
		})
	})
}

// plain undoes what package protobuf varies from build to build in its error texts: the kind of space.
var plain = strings.NewReplacer("\u00a0", " ", "\\u00a0", " ")

type script struct {
	proxy  *mockproxy.Proxy
	stream *mockproxy.EventSourced
	logged func() string
}

func (s *script) play(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	ctx := t.Context()
	var err error
	answers := 0 // to wait for
	switch d.Cmd {
	case "open":
		s.stream, err = s.proxy.EventSourced(ctx)
	case "init":
		init := &pb.EventSourcedInit{ServiceName: service, EntityId: "e"}
		d.MaybeScanArgs(t, "service", &init.ServiceName)
		if d.HasArg("snapshot") {
			snapshot := &model.Persisted{}
			init.Snapshot = &pb.EventSourcedSnapshot{}
			d.ScanArgs(t, "snapshot", &init.Snapshot.SnapshotSequence, &snapshot.Value)
			init.Snapshot.Snapshot = pack(t, snapshot)
		}
		err = s.stream.Send(&pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Init{Init: init}})
	case "event":
		event := &model.Persisted{}
		var sequence int64
		d.ScanArgs(t, "sequence", &sequence)
		d.ScanArgs(t, "value", &event.Value)
		err = s.stream.Event(sequence, event)
	case "unknown-event":
		err = s.stream.Event(1, &emptypb.Empty{})
	case "command":
		err, answers = s.stream.SendCommand(command(t, d)), 1
	case "empty-message":
		err = s.stream.Send(&pb.EventSourcedStreamIn{})
	case "garbage":
		err = s.stream.SendRaw([]byte{0xff})
	case "oversized":
		err = s.stream.SendRaw(make([]byte, 2*maxMessageSize))
	case "half-close":
		err = s.stream.CloseSend()
	case "log":
		for _, line := range d.CmdArgs {
			if !strings.Contains(s.logged(), line.String()) {
				return fmt.Sprintf("no %q in:\n%s", line.String(), s.logged())
			}
		}
		return "logged"
	default:
		t.Fatalf("unknown directive %q", d.Cmd)
	}
	if err != nil {
		return "error: " + err.Error()
	}
	if d.HasArg("ends") {
		answers = 2 // at most: a failure and the end
	}
	return s.receive(t, answers, d.HasArg("ends"))
}

func (s *script) receive(t *testing.T, answers int, ends bool) string {
	var out []string
	for range answers {
		message, err := s.stream.Recv(t.Context())
		var end *wire.End
		if errors.As(err, &end) {
			return strings.Join(append(out, strings.TrimSpace(fmt.Sprintf("end: %s %s", end.Status.Code(), end.Status.Message()))), "\n")
		}
		if err != nil {
			return strings.Join(append(out, err.Error()), "\n")
		}
		out = append(out, trace.Text(message))
	}
	if ends {
		out = append(out, "the stream did not end")
	}
	return strings.Join(out, "\n")
}

// command reads a directive such as: command id=1 (emit=(a,b)) do=fail:why.
func command(t *testing.T, d *datadriven.TestData) *protocol.Command {
	t.Helper()
	request := &model.Request{Id: "e"}
	out := &protocol.Command{EntityId: "e", Name: "Process"}
	d.ScanArgs(t, "id", &out.Id)
	d.MaybeScanArgs(t, "entity", &out.EntityId)
	d.MaybeScanArgs(t, "name", &out.Name)
	for _, argument := range d.CmdArgs {
		for _, value := range argument.Vals {
			switch argument.Key {
			case "emit":
				request.Actions = append(request.Actions, &model.RequestAction{
					Action: &model.RequestAction_Emit{Emit: &model.Emit{Value: value}},
				})
			case "do":
				request.Actions = append(request.Actions, &model.RequestAction{
					Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: value}},
				})
			case "metadata":
				out.Metadata = cloudstate.Metadata{cloudstate.Text("X-Custom", value)}.Proto()
			}
		}
	}
	switch {
	case d.HasArg("no-payload"):
	case d.HasArg("wrong-payload"):
		out.Payload = pack(t, &model.Response{})
	case d.HasArg("broken-payload"):
		out.Payload = &anypb.Any{TypeUrl: "type.googleapis.com/cloudstate.tck.model.Request", Value: []byte{0xff}}
	default:
		out.Payload = pack(t, request)
	}
	return out
}

func pack(t *testing.T, message proto.Message) *anypb.Any {
	t.Helper()
	packed, err := anypb.New(message)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// TestInstancesApart has many instances at work at once, some of which panic: each keeps its own state and order, and a
// panic ends the stream of its own instance only. Run it with -race.
func TestInstancesApart(t *testing.T) {
	const instances, commands = 50, 20
	address, _ := servertest.Start(t, &cloudstate.Server{Services: []cloudstate.Service{entity(snapshots())}})
	proxy, err := mockproxy.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	failed := make(chan error, instances)
	for i := range instances {
		go func() {
			err := converse(t.Context(), proxy, fmt.Sprint("e", i), commands, i%5 == 0)
			if err != nil {
				err = fmt.Errorf("instance %d: %w", i, err)
			}
			failed <- err
		}()
	}
	for range instances {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// converse emits one event a command, and has the last command panic if asked to.
func converse(ctx context.Context, proxy *mockproxy.Proxy, id string, commands int, panics bool) error {
	stream, err := proxy.EventSourced(ctx)
	if err != nil {
		return err
	}
	defer stream.Cancel()
	if err := stream.Init(service, id); err != nil {
		return err
	}
	want := ""
	for i := 1; i <= commands; i++ {
		value := fmt.Sprintf("%s/%d ", id, i)
		want += value
		emit := &model.RequestAction{Action: &model.RequestAction_Emit{Emit: &model.Emit{Value: value}}}
		if err := stream.Command(int64(i), "Process", &model.Request{Id: id, Actions: []*model.RequestAction{emit}}); err != nil {
			return err
		}
		out, err := stream.Recv(ctx)
		if err != nil {
			return err
		}
		got := &model.Response{}
		if err := out.GetReply().GetClientAction().GetReply().GetPayload().UnmarshalTo(got); err != nil {
			return err
		}
		if out.GetReply().GetCommandId() != int64(i) || got.GetMessage() != want {
			return fmt.Errorf("command %d of state %q answered with %v", i, want, out)
		}
	}
	if !panics {
		return stream.Passivate(ctx)
	}
	fail := &model.RequestAction{Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: "panic:now"}}}
	if err := stream.Command(int64(commands+1), "Process", &model.Request{Id: id, Actions: []*model.RequestAction{fail}}); err != nil {
		return err
	}
	if out, err := stream.Recv(ctx); err != nil || out.GetFailure().GetCommandId() != int64(commands+1) {
		return fmt.Errorf("the panic was answered with %v, %w", out, err)
	}
	var end *wire.End
	if _, err := stream.Recv(ctx); !errors.As(err, &end) {
		return fmt.Errorf("the stream went on after a panic: %w", err)
	}
	return nil
}
