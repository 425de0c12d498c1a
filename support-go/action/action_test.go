package action_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/action"
	"github.com/stateful-serverless/cloudstate/support-go/internal/servertest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	service        = "cloudstate.tck.model.action.ActionTckModel"
	two            = model.ActionTwo_Call_FullMethodName
	maxMessageSize = 4096
)

type (
	requests  = iter.Seq2[*model.Request, error]
	responses = *action.Responses[*model.Response]
)

// handlers are the four rpcs of the service under test. A test sets those that it calls; the others refuse.
type handlers struct {
	unary       func(*action.Context, *model.Request) (*model.Response, error)
	streamedIn  func(*action.Context, requests) (*model.Response, error)
	streamedOut func(*action.Context, *model.Request, responses) error
	streamed    func(*action.Context, requests, responses) error
}

func (h handlers) service() cloudstate.Service {
	refused := errors.New("not part of this test")
	if h.unary == nil {
		h.unary = func(*action.Context, *model.Request) (*model.Response, error) { return nil, refused }
	}
	if h.streamedIn == nil {
		h.streamedIn = func(*action.Context, requests) (*model.Response, error) { return nil, refused }
	}
	if h.streamedOut == nil {
		h.streamedOut = func(*action.Context, *model.Request, responses) error { return refused }
	}
	if h.streamed == nil {
		h.streamed = func(*action.Context, requests, responses) error { return refused }
	}
	return action.New(
		&model.ActionTckModel_ServiceDesc,
		action.Unary(model.ActionTckModel_ProcessUnary_FullMethodName, h.unary),
		action.StreamedIn(model.ActionTckModel_ProcessStreamedIn_FullMethodName, h.streamedIn),
		action.StreamedOut(model.ActionTckModel_ProcessStreamedOut_FullMethodName, h.streamedOut),
		action.Streamed(model.ActionTckModel_ProcessStreamed_FullMethodName, h.streamed),
	)
}

func start(t *testing.T, h handlers) (proxy *mockproxy.Proxy, logged func() string) {
	t.Helper()
	address, logged := servertest.Start(t, &cloudstate.Server{
		Services: []cloudstate.Service{h.service()}, MaxMessageSize: maxMessageSize,
	})
	proxy, err := mockproxy.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	return proxy, logged
}

func request(text string) *model.Request {
	if text == "" {
		return &model.Request{}
	}
	return &model.Request{Groups: []*model.ProcessGroup{{Steps: []*model.ProcessStep{{
		Step: &model.ProcessStep_Reply{Reply: &model.Reply{Message: text}},
	}}}}}
}

func textOf(request *model.Request) string {
	return request.GetGroups()[0].GetSteps()[0].GetReply().GetMessage()
}

func pack(t *testing.T, message proto.Message) *anypb.Any {
	t.Helper()
	packed, err := anypb.New(message)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func command(t *testing.T, name, text string) *pb.ActionCommand {
	t.Helper()
	return &pb.ActionCommand{ServiceName: service, Name: name, Payload: pack(t, request(text))}
}

// expect compares a response with one in text form.
func expect(t *testing.T, got *pb.ActionResponse, want string) {
	t.Helper()
	wanted := &pb.ActionResponse{}
	if err := prototext.Unmarshal([]byte(want), wanted); err != nil {
		t.Fatal(err)
	}
	if err := trace.Compare("response", wanted, got); err != nil {
		t.Error(err)
	}
}

func replyText(text string) string {
	return `reply { payload { [type.googleapis.com/cloudstate.tck.model.action.Response] { message: "` + text + `" } } }`
}

const effect = ` side_effects { service_name: "cloudstate.tck.model.action.ActionTwo" command_name: "Call"
	payload { [type.googleapis.com/cloudstate.tck.model.action.OtherRequest] { id: "o" } } }`

func TestUnary(t *testing.T) {
	proxy, logged := start(t, handlers{unary: func(ctx *action.Context, in *model.Request) (*model.Response, error) {
		if len(in.GetGroups()) == 0 {
			return nil, nil
		}
		ctx.SideEffect(two, &model.OtherRequest{Id: "o"})
		switch text := textOf(in); text {
		case "forward":
			ctx.Forward(two, &model.OtherRequest{Id: "f"}, cloudstate.Text("k", "v"))
			return nil, nil
		case "fail":
			return nil, status.Error(codes.NotFound, "why")
		case "not text":
			return nil, errors.New("a\xffb")
		case "panic":
			panic("secret")
		case "big":
			return &model.Response{Message: strings.Repeat("x", maxMessageSize)}, nil
		case "metadata":
			value, _ := ctx.Metadata().Get("x-custom")
			ctx.AddReplyMetadata(cloudstate.Text("echo", value))
			return &model.Response{}, nil
		default:
			return &model.Response{Message: text}, nil
		}
	}})
	for in, want := range map[string]string{
		"hello": replyText("hello") + effect,
		"":      "", // neither reply, forward nor failure (ACT-13)
		"forward": `forward { service_name: "cloudstate.tck.model.action.ActionTwo" command_name: "Call"
			payload { [type.googleapis.com/cloudstate.tck.model.action.OtherRequest] { id: "f" } }
			metadata { entries { key: "k" string_value: "v" } } }` + effect,
		"fail":     `failure { description: "why" grpc_status_code: 5 }` + effect, // ACT-14
		"not text": `failure { description: "a\357\277\275b" }` + effect,          // U+FFFD
		"panic":    `failure { description: "unexpected failure in ProcessUnary of ` + service + `" grpc_status_code: 13 }`,
		"big": `failure { description: "the answer has 4282 bytes, at most 4096 may be sent (Server.MaxMessageSize)"
			grpc_status_code: 8 }`,
		"metadata": `reply { payload { [type.googleapis.com/cloudstate.tck.model.action.Response] {} }
			metadata { entries { key: "echo" string_value: "value" } } }` + effect,
	} {
		t.Run(in, func(t *testing.T) {
			command := command(t, "ProcessUnary", in)
			command.Metadata = cloudstate.Metadata{cloudstate.Text("X-Custom", "value")}.Proto()
			got, err := proxy.HandleUnary(t.Context(), command)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, got, want)
		})
	}
	if !strings.Contains(logged(), "panic=secret") {
		t.Error("the panic was not logged")
	}
}

// TestRefused is about calls that no handler takes (ACT-24), and requests that cannot be read.
func TestRefused(t *testing.T) {
	proxy, _ := start(t, handlers{})
	for name, c := range map[string]struct {
		command *pb.ActionCommand
		code    codes.Code
		words   string
	}{
		"service": {&pb.ActionCommand{ServiceName: "x.Y", Name: "Z", Payload: pack(t, request(""))}, codes.Unimplemented, "Unknown service: x.Y"},
		"command": {command(t, "Nothing", ""), codes.Unimplemented, "Unknown command: Nothing"},
		"kind":    {command(t, "ProcessStreamed", ""), codes.Unimplemented, "another kind of streaming"},
		"payload": {&pb.ActionCommand{ServiceName: service, Name: "ProcessUnary"}, codes.InvalidArgument, "payload is missing"},
		"type": {
			&pb.ActionCommand{ServiceName: service, Name: "ProcessUnary", Payload: pack(t, &model.Response{})},
			codes.InvalidArgument, "wrong type",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := proxy.HandleUnary(t.Context(), c.command)
			if err != nil {
				t.Fatal(err)
			}
			failure := got.GetFailure()
			if codes.Code(failure.GetGrpcStatusCode()) != c.code || !strings.Contains(failure.GetDescription(), c.words) {
				t.Errorf("got %v, want code %v and %q", got, c.code, c.words)
			}
		})
	}
}

// TestStreamedIn sums requests up; it is called for each way in which a stream of requests can go.
func TestStreamedIn(t *testing.T) {
	proxy, _ := start(t, handlers{streamedIn: func(ctx *action.Context, in requests) (*model.Response, error) {
		var all []string
		for request, err := range in {
			if err != nil {
				return &model.Response{Message: "ignored the error"}, nil
			}
			last, _ := ctx.Metadata().Get("each")
			all = append(all, textOf(request)+last)
			if textOf(request) == "stop" {
				break
			}
		}
		for request, err := range in {
			all = append(all, fmt.Sprint("went on after the end: ", request, err))
		}
		return &model.Response{Message: strings.Join(all, " ")}, nil
	}})
	open := func(t *testing.T) *mockproxy.Action {
		t.Helper()
		call, err := proxy.HandleStreamedIn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(call.Cancel)
		return call
	}
	only := func(t *testing.T, call *mockproxy.Action, want string) {
		t.Helper()
		got, err := call.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, want)
		if err := call.ExpectCompletion(t.Context()); err != nil {
			t.Error(err)
		}
	}

	t.Run("messages", func(t *testing.T) {
		call := open(t)
		metadata := cloudstate.Metadata{cloudstate.Text("each", "!")}.Proto()
		must(t, call.Header(service, "ProcessStreamedIn"),
			call.Message(request("a")),
			call.Send(&pb.ActionCommand{Payload: pack(t, request("b")), Metadata: metadata}),
			call.CloseSend())
		only(t, call, replyText("a b!"))
	})
	t.Run("none", func(t *testing.T) { // ACT-15
		call := open(t)
		must(t, call.Header(service, "ProcessStreamedIn"), call.CloseSend())
		only(t, call, replyText(""))
	})
	t.Run("unreadable message", func(t *testing.T) {
		call := open(t)
		must(t, call.Header(service, "ProcessStreamedIn"), call.Message(&model.Response{}))
		only(t, call, `failure { grpc_status_code: 3 description: "request: payload has the wrong type: `+
			`\"type.googleapis.com/cloudstate.tck.model.action.Response\" where `+
			`\"type.googleapis.com/cloudstate.tck.model.action.Request\" is expected" }`)
	})
	t.Run("payload in the header", func(t *testing.T) {
		call := open(t)
		must(t, call.Send(command(t, "ProcessStreamedIn", "a")))
		only(t, call, `failure { grpc_status_code: 3 description: "protocol violation: the first message of a stream to `+
			service+`.ProcessStreamedIn carries a payload" }`)
	})
	t.Run("no header", func(t *testing.T) {
		call := open(t)
		must(t, call.CloseSend())
		var end *wire.End
		if _, err := call.Recv(t.Context()); !errors.As(err, &end) || end.Status.Code() != codes.InvalidArgument {
			t.Errorf("got %v, want the end with InvalidArgument", err)
		}
	})
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestStreamedOut(t *testing.T) {
	proxy, _ := start(t, handlers{streamedOut: func(ctx *action.Context, in *model.Request, out responses) error {
		effect := func() { ctx.SideEffect(two, &model.OtherRequest{Id: "o"}) }
		effect()
		sent := errors.Join(out.Reply(&model.Response{Message: "one"}), // with the effect
			out.Reply(&model.Response{Message: "two"}), // without
			out.Fail(errors.New("why")),                // does not end the stream (ACT-18)
			out.Forward(two, &model.OtherRequest{Id: "f"}))
		effect()
		sent = errors.Join(sent, out.Effects())
		effect()
		switch textOf(in) {
		case "fail":
			return errors.Join(sent, errors.New("last"))
		case "panic":
			panic("secret")
		default:
			return sent
		}
	}})
	first := []string{
		replyText("one") + effect,
		replyText("two"),
		`failure { description: "why" }`,
		`forward { service_name: "cloudstate.tck.model.action.ActionTwo" command_name: "Call"
			payload { [type.googleapis.com/cloudstate.tck.model.action.OtherRequest] { id: "f" } } }`,
		effect,
	}
	for in, want := range map[string][]string{
		"end":   first,
		"fail":  append(slices.Clone(first), `failure { description: "last" }`+effect),
		"panic": append(slices.Clone(first), `failure { description: "unexpected failure in ProcessStreamedOut of `+service+`" grpc_status_code: 13 }`),
	} {
		t.Run(in, func(t *testing.T) {
			call, err := proxy.HandleStreamedOut(t.Context(), command(t, "ProcessStreamedOut", in))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(call.Cancel)
			for _, want := range want {
				got, err := call.Recv(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				expect(t, got, want)
			}
			if err := call.ExpectCompletion(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStreamed has each request answered before the next is sent, a failure in between, and the end after the proxy's.
func TestStreamed(t *testing.T) {
	proxy, _ := start(t, handlers{streamed: func(_ *action.Context, in requests, out responses) error {
		for request, err := range in {
			if err != nil {
				return err
			}
			if text := textOf(request); text == "fail" {
				err = out.Fail(errors.New("why"))
			} else {
				err = out.Reply(&model.Response{Message: text})
			}
			if err != nil {
				return err
			}
		}
		return out.Reply(&model.Response{Message: "bye"})
	}})
	call, err := proxy.HandleStreamed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(call.Cancel)
	must(t, call.Header(service, "ProcessStreamed"))
	for _, exchange := range [][2]string{
		{"a", replyText("a")}, {"fail", `failure { description: "why" }`}, {"b", replyText("b")},
	} {
		must(t, call.Message(request(exchange[0])))
		got, err := call.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		expect(t, got, exchange[1])
	}
	must(t, call.CloseSend())
	got, err := call.Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, replyText("bye"))
	if err := call.ExpectCompletion(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCancelled: a call that the proxy gives up ends its handler, by its context and by an error in its requests.
func TestCancelled(t *testing.T) {
	type ending struct{ context, requests, respond error }
	endings := make(chan ending, 1)
	started := make(chan struct{})
	proxy, _ := start(t, handlers{streamed: func(ctx *action.Context, in requests, out responses) error {
		close(started)
		var end ending
		for _, end.requests = range in {
			continue
		}
		<-ctx.Done()
		end.context = context.Cause(ctx)
		end.respond = out.Reply(&model.Response{})
		endings <- end
		return nil
	}})
	call, err := proxy.HandleStreamed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must(t, call.Header(service, "ProcessStreamed"))
	<-started
	call.Cancel()
	end := <-endings
	if end.context == nil || status.Code(end.requests) != codes.Canceled || end.respond == nil {
		t.Errorf("got %+v, want three errors, that of the requests CANCELLED", end)
	}
}

// TestConcurrency has many calls of all kinds at once; run it with -race.
func TestConcurrency(t *testing.T) {
	const calls = 64
	var handled atomic.Int32
	proxy, _ := start(t, handlers{
		unary: func(ctx *action.Context, in *model.Request) (*model.Response, error) {
			handled.Add(1)
			ctx.SideEffect(two, &model.OtherRequest{Id: textOf(in)})
			return &model.Response{Message: textOf(in)}, nil
		},
	})
	failed := make(chan error, calls)
	for i := range calls {
		go func() {
			text := string(rune('a' + i%26))
			got, err := proxy.HandleUnary(t.Context(), command(t, "ProcessUnary", text))
			reply := &model.Response{}
			if err == nil {
				err = got.GetReply().GetPayload().UnmarshalTo(reply)
			}
			if err == nil && (reply.GetMessage() != text || !effectFor(got.GetSideEffects(), text)) {
				err = errors.New("another call's answer: " + got.String())
			}
			failed <- err
		}()
	}
	for range calls {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if handled.Load() != calls {
		t.Errorf("%d handled, want %d", handled.Load(), calls)
	}
}

func effectFor(effects []*protocol.SideEffect, id string) bool {
	target := &model.OtherRequest{}
	return len(effects) == 1 && effects[0].GetPayload().UnmarshalTo(target) == nil && target.GetId() == id
}
