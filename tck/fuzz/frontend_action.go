package fuzz

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite/frontend"
)

// actionOracle knows what a call of an action must bring.
type actionOracle struct {
	kind     Kind
	messages int
	instance mockfunction.ActionInstance
	want     []*action.ActionResponse
	refused  bool // ACT-24: nothing is served under that name
	unsure   bool // SPEC.md leaves open what the call brings
}

// methodKinds are the methods that the models of actions serve.
var methodKinds = map[string]Kind{
	model.ActionService + "/ProcessUnary":       ActionUnary,
	model.ActionService + "/ProcessStreamedIn":  ActionIn,
	model.ActionService + "/ProcessStreamedOut": ActionOut,
	model.ActionService + "/ProcessStreamed":    ActionStreamed,
	model.ActionTwo + "/Call":                   ActionUnary,
}

// next takes the message that is sent next.
func (o *actionOracle) next(raw []byte) {
	o.messages++
	var command action.ActionCommand
	if len(raw) > lim19 || proto.Unmarshal(raw, &command) != nil {
		o.unsure = true
	}
	if o.unsure || o.refused {
		return
	}
	if o.messages == 1 {
		o.instance = model.Action(calls[o.kind].method, &command)
		switch served := methodKinds[command.GetServiceName()+"/"+command.GetName()]; {
		case served == "":
			o.refused = true
			return
		case served != o.kind:
			o.unsure = true // what another streaming kind of call to a method brings, SPEC.md does not say
			return
		case streamsIn(o.kind):
			o.unsure = command.GetPayload() != nil
			return
		}
	} else if !streamsIn(o.kind) {
		o.unsure = true // two messages for a method that takes one
		return
	}
	if !o.lawful(&command) {
		o.unsure = true
		return
	}
	o.want = append(o.want, o.instance.Command(&command)...)
}

// lawful tells whether the model says what comes of the message's payload.
func (o *actionOracle) lawful(command *action.ActionCommand) bool {
	if o.messages == 1 && command.GetServiceName() == model.ActionTwo {
		return decodes(command.GetPayload(), &actionmodel.OtherRequest{})
	}
	var request actionmodel.Request
	if !decodes(command.GetPayload(), &request) {
		return false
	}
	for _, group := range request.GetGroups() {
		for _, step := range group.GetSteps() {
			if step.GetStep() == nil {
				return false
			}
		}
	}
	return true
}

// done is called after the last message.
func (o *actionOracle) done() {
	switch {
	case o.unsure || o.refused:
	case o.messages == 0:
		o.unsure = true
	default:
		o.want = append(o.want, o.instance.Done()...)
	}
}

// holdAction sends all messages of a call, half-closes it, and reads all that comes.
func (f *frontendSide) holdAction(ctx context.Context, conn *grpc.ClientConn, c Conversation, entity string) error {
	out, err := f.call(ctx, conn, calls[c.Kind].method)
	if err != nil {
		return err
	}
	defer out.cancel()
	oracle := &actionOracle{kind: c.Kind}
	for _, step := range c.Steps {
		if step.End == HalfClose {
			break
		}
		if step.End == Reset {
			return nil
		}
		if step.End == Disconnect {
			return conn.Close()
		}
		if step.Send != nil {
			raw := step.Send.bytesFor(entity)
			oracle.next(raw)
			out.send(raw)
		}
	}
	oracle.done()
	_ = out.CloseSend() // a call that is over says so below
	return oracle.judge(out)
}

// judge reads the whole answer.
func (o *actionOracle) judge(out *outgoing) error {
	var got []*action.ActionResponse
	for {
		raw, end := out.receive()
		if end == nil {
			response := &action.ActionResponse{}
			if err := proto.Unmarshal(raw, response); err != nil {
				return broken("", "a response that cannot be decoded: %v", err)
			}
			if got = append(got, response); len(got) > maxAnswers {
				return broken("", "more than %d responses", maxAnswers)
			}
			continue
		}
		switch {
		case out.hung():
			return broken("ACT-16 ACT-17 ACT-32", "the half-closed call does not end")
		case o.unsure:
			return nil
		case o.refused:
			if end.Code() == codes.OK && (len(got) == 0 || got[len(got)-1].GetFailure() == nil) {
				return broken("ACT-24", "expected a failure for what is not served, got %d responses and status OK", len(got))
			}
			return nil
		case end.Code() != codes.OK:
			return broken("ACT-16 ACT-17 ACT-32", "expected status OK, got %s: %s", end.Code(), end.Message())
		}
		return o.compare(got)
	}
}

func (o *actionOracle) compare(got []*action.ActionResponse) error {
	if len(got) != len(o.want) {
		return broken("ACT-15 ACT-16 ACT-32", "expected %d responses, got %d", len(o.want), len(got))
	}
	for i, want := range o.want {
		if err := trace.Compare("the response", frontend.Normalise(want), frontend.Normalise(got[i])); err != nil {
			return broken("ACT-11 ACT-12 ACT-13 ACT-14", "%v", err)
		}
	}
	return nil
}
