package eventsourced

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// FuzzAnswer feeds whatever a user function may send, and holds what is read by hand against the generated code.
func FuzzAnswer(f *testing.F) {
	for _, m := range []*pb.EventSourcedStreamOut{
		{},
		{Message: &pb.EventSourcedStreamOut_Failure{Failure: &cloudstate.Failure{CommandId: 3, Description: "no"}}},
		{Message: &pb.EventSourcedStreamOut_Reply{Reply: &pb.EventSourcedReply{
			CommandId:    1,
			ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: &anypb.Any{TypeUrl: "a/b", Value: []byte("v")}}}},
			SideEffects:  []*cloudstate.SideEffect{{ServiceName: "s", Synchronous: true}},
			Events:       []*anypb.Any{{TypeUrl: "a/e", Value: []byte("1")}, {}},
			Snapshot:     &anypb.Any{TypeUrl: "a/s"},
		}}},
		{Message: &pb.EventSourcedStreamOut_Reply{Reply: &pb.EventSourcedReply{
			ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{Forward: &cloudstate.Forward{ServiceName: "s"}}},
		}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...)) // a message in two parts
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		got, err := Protocol{}.Answer(msg)
		want := &pb.EventSourcedStreamOut{}
		if proto.Unmarshal(msg, want) != nil {
			return // by hand less is looked at, so less is refused; what is used is valid
		}
		if err != nil {
			t.Fatalf("refused with %v what decodes to %v", err, want)
		}
		switch m := want.GetMessage().(type) {
		case nil:
			if got.Kind != entity.AnswerEmpty {
				t.Fatalf("kind %d of an empty message", got.Kind)
			}
		case *pb.EventSourcedStreamOut_Failure:
			if got.Kind != entity.AnswerFailure || got.CommandID != m.Failure.GetCommandId() || got.Detail != m.Failure.GetDescription() {
				t.Fatalf("read %+v, want %v", got, m.Failure)
			}
		case *pb.EventSourcedStreamOut_Reply:
			sameReply(t, got, m.Reply)
		}
	})
}

func sameReply(t *testing.T, got entity.Answer, want *pb.EventSourcedReply) {
	t.Helper()
	if got.Kind != entity.AnswerReply || got.CommandID != want.GetCommandId() || len(got.Outcome.Effects) != len(want.GetSideEffects()) ||
		len(got.Write.Events) != len(want.GetEvents()) || (got.Snapshot != nil) != (want.GetSnapshot() != nil) {
		t.Fatalf("read %+v, want %v", got, want)
	}
	for i, e := range got.Write.Events {
		sameAny(t, e, want.GetEvents()[i])
	}
	if got.Snapshot != nil {
		sameAny(t, got.Snapshot, want.GetSnapshot())
	}
	action := want.GetClientAction()
	if !proto.Equal(got.Outcome.Forward, action.GetForward()) || !proto.Equal(got.Outcome.Failure, action.GetFailure()) {
		t.Fatalf("read %+v, want %v", got.Outcome, action)
	}
	if (got.Outcome.Reply != nil) != (action.GetReply() != nil) {
		t.Fatalf("read reply %v, want %v", got.Outcome.Reply, action.GetReply())
	}
	if r := action.GetReply(); r != nil {
		if got.Outcome.Reply.TypeURL != r.GetPayload().GetTypeUrl() || !bytes.Equal(got.Outcome.Reply.Payload, r.GetPayload().GetValue()) ||
			(got.Outcome.Reply.Payload != nil) != (r.GetPayload() != nil) || !proto.Equal(got.Outcome.Reply.Metadata, r.GetMetadata()) {
			t.Fatalf("read reply %+v, want %v", got.Outcome.Reply, r)
		}
	}
}

func sameAny(t *testing.T, encoded []byte, want *anypb.Any) {
	t.Helper()
	got := &anypb.Any{}
	if err := proto.Unmarshal(encoded, got); err != nil || !proto.Equal(got, want) {
		t.Fatalf("kept %v, %v; want %v", got, err, want)
	}
}

// What is written by hand is what the generated code would write.
func TestMessages(t *testing.T) {
	any := &anypb.Any{TypeUrl: "type.googleapis.com/a.B", Value: []byte("value")}
	encoded, err := proto.Marshal(any)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		got  []byte
		want *pb.EventSourcedStreamIn
	}{
		"init": {Init("svc", "id", nil, 0), &pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Init{Init: &pb.EventSourcedInit{ServiceName: "svc", EntityId: "id"}}}},
		"init with snapshot": {Init("svc", "id", encoded, 7), &pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Init{Init: &pb.EventSourcedInit{
			ServiceName: "svc", EntityId: "id", Snapshot: &pb.EventSourcedSnapshot{SnapshotSequence: 7, Snapshot: any},
		}}}},
		"event":       {Event(300, encoded), &pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Event{Event: &pb.EventSourcedEvent{Sequence: 300, Payload: any}}}},
		"empty event": {Event(1, nil), &pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Event{Event: &pb.EventSourcedEvent{Sequence: 1, Payload: &anypb.Any{}}}}},
		"command": {
			Protocol{}.Command("id", &entity.Command{Name: "Do", TypeURL: any.GetTypeUrl(), Payload: any.GetValue(), Metadata: []byte{10, 3, 10, 1, 'k'}}),
			&pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Command{Command: &cloudstate.Command{
				EntityId: "id", Name: "Do", Payload: any, Metadata: &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{{Key: "k"}}},
			}}},
		},
		"bare command": {
			Protocol{}.Command("", &entity.Command{}),
			&pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Command{Command: &cloudstate.Command{Payload: &anypb.Any{}}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := &pb.EventSourcedStreamIn{}
			if err := proto.Unmarshal(c.got, got); err != nil || !proto.Equal(got, c.want) {
				t.Errorf("wrote %v, %v; want %v", got, err, c.want)
			}
		})
	}
}
