package action

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// The rpcs of the protocol, one for each streaming kind (ACT-01).
const (
	MethodUnary       = "/cloudstate.action.ActionProtocol/handleUnary"
	MethodStreamedIn  = "/cloudstate.action.ActionProtocol/handleStreamedIn"
	MethodStreamedOut = "/cloudstate.action.ActionProtocol/handleStreamedOut"
	MethodStreamed    = "/cloudstate.action.ActionProtocol/handleStreamed"
)

// Method picks the rpc by the streaming kind of the client's method.
func Method(clientStreaming, serverStreaming bool) string {
	switch {
	case clientStreaming && serverStreaming:
		return MethodStreamed
	case clientStreaming:
		return MethodStreamedIn
	case serverStreaming:
		return MethodStreamedOut
	default:
		return MethodUnary
	}
}

// Command encodes the one ActionCommand of a unary or streamed-out call (ACT-03).
func Command(service string, cmd *entity.Command) []byte {
	b := Header(service, cmd)
	return entity.AppendAny(b, 4, cmd.TypeURL, cmd.Payload)
}

// Header encodes the first ActionCommand of a streamed-in or streamed call: all but
// the payload (ACT-04).
func Header(service string, cmd *entity.Command) []byte {
	b := make([]byte, 0, len(service)+len(cmd.Name)+len(cmd.Metadata)+len(cmd.TypeURL)+len(cmd.Payload)+40)
	b = entity.AppendString(b, 2, service)
	b = entity.AppendString(b, 3, cmd.Name)
	return entity.AppendBytes(b, 5, cmd.Metadata)
}

// Payload encodes each further ActionCommand of such a call: only the payload.
func Payload(typeURL string, payload []byte) []byte {
	return entity.AppendAny(make([]byte, 0, len(typeURL)+len(payload)+20), 4, typeURL, payload)
}

var fields = entity.ActionFields{Failure: 1, Reply: 2, Forward: 3}

// Response reads an ActionResponse. One without reply, forward and failure is legal
// and yields an outcome with at most side effects (ACT-13).
func Response(msg []byte) (entity.Outcome, error) {
	var out entity.Outcome
	var member entity.Oneof
	err := entity.Fields(msg, func(field protowire.Number, typ protowire.Type, raw []byte, _ uint64) error {
		switch {
		case typ != protowire.BytesType:
		case field <= 3:
			member.Set(field, raw)
		case field == 4:
			return entity.ReadSideEffect(raw, &out)
		}
		return nil
	})
	if err == nil {
		err = member.Check(msg, (*pb.ActionResponse)(nil))
	}
	if err == nil {
		err = fields.ClientAction(member, &out)
	}
	if err != nil {
		return entity.Outcome{}, fmt.Errorf("action response: %w", err)
	}
	return out, nil
}
