package tckmodel

import (
	"errors"
	"iter"

	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/action"
)

func actionModel() cloudstate.Service {
	return action.New(
		&model.ActionTckModel_ServiceDesc,
		action.Unary(model.ActionTckModel_ProcessUnary_FullMethodName, processUnary),
		action.StreamedIn(model.ActionTckModel_ProcessStreamedIn_FullMethodName, processStreamedIn),
		action.StreamedOut(model.ActionTckModel_ProcessStreamedOut_FullMethodName, processStreamedOut),
		action.Streamed(model.ActionTckModel_ProcessStreamed_FullMethodName, processStreamed),
	)
}

func actionTwo() cloudstate.Service {
	return action.New(
		&model.ActionTwo_ServiceDesc,
		action.Unary(model.ActionTwo_Call_FullMethodName, callAction),
	)
}

// callAction answers with nothing: that it was called is all there is to see.
func callAction(*action.Context, *model.OtherRequest) (*model.Response, error) {
	return &model.Response{}, nil
}

// answer collects the steps that make up one response: side effects are asked for as they come, and of the others the
// last one counts.
type answer struct {
	ctx  *action.Context
	last *model.ProcessStep
}

func (a *answer) take(groups ...*model.ProcessGroup) {
	for _, group := range groups {
		for _, step := range group.GetSteps() {
			if effect := step.GetEffect(); effect != nil {
				a.effect(effect)
			} else {
				a.last = step
			}
		}
	}
}

func (a *answer) effect(effect *model.SideEffect) {
	target := &model.OtherRequest{Id: effect.GetId()}
	if effect.GetSynchronous() {
		a.ctx.SynchronousSideEffect(model.ActionTwo_Call_FullMethodName, target)
	} else {
		a.ctx.SideEffect(model.ActionTwo_Call_FullMethodName, target)
	}
}

// result is the response in the form of a handler's results; no reply is nil.
func (a *answer) result() (*model.Response, error) {
	switch step := a.last.GetStep().(type) {
	case *model.ProcessStep_Reply:
		return &model.Response{Message: step.Reply.GetMessage()}, nil
	case *model.ProcessStep_Forward:
		a.ctx.Forward(model.ActionTwo_Call_FullMethodName, &model.OtherRequest{Id: step.Forward.GetId()})
		return nil, nil
	case *model.ProcessStep_Fail:
		return nil, errors.New(step.Fail.GetMessage())
	default:
		return nil, nil
	}
}

func processUnary(ctx *action.Context, request *model.Request) (*model.Response, error) {
	answer := answer{ctx: ctx}
	answer.take(request.GetGroups()...)
	return answer.result()
}

// processStreamedIn combines all requests into one response.
func processStreamedIn(ctx *action.Context, requests iter.Seq2[*model.Request, error]) (*model.Response, error) {
	answer := answer{ctx: ctx}
	for request, err := range requests {
		if err != nil {
			return nil, err
		}
		answer.take(request.GetGroups()...)
	}
	return answer.result()
}

// processStreamedOut gives one response for each group.
func processStreamedOut(
	ctx *action.Context, request *model.Request, responses *action.Responses[*model.Response],
) error {
	for _, group := range request.GetGroups() {
		answer := answer{ctx: ctx}
		answer.take(group)
		reply, err := answer.result()
		if err != nil {
			err = responses.Fail(err)
		} else {
			err = responses.Reply(reply)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// processStreamed gives the responses of each request before it takes the next.
func processStreamed(
	ctx *action.Context, requests iter.Seq2[*model.Request, error], responses *action.Responses[*model.Response],
) error {
	for request, err := range requests {
		if err != nil {
			return err
		}
		if err := processStreamedOut(ctx, request, responses); err != nil {
			return err
		}
	}
	return nil
}
