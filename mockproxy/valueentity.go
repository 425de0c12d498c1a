package mockproxy

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// ValueEntity is the stream of one value entity instance.
type ValueEntity struct {
	*Stream[*valueentity.ValueEntityStreamIn, *valueentity.ValueEntityStreamOut]
	entityID string
}

// ValueEntity opens the stream of an instance. Nothing is sent yet: begin with [ValueEntity.Init]. The stream ends with ctx.
func (p *Proxy) ValueEntity(ctx context.Context) (*ValueEntity, error) {
	newOut := func() *valueentity.ValueEntityStreamOut { return &valueentity.ValueEntityStreamOut{} }
	s, err := open[*valueentity.ValueEntityStreamIn](ctx, p, valueentity.ValueEntity_Handle_FullMethodName, newOut)
	if err != nil {
		return nil, err
	}
	return &ValueEntity{Stream: s}, nil
}

// Init sends an init whose state is state, or the empty state message that a new entity gets if state is nil (VE-05); later
// commands are for entityID.
func (v *ValueEntity) Init(service, entityID string, state proto.Message) error {
	value, err := Any(state)
	if err != nil {
		return err
	}
	return v.SendInit(&valueentity.ValueEntityInit{
		ServiceName: service, EntityId: entityID, State: &valueentity.ValueEntityInitState{Value: value},
	})
}

// SendInit sends init as it is; later commands are for its entity id.
func (v *ValueEntity) SendInit(init *valueentity.ValueEntityInit) error {
	v.entityID = init.GetEntityId()
	return v.Send(&valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Init{Init: init}})
}

// Command sends command id to the instance that Init named; name is the rpc's simple name.
func (v *ValueEntity) Command(id int64, name string, payload proto.Message) error {
	value, err := Any(payload)
	if err != nil {
		return err
	}
	return v.SendCommand(&cloudstate.Command{EntityId: v.entityID, Id: id, Name: name, Payload: value})
}

// SendCommand sends c as it is.
func (v *ValueEntity) SendCommand(c *cloudstate.Command) error {
	return v.Send(&valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Command{Command: c}})
}

// ExpectReply expects want as the next message.
func (v *ValueEntity) ExpectReply(ctx context.Context, want *valueentity.ValueEntityReply) error {
	return v.Expect(ctx, &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: want}})
}
