package frontend

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// lenient serves the entity streams that cfg has no behaviour for, and minds nothing: whatever comes is taken for a good message,
// commands are answered twice, and a half-close is answered by an error.
func lenient(f *mockfunction.Function, cfg mockfunction.Config) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for ctx.Err() == nil && cfg.EventSourced == nil {
			if s, err := f.EventSourced(ctx, mockfunction.Claim{}); err == nil {
				go lenientEventSourced(s)
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		for ctx.Err() == nil && cfg.ValueEntity == nil {
			if s, err := f.ValueEntity(ctx, mockfunction.Claim{}); err == nil {
				go lenientValueEntity(s)
			}
		}
	}()
	return func() { cancel(); <-done; <-done }
}

func lenientEventSourced(s *mockfunction.EventSourced) {
	instance := model.EventSourced{}.New(&eventsourced.EventSourcedInit{ServiceName: esModel})
	for first := true; ; first = false {
		item := s.ReceiveNow()
		if item.End != nil {
			s.Fail(codes.Internal, "goodbye")
			return
		}
		if command := item.Msg.GetCommand(); command != nil {
			reply := instance.Command(command)
			_ = s.Reply(reply)
			_ = s.Reply(reply)
		} else if !first || item.Msg.GetInit().GetServiceName() != esModel {
			_ = s.Reply(&eventsourced.EventSourcedReply{})
		}
	}
}

func lenientValueEntity(s *mockfunction.ValueEntity) {
	instance := model.ValueEntity(&valueentity.ValueEntityInit{ServiceName: veModel})
	for first := true; ; first = false {
		item := s.ReceiveNow()
		if init := item.Msg.GetInit(); first && init != nil {
			instance = model.ValueEntity(&valueentity.ValueEntityInit{ServiceName: veModel, State: init.GetState()})
		}
		if item.End != nil {
			s.Fail(codes.Internal, "goodbye")
			return
		}
		if command := item.Msg.GetCommand(); command != nil {
			_ = s.Reply(instance.Command(command))
		} else if !first || item.Msg.GetInit().GetServiceName() != veModel {
			_ = s.Reply(&valueentity.ValueEntityReply{})
		}
	}
}
