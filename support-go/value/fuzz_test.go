package value

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// wires is an entity stream whose incoming messages are bytes: each is preceded by its length.
type wires struct {
	pb.ValueEntity_HandleServer
	in       []byte
	commands []int64 // ids, as received
	out      []*pb.ValueEntityStreamOut
}

func (*wires) Context() context.Context { return context.Background() }

func (w *wires) Recv() (*pb.ValueEntityStreamIn, error) {
	if len(w.in) == 0 {
		return nil, io.EOF
	}
	raw, n := protowire.ConsumeBytes(w.in)
	if n < 0 {
		return nil, errors.New("the message is cut off")
	}
	w.in = w.in[n:]
	in := &pb.ValueEntityStreamIn{}
	if err := proto.Unmarshal(raw, in); err != nil {
		return nil, err
	}
	if command := in.GetCommand(); command != nil {
		w.commands = append(w.commands, command.GetId())
	}
	return in, nil
}

func (w *wires) Send(out *pb.ValueEntityStreamOut) error {
	w.out = append(w.out, out)
	return nil
}

// FuzzHandle: whatever a proxy sends, the stream neither panics nor answers more, less or else than it was asked: one
// reply a command, in order, and a failure only as the last message of a stream that ends with an error.
func FuzzHandle(f *testing.F) {
	entity := New(
		Config{Service: &model.ValueEntityTckModel_ServiceDesc, PersistenceID: "text"},
		Command(model.ValueEntityTckModel_Process_FullMethodName,
			func(ctx *Context[*model.Persisted], request *model.Request) (*model.Response, error) {
				for _, action := range request.GetActions() {
					switch do := action.GetAction().(type) {
					case *model.RequestAction_Update:
						ctx.Update(&model.Persisted{Value: do.Update.GetValue()})
					case *model.RequestAction_Delete:
						ctx.Delete()
					case *model.RequestAction_Fail:
						return nil, errors.New(do.Fail.GetMessage())
					case *model.RequestAction_Effect:
						panic(do.Effect.GetId())
					}
				}
				return &model.Response{Message: ctx.State().GetValue()}, nil
			}))
	if err := entity.Check(); err != nil {
		f.Fatal(err)
	}
	server := &server{
		entities: map[string]definition{entity.Name(): entity},
		settings: cloudstate.Settings{Logger: slog.New(slog.DiscardHandler), MaxMessageSize: 1 << 20},
	}
	for _, seed := range seeds(f, entity.Name()) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		stream := &wires{in: in}
		err := server.Handle(stream)
		for i, out := range stream.out {
			switch message := out.GetMessage().(type) {
			case *pb.ValueEntityStreamOut_Reply:
				reply := message.Reply
				if i >= len(stream.commands) || reply.GetCommandId() != stream.commands[i] {
					t.Errorf("answer %d is for command %d, the commands were %v", i, reply.GetCommandId(), stream.commands)
				}
				if reply.GetClientAction().GetAction() == nil {
					t.Errorf("answer %d has no client action", i)
				}
				if reply.GetClientAction().GetFailure() != nil && reply.GetStateAction() != nil {
					t.Errorf("answer %d has a state action with its failure (VE-41)", i)
				}
			case *pb.ValueEntityStreamOut_Failure:
				if err == nil || i != len(stream.out)-1 {
					t.Errorf("failure as message %d of %d, and the stream ended with %v", i+1, len(stream.out), err)
				}
			default:
				t.Errorf("empty message %d", i)
			}
		}
		if err == nil && len(stream.out) != len(stream.commands) {
			t.Errorf("%d answers to %d commands", len(stream.out), len(stream.commands))
		}
	})
}

// seeds are streams that go well, and one that does not.
func seeds(f *testing.F, service string) [][]byte {
	f.Helper()
	pack := func(message proto.Message) *anypb.Any {
		packed, err := anypb.New(message)
		if err != nil {
			f.Fatal(err)
		}
		return packed
	}
	request := func(action *model.RequestAction) *pb.ValueEntityStreamIn {
		return &pb.ValueEntityStreamIn{Message: &pb.ValueEntityStreamIn_Command{Command: &protocol.Command{
			EntityId: "e", Id: 1, Name: "Process",
			Payload: pack(&model.Request{Id: "e", Actions: []*model.RequestAction{action}}),
		}}}
	}
	begin := &pb.ValueEntityStreamIn{Message: &pb.ValueEntityStreamIn_Init{Init: &pb.ValueEntityInit{
		ServiceName: service, EntityId: "e", State: &pb.ValueEntityInitState{Value: pack(&model.Persisted{Value: "s"})},
	}}}
	update := request(&model.RequestAction{Action: &model.RequestAction_Update{Update: &model.Update{Value: "b"}}})
	fail := request(&model.RequestAction{Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: "no"}}})
	bad := request(&model.RequestAction{Action: &model.RequestAction_Effect{Effect: &model.Effect{Id: "panic"}}})
	var all [][]byte
	for _, messages := range [][]*pb.ValueEntityStreamIn{{begin, update, fail, update}, {begin, bad}, {update}} {
		var stream lengthPrefixed
		for _, message := range messages {
			if _, err := protodelim.MarshalTo(&stream, message); err != nil {
				f.Fatal(err)
			}
		}
		all = append(all, stream)
	}
	return all
}

type lengthPrefixed []byte

func (l *lengthPrefixed) Write(data []byte) (int, error) {
	*l = append(*l, data...)
	return len(data), nil
}
