package eventsourced

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// Method is the rpc that carries an instance's stream.
const Method = "/cloudstate.eventsourced.EventSourced/handle"

// Protocol implements [entity.Protocol] for event sourced entities.
type Protocol struct{}

var texts = entity.Texts{
	Reply:       "Unexpected entity reply",
	Failure:     "Unexpected entity failure",
	Message:     "Unexpected entity message",
	Termination: "Unexpected entity termination",
	Queued:      "Entity terminated",
	Load:        "Error recovering event log",
	Write:       "Unexpected entity failure",
}

// Texts are the fixed texts of ES-37 to ES-42, ES-56 and ES-61.
func (Protocol) Texts() *entity.Texts { return &texts }

// Command encodes EventSourcedStreamIn.command.
func (Protocol) Command(entityID string, cmd *entity.Command) []byte {
	return entity.AppendCommand(nil, 3, entityID, cmd)
}

// Init encodes EventSourcedStreamIn.init; snapshot is an encoded Any, nil for none (ES-05).
func Init(service, entityID string, snapshot []byte, snapshotSeq uint64) []byte {
	var init []byte
	init = entity.AppendString(init, 1, service)
	init = entity.AppendString(init, 2, entityID)
	if snapshot != nil {
		var s []byte
		s = protowire.AppendTag(s, 1, protowire.VarintType)
		s = protowire.AppendVarint(s, snapshotSeq)
		s = entity.AppendMessage(s, 2, snapshot)
		init = entity.AppendMessage(init, 3, s)
	}
	return entity.AppendMessage(nil, 1, init)
}

// Event encodes EventSourcedStreamIn.event; payload is an encoded Any (ES-06).
func Event(seq uint64, payload []byte) []byte {
	size := 1 + protowire.SizeVarint(seq) + 1 + protowire.SizeBytes(len(payload))
	b := make([]byte, 0, size+8)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, seq)
	return entity.AppendMessage(b, 2, payload)
}

// Answer reads an EventSourcedStreamOut.
func (Protocol) Answer(msg []byte) (entity.Answer, error) {
	member, err := entity.ReadOneof(msg, 2, (*pb.EventSourcedStreamOut)(nil))
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
	var action []byte
	err := entity.Fields(raw, func(field protowire.Number, typ protowire.Type, raw []byte, num uint64) error {
		switch {
		case field == 1 && typ == protowire.VarintType:
			a.CommandID = int64(num)
		case typ != protowire.BytesType:
		case field == 2:
			action = entity.Merge(action, raw)
		case field == 3:
			return entity.ReadSideEffect(raw, &a.Outcome)
		case field == 4:
			if _, _, err := entity.ReadAny(raw); err != nil {
				return fmt.Errorf("events: %w", err)
			}
			a.Write.Op = entity.WriteAppend
			a.Write.Events = append(a.Write.Events, raw)
		case field == 5:
			if _, _, err := entity.ReadAny(raw); err != nil {
				return fmt.Errorf("snapshot: %w", err)
			}
			a.Snapshot = entity.Merge(a.Snapshot, raw)
		}
		return nil
	})
	if err != nil {
		return a, fmt.Errorf("reply: %w", err)
	}
	if err := entity.ReadClientAction(action, &a.Outcome); err != nil {
		return a, fmt.Errorf("reply.client_action: %w", err)
	}
	if a.Snapshot != nil && a.Write.Op == entity.WriteNone {
		a.Detail = "a snapshot without events"
	}
	return a, nil
}
