package tckmodel

import (
	"errors"

	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/value"
)

type valueContext = value.Context[*model.Persisted]

func valueModel() cloudstate.Service {
	return value.New(
		value.Config{
			Service:       &model.ValueEntityTckModel_ServiceDesc,
			PersistenceID: "value-entity-tck-model",
		},
		value.Command(model.ValueEntityTckModel_Process_FullMethodName, processValue),
	)
}

func processValue(ctx *valueContext, request *model.Request) (*model.Response, error) {
	const two = model.ValueEntityTwo_Call_FullMethodName
	for _, step := range request.GetActions() {
		switch action := step.GetAction().(type) {
		case *model.RequestAction_Update:
			ctx.Update(&model.Persisted{Value: action.Update.GetValue()})
		case *model.RequestAction_Delete:
			ctx.Delete()
		case *model.RequestAction_Forward:
			ctx.Forward(two, &model.Request{Id: action.Forward.GetId()})
		case *model.RequestAction_Effect:
			target := &model.Request{Id: action.Effect.GetId()}
			if action.Effect.GetSynchronous() {
				ctx.SynchronousSideEffect(two, target)
			} else {
				ctx.SideEffect(two, target)
			}
		case *model.RequestAction_Fail:
			return nil, errors.New(action.Fail.GetMessage())
		}
	}
	return &model.Response{Message: ctx.State().GetValue()}, nil
}

func valueTwo() cloudstate.Service {
	return value.New(
		value.Config{
			Service:       &model.ValueEntityTwo_ServiceDesc,
			PersistenceID: "value-entity-tck-model-two",
		},
		value.Command(model.ValueEntityTwo_Call_FullMethodName, callValue),
	)
}

func valueConfigured() cloudstate.Service {
	return value.New(
		value.Config{
			Service:            &model.ValueEntityConfigured_ServiceDesc,
			PersistenceID:      "value-entity-configured",
			PassivationTimeout: passivationTimeout,
		},
		value.Command(model.ValueEntityConfigured_Call_FullMethodName, callValue),
	)
}

// callValue answers with nothing: that it was called is all there is to see.
func callValue(*valueContext, *model.Request) (*model.Response, error) {
	return &model.Response{}, nil
}
