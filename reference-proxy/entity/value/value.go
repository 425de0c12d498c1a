package value

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// Method is the rpc that carries an instance's stream.
const Method = "/cloudstate.valueentity.ValueEntity/handle"

// Protocol implements [entity.Protocol] for value entities.
type Protocol struct{}

var texts = entity.Texts{
	Reply:       "Unexpected Value entity reply",
	Failure:     "Unexpected Value entity failure",
	Message:     "Unexpected Value entity failure",
	Termination: "Unexpected Value entity termination",
	Queued:      "Value entity terminated",
	Load:        "Unexpected Value entity failure",
	Write:       "Unexpected Value entity failure",
}

// Texts are the fixed texts of VE-21 to VE-23 and VE-44 to VE-47.
func (Protocol) Texts() *entity.Texts { return &texts }

// Command encodes ValueEntityStreamIn.command.
func (Protocol) Command(entityID string, cmd *entity.Command) []byte {
	return entity.AppendCommand(nil, 2, entityID, cmd)
}

// Init encodes ValueEntityStreamIn.init; value is an encoded Any, nil for none. The
// state is always present, empty for a new entity (VE-05).
func Init(service, entityID string, value []byte) []byte {
	var state []byte
	if value != nil {
		state = entity.AppendMessage(nil, 1, value)
	}
	var init []byte
	init = entity.AppendString(init, 1, service)
	init = entity.AppendString(init, 2, entityID)
	init = entity.AppendMessage(init, 3, state)
	return entity.AppendMessage(nil, 1, init)
}

// Answer reads a ValueEntityStreamOut.
func (Protocol) Answer(msg []byte) (entity.Answer, error) {
	member, err := entity.ReadOneof(msg, 2, (*pb.ValueEntityStreamOut)(nil))
	if err != nil {
		return entity.Answer{}, err
	}
	switch member.Field {
	case 1:
		return reply(member.Raw)
	case 2:
		return entity.ReadFailure(member.Raw)
	}
	return entity.Answer{Kind: entity.AnswerEmpty}, nil
}

func reply(raw []byte) (entity.Answer, error) {
	a := entity.Answer{Kind: entity.AnswerReply}
	var clientAction, stateAction []byte
	err := entity.Fields(raw, func(field protowire.Number, typ protowire.Type, raw []byte, num uint64) error {
		switch {
		case field == 1 && typ == protowire.VarintType:
			a.CommandID = int64(num)
		case typ != protowire.BytesType:
		case field == 2:
			clientAction = entity.Merge(clientAction, raw)
		case field == 3:
			return entity.ReadSideEffect(raw, &a.Outcome)
		case field == 4:
			stateAction = entity.Merge(stateAction, raw)
		}
		return nil
	})
	if err != nil {
		return a, fmt.Errorf("reply: %w", err)
	}
	if err := entity.ReadClientAction(clientAction, &a.Outcome); err != nil {
		return a, fmt.Errorf("reply.client_action: %w", err)
	}
	if stateAction == nil {
		return a, nil
	}
	if err := readStateAction(stateAction, &a); err != nil {
		return a, fmt.Errorf("reply.state_action: %w", err)
	}
	return a, nil
}

func readStateAction(msg []byte, a *entity.Answer) error {
	member, err := entity.ReadOneof(msg, 2, (*pb.ValueEntityAction)(nil))
	if err != nil {
		return err
	}
	switch member.Field {
	case 1:
		a.Write.Op = entity.WritePut
		err := entity.Fields(member.Raw, func(field protowire.Number, typ protowire.Type, raw []byte, _ uint64) error {
			if typ == protowire.BytesType && field == 1 {
				a.Write.Value = entity.Merge(a.Write.Value, raw)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if a.Write.Value == nil {
			a.Detail = "an update without a value"
			return nil
		}
		_, _, err = entity.ReadAny(a.Write.Value)
		return err
	case 2:
		a.Write.Op = entity.WriteDelete
	default:
		a.Detail = "a state action that is neither update nor delete"
	}
	return nil
}
