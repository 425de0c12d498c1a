package wire

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// Reply wraps a message and its metadata. The error says why the message cannot be encoded.
func Reply(message proto.Message, metadata *protocol.Metadata) (*protocol.Reply, error) {
	encoded, err := payload.Encode(message)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "reply: %v", err)
	}
	return &protocol.Reply{Payload: encoded, Metadata: metadata}, nil
}

// Absent tells whether a handler returned no message.
func Absent(message proto.Message) bool {
	return message == nil || !message.ProtoReflect().IsValid()
}

// FailureAction is the client action that states an error.
func FailureAction(failure *protocol.Failure) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: failure}}
}

// EntityAction is the client action of an entity's handler that ended without error: the forward when it asked for
// one, otherwise its reply. An entity always answers (SPEC ES-18, VE-10): neither of the two is an error.
func EntityAction(
	reply proto.Message, forward *protocol.Forward, metadata *protocol.Metadata,
) (*protocol.ClientAction, error) {
	if forward != nil {
		return &protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: forward}}, nil
	}
	if Absent(reply) {
		return nil, status.Error(codes.Internal, "the handler returned neither a reply nor an error, and did not forward")
	}
	wrapped, err := Reply(reply, metadata)
	if err != nil {
		return nil, err
	}
	return &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: wrapped}}, nil
}

// envelope is more than a stream's message adds in bytes to the reply inside it.
const envelope = 16

// CheckSize returns an error of code RESOURCE_EXHAUSTED for a message that is larger than limit bytes: sending it
// would end the stream, stating that it is too large ends the command only.
func CheckSize(message proto.Message, limit int) error {
	if size := proto.Size(message); size+envelope > limit {
		return status.Errorf(codes.ResourceExhausted,
			"the answer has %d bytes, at most %d may be sent (Server.MaxMessageSize)", size, limit)
	}
	return nil
}
