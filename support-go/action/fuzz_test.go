package action

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// wires is a call whose incoming messages are bytes: each is preceded by its length.
type wires struct {
	pb.ActionProtocol_HandleStreamedServer
	in  []byte
	out []*pb.ActionResponse
}

func (*wires) Context() context.Context { return context.Background() }

func (w *wires) Recv() (*pb.ActionCommand, error) {
	if len(w.in) == 0 {
		return nil, io.EOF
	}
	raw, n := protowire.ConsumeBytes(w.in)
	if n < 0 {
		return nil, errors.New("the message is cut off")
	}
	w.in = w.in[n:]
	in := &pb.ActionCommand{}
	return in, proto.Unmarshal(raw, in)
}

func (w *wires) Send(out *pb.ActionResponse) error {
	w.out = append(w.out, out)
	return nil
}

// FuzzHandleStreamed: whatever a proxy sends, the call does not panic, and it ends with all requests answered or with a
// failure or an error.
func FuzzHandleStreamed(f *testing.F) {
	handled := 0
	service := &Action{methods: make(map[string]method)}
	Streamed(model.ActionTckModel_ProcessStreamed_FullMethodName,
		func(ctx *Context, in iter.Seq2[*model.Request, error], out *Responses[*model.Response]) error {
			for request, err := range in {
				if err != nil {
					return err
				}
				if len(request.GetGroups()) > 1 {
					panic(request)
				}
				ctx.SideEffect(model.ActionTwo_Call_FullMethodName, &model.OtherRequest{})
				handled++
				if err := out.Reply(&model.Response{}); err != nil {
					return err
				}
			}
			return nil
		})(service)
	const name = "cloudstate.tck.model.action.ActionTckModel"
	server := &server{
		actions:  map[string]*Action{name: service},
		settings: cloudstate.Settings{Logger: slog.New(slog.DiscardHandler), MaxMessageSize: 1 << 20},
	}
	header := encode(f, &pb.ActionCommand{ServiceName: name, Name: "ProcessStreamed"})
	one := encode(f, &pb.ActionCommand{Payload: pack(f, &model.Request{})})
	two := encode(f, &pb.ActionCommand{Payload: pack(f, &model.Request{Groups: []*model.ProcessGroup{{}, {}}})})
	f.Add(header)
	f.Add(slices.Concat(header, one, one))
	f.Add(slices.Concat(header, one, two))
	f.Add(one)
	f.Fuzz(func(t *testing.T, in []byte) {
		handled = 0
		call := &wires{in: in}
		err := server.HandleStreamed(call)
		responses := len(call.out)
		failed := responses > 0 && call.out[responses-1].GetFailure() != nil
		if failed {
			responses--
		}
		if err == nil && !failed && len(call.in) > 0 {
			t.Errorf("the call ended well with %d bytes not read", len(call.in))
		}
		if responses != handled {
			t.Errorf("%d responses to %d requests", responses, handled)
		}
	})
}

func pack(f *testing.F, message proto.Message) *anypb.Any {
	f.Helper()
	packed, err := anypb.New(message)
	if err != nil {
		f.Fatal(err)
	}
	return packed
}

func encode(f *testing.F, message proto.Message) []byte {
	f.Helper()
	raw, err := proto.Marshal(message)
	if err != nil {
		f.Fatal(err)
	}
	return protowire.AppendBytes(nil, raw)
}
