package tckmodel

import (
	"errors"

	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
)

// log is the state of the event sourced model: what was emitted, joined.
type log struct {
	text string
}

func eventSourcedModel() cloudstate.Service {
	return eventsourced.New(
		eventsourced.Config{
			Service:       &model.EventSourcedTckModel_ServiceDesc,
			PersistenceID: "event-sourced-tck-model",
			SnapshotEvery: snapshotEvery,
		},
		eventsourced.Command(model.EventSourcedTckModel_Process_FullMethodName, (*log).process),
		eventsourced.Event((*log).persisted),
		eventsourced.Snapshot((*log).snapshot, (*log).restore),
	)
}

func (l *log) process(ctx *eventsourced.Context, request *model.Request) (*model.Response, error) {
	const two = model.EventSourcedTwo_Call_FullMethodName
	for _, step := range request.GetActions() {
		switch action := step.GetAction().(type) {
		case *model.RequestAction_Emit:
			ctx.Emit(&model.Persisted{Value: action.Emit.GetValue()})
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
	return &model.Response{Message: l.text}, nil
}

func (l *log) persisted(event *model.Persisted) { l.text += event.GetValue() }

func (l *log) snapshot() *model.Persisted { return &model.Persisted{Value: l.text} }

func (l *log) restore(snapshot *model.Persisted) { l.text = snapshot.GetValue() }

func eventSourcedTwo() cloudstate.Service {
	return eventsourced.New(
		eventsourced.Config{
			Service:       &model.EventSourcedTwo_ServiceDesc,
			PersistenceID: "event-sourced-tck-model-two",
		},
		eventsourced.Command(model.EventSourcedTwo_Call_FullMethodName, (*log).call),
	)
}

func eventSourcedConfigured() cloudstate.Service {
	return eventsourced.New(
		eventsourced.Config{
			Service:            &model.EventSourcedConfigured_ServiceDesc,
			PersistenceID:      "event-sourced-configured",
			PassivationTimeout: passivationTimeout,
		},
		eventsourced.Command(model.EventSourcedConfigured_Call_FullMethodName, (*log).call),
	)
}

// call answers with nothing: that it was called is all there is to see.
func (l *log) call(*eventsourced.Context, *model.Request) (*model.Response, error) {
	return &model.Response{}, nil
}
