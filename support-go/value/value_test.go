package value_test

import (
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

	"github.com/stateful-serverless/cloudstate/mockproxy"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/servertest"
	"github.com/stateful-serverless/cloudstate/support-go/value"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

type state = value.Context[*model.Persisted]

// process does what the steps of a request say.
func process(ctx *state, request *model.Request) (*model.Response, error) {
	for _, action := range request.GetActions() {
		switch do := action.GetAction().(type) {
		case *model.RequestAction_Update:
			next := &model.Persisted{Value: do.Update.GetValue()}
			ctx.Update(next)
			next.Value = "changed after it was set"
		case *model.RequestAction_Fail:
			if reply, err := special(ctx, do.Fail.GetMessage()); reply != nil || err != nil {
				return reply, err
			}
		}
	}
	return &model.Response{Message: ctx.State().GetValue()}, nil
}

func special(ctx *state, step string) (*model.Response, error) {
	switch do, argument, _ := strings.Cut(step, ":"); do {
	case "delete":
		ctx.Delete()
	case "append": // changes a copy of the state, and sets it
		next := ctx.State()
		next.Value += argument
		ctx.Update(next)
	case "scribble": // changes a copy of the state only
		ctx.State().Value = argument
	case "exists":
		return &model.Response{Message: fmt.Sprint(ctx.Exists(), " ", ctx.EntityID(), " ", ctx.CommandID())}, nil
	case "fail":
		return nil, status.Error(codes.AlreadyExists, argument)
	case "panic":
		panic(argument)
	case "big":
		return &model.Response{Message: strings.Repeat("x", maxMessageSize)}, nil
	case "forward":
		ctx.Forward(argument, &model.Request{Id: "other"})
	case "effect":
		ctx.SynchronousSideEffect(argument, &model.Request{Id: "other"})
	}
	return nil, nil
}

const (
	service        = "cloudstate.tck.model.valueentity.ValueEntityTckModel"
	maxMessageSize = 4096
)

// TestStream plays the scripts in testdata/stream: each directive sends something on an entity stream, and the answers
// to it follow.
func TestStream(t *testing.T) {
	datadriven.Walk(t, "testdata/stream", func(t *testing.T, path string) {
		entity := value.New(
			value.Config{Service: &model.ValueEntityTckModel_ServiceDesc, PersistenceID: "text"},
			value.Command(model.ValueEntityTckModel_Process_FullMethodName, process))
		address, logged := servertest.Start(t, &cloudstate.Server{
			Services: []cloudstate.Service{entity}, MaxMessageSize: maxMessageSize,
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
	stream *mockproxy.ValueEntity
	logged func() string
}

func (s *script) play(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	ctx := t.Context()
	var err error
	answers := 0 // to wait for
	switch d.Cmd {
	case "open":
		s.stream, err = s.proxy.ValueEntity(ctx)
	case "init":
		init := &pb.ValueEntityInit{ServiceName: service, EntityId: "e", State: &pb.ValueEntityInitState{}}
		d.MaybeScanArgs(t, "service", &init.ServiceName)
		if d.HasArg("state") {
			state := &model.Persisted{}
			d.ScanArgs(t, "state", &state.Value)
			init.State.Value = pack(t, state)
		}
		if d.HasArg("wrong-state") {
			init.State.Value = pack(t, &model.Response{})
		}
		err = s.stream.SendInit(init)
	case "command":
		err, answers = s.stream.SendCommand(command(t, d)), 1
	case "empty-message":
		err = s.stream.Send(&pb.ValueEntityStreamIn{})
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

// command reads a directive such as: command id=1 update=(a,b) do=fail:why.
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
			case "update":
				request.Actions = append(request.Actions, &model.RequestAction{
					Action: &model.RequestAction_Update{Update: &model.Update{Value: value}},
				})
			case "do":
				request.Actions = append(request.Actions, &model.RequestAction{
					Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: value}},
				})
			}
		}
	}
	switch {
	case d.HasArg("no-payload"):
	case d.HasArg("wrong-payload"):
		out.Payload = pack(t, &model.Response{})
	case d.HasArg("broken-payload"):
		out.Payload = &anypb.Any{TypeUrl: "type.googleapis.com/cloudstate.tck.model.valueentity.Request", Value: []byte{0xff}}
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
