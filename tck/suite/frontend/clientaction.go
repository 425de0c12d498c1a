package frontend

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// replyWith is the client action that answers with payload.
func replyWith(payload proto.Message) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: pack(payload)}}}
}

// forwardTo is the client action that forwards to the Call of service.
func forwardTo(service string, payload proto.Message) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Forward{Forward: &cloudstate.Forward{
		ServiceName: service, CommandName: "Call", Payload: pack(payload),
	}}}
}

// failed is the client action of a failed command, without restart.
func failed(description string) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{
		Failure: &cloudstate.Failure{Description: description},
	}}
}

// effectOn is a side effect on the Call of service.
func effectOn(service string, payload proto.Message, synchronous bool) *cloudstate.SideEffect {
	return &cloudstate.SideEffect{ServiceName: service, CommandName: "Call", Payload: pack(payload), Synchronous: synchronous}
}

// endedWith returns the status of a stream whose end is what err is about.
func endedWith(err error) (codes.Code, bool) {
	var end *wire.End
	if errors.As(err, &end) {
		return end.Status.Code(), true
	}
	return codes.OK, false
}

// describe puts what came into words: a message, or the reason why there is none.
func describe(m proto.Message, err error) string {
	var mismatch *trace.Mismatch
	switch {
	case err == nil:
		return trace.Text(m)
	case errors.As(err, &mismatch):
		return mismatch.Got
	}
	return err.Error()
}
