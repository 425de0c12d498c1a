package value

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// FuzzAnswer feeds whatever a user function may send, and holds what is read by hand against the generated code.
func FuzzAnswer(f *testing.F) {
	reply := func(a *pb.ValueEntityAction) *pb.ValueEntityStreamOut {
		return &pb.ValueEntityStreamOut{Message: &pb.ValueEntityStreamOut_Reply{Reply: &pb.ValueEntityReply{
			CommandId: 2, StateAction: a, SideEffects: []*cloudstate.SideEffect{{CommandName: "c"}},
			ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Description: "no"}}},
		}}}
	}
	for _, m := range []*pb.ValueEntityStreamOut{
		{}, reply(nil), reply(&pb.ValueEntityAction{}),
		reply(&pb.ValueEntityAction{Action: &pb.ValueEntityAction_Delete{Delete: &pb.ValueEntityDelete{}}}),
		reply(&pb.ValueEntityAction{Action: &pb.ValueEntityAction_Update{Update: &pb.ValueEntityUpdate{}}}),
		reply(&pb.ValueEntityAction{Action: &pb.ValueEntityAction_Update{Update: &pb.ValueEntityUpdate{Value: &anypb.Any{TypeUrl: "a/b", Value: []byte("v")}}}}),
		{Message: &pb.ValueEntityStreamOut_Failure{Failure: &cloudstate.Failure{CommandId: 3, Description: "no"}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		got, err := Protocol{}.Answer(msg)
		want := &pb.ValueEntityStreamOut{}
		if proto.Unmarshal(msg, want) != nil {
			return
		}
		if err != nil {
			t.Fatalf("refused with %v what decodes to %v", err, want)
		}
		reply := want.GetReply()
		if reply == nil {
			return
		}
		if got.Kind != entity.AnswerReply || got.CommandID != reply.GetCommandId() || len(got.Outcome.Effects) != len(reply.GetSideEffects()) ||
			!proto.Equal(got.Outcome.Failure, reply.GetClientAction().GetFailure()) {
			t.Fatalf("read %+v, want %v", got, reply)
		}
		op, faulty := entity.WriteNone, false
		switch a := reply.GetStateAction().GetAction().(type) {
		case *pb.ValueEntityAction_Delete:
			op = entity.WriteDelete
		case *pb.ValueEntityAction_Update:
			op, faulty = entity.WritePut, a.Update.GetValue() == nil
			if v := (&anypb.Any{}); !faulty && (proto.Unmarshal(got.Write.Value, v) != nil || !proto.Equal(v, a.Update.GetValue())) {
				t.Fatalf("kept %v, want %v", v, a.Update.GetValue())
			}
		case nil:
			faulty = reply.GetStateAction() != nil
		}
		if got.Write.Op != op || (got.Detail != "") != faulty {
			t.Fatalf("read %+v, want op %d, faulty %v", got, op, faulty)
		}
	})
}

// What is written by hand is what the generated code would write; the state is there also for a new entity (VE-05).
func TestMessages(t *testing.T) {
	value, err := proto.Marshal(&anypb.Any{TypeUrl: "a/b", Value: []byte("v")})
	if err != nil {
		t.Fatal(err)
	}
	got, want := &pb.ValueEntityStreamIn{}, &pb.ValueEntityStreamIn{Message: &pb.ValueEntityStreamIn_Init{Init: &pb.ValueEntityInit{
		ServiceName: "svc", EntityId: "id", State: &pb.ValueEntityInitState{},
	}}}
	if err := proto.Unmarshal(Init("svc", "id", nil), got); err != nil || !proto.Equal(got, want) {
		t.Errorf("wrote %v, %v; want %v", got, err, want)
	}
	want.GetInit().State.Value = &anypb.Any{TypeUrl: "a/b", Value: []byte("v")}
	if err := proto.Unmarshal(Init("svc", "id", value), got); err != nil || !proto.Equal(got, want) {
		t.Errorf("wrote %v, %v; want %v", got, err, want)
	}
	command := Protocol{}.Command("id", &entity.Command{Name: "Do", Payload: []byte("p")})
	if err := proto.Unmarshal(command, got); err != nil || !bytes.Equal(got.GetCommand().GetPayload().GetValue(), []byte("p")) || got.GetCommand().GetEntityId() != "id" {
		t.Errorf("wrote %v, %v", got, err)
	}
}
