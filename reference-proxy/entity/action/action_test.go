package action

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// FuzzResponse feeds whatever a user function may send, and holds what is read by hand against the generated code.
func FuzzResponse(f *testing.F) {
	for _, m := range []*pb.ActionResponse{
		{},
		{SideEffects: []*cloudstate.SideEffect{{ServiceName: "s"}, {}}},
		{Response: &pb.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: &anypb.Any{TypeUrl: "a/b"}}}},
		{Response: &pb.ActionResponse_Forward{Forward: &cloudstate.Forward{ServiceName: "s"}}},
		{Response: &pb.ActionResponse_Failure{Failure: &cloudstate.Failure{Description: "no", GrpcStatusCode: 5}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		got, err := Response(msg)
		want := &pb.ActionResponse{}
		if proto.Unmarshal(msg, want) != nil {
			return
		}
		if err != nil {
			t.Fatalf("refused with %v what decodes to %v", err, want)
		}
		if !proto.Equal(got.Failure, want.GetFailure()) || !proto.Equal(got.Forward, want.GetForward()) ||
			(got.Reply != nil) != (want.GetReply() != nil) || len(got.Effects) != len(want.GetSideEffects()) {
			t.Fatalf("read %+v, want %v", got, want)
		}
		if got.Reply != nil && (got.Reply.TypeURL != want.GetReply().GetPayload().GetTypeUrl() || !bytes.Equal(got.Reply.Payload, want.GetReply().GetPayload().GetValue())) {
			t.Fatalf("read %+v, want %v", got.Reply, want.GetReply())
		}
	})
}

// ACT-03, ACT-04: what each command of a call carries.
func TestCommands(t *testing.T) {
	cmd := &entity.Command{Name: "Do", TypeURL: "a/b", Payload: []byte("p"), Metadata: []byte{10, 3, 10, 1, 'k'}}
	md := &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{{Key: "k"}}}
	any := &anypb.Any{TypeUrl: "a/b", Value: []byte("p")}
	for name, c := range map[string]struct {
		got  []byte
		want *pb.ActionCommand
	}{
		"only":   {Command("svc", cmd), &pb.ActionCommand{ServiceName: "svc", Name: "Do", Payload: any, Metadata: md}},
		"header": {Header("svc", cmd), &pb.ActionCommand{ServiceName: "svc", Name: "Do", Metadata: md}},
		"later":  {Payload("a/b", []byte("p")), &pb.ActionCommand{Payload: any}},
	} {
		got := &pb.ActionCommand{}
		if err := proto.Unmarshal(c.got, got); err != nil || !proto.Equal(got, c.want) {
			t.Errorf("%s: wrote %v, %v; want %v", name, got, err, c.want)
		}
	}
}
