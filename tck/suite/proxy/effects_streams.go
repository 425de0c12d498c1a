package proxy

import (
	"context"
	"fmt"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// effectActionCases are about side effects on the methods of actions, which may stream. The command that asks for them is one of the unary action.
func effectActionCases() []suite.Case {
	on := func(name, title string, requirements []string, run func(s *scene)) suite.Case {
		return suite.Case{
			ID: "fwd/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, Needs: []string{suite.Action},
			Run: func(ctx context.Context, t *suite.T) { run(shared(ctx, t)) },
		}
	}
	return []suite.Case{
		on("effect-by-kind", "a side effect calls its target by the target's own streaming kind, with one request message",
			requires("FWD-20", "FWD-10", "FWD-27"), func(s *scene) {
				request := pack(&actmodel.Request{})
				for name, method := range map[string]string{
					"ProcessStreamedIn":  action.ActionProtocol_HandleStreamedIn_FullMethodName,
					"ProcessStreamedOut": action.ActionProtocol_HandleStreamedOut_FullMethodName,
					"ProcessStreamed":    action.ActionProtocol_HandleStreamed_FullMethodName,
				} {
					target := s.action(model.ActionService, name)
					c := s.asksEffects("FWD-20", &cloudstate.SideEffect{
						ServiceName: model.ActionService, CommandName: name, Payload: request, Synchronous: true,
					})
					in := target.next("FWD-20")
					s.t.Require(in.Method == method, suite.Failure{Requirement: "FWD-20", Expected: "a call of " + method, Got: in.Method})
					if name == "ProcessStreamedOut" {
						target.expect(in, "FWD-20", &action.ActionCommand{ServiceName: model.ActionService, Name: name, Payload: request})
					} else {
						target.expect(in, "FWD-20", &action.ActionCommand{ServiceName: model.ActionService, Name: name})
						target.expect(in, "FWD-20", &action.ActionCommand{Payload: request})
						s.t.Check(in.ExpectHalfClose(s.ctx), suite.Failure{Requirement: "FWD-20"})
					}
					in.answers(replied(&actmodel.Response{Message: "to nobody"}))
					in.Complete()
					c.replies("FWD-10", &actmodel.Response{Message: "done"})
				}
			}),
		on("effect-drains", "the replies of a side effect whose target has a streamed response are read and dropped",
			requires("FWD-27", "FWD-23"), func(s *scene) {
				target := s.action(model.ActionService, "ProcessStreamedOut")
				c := s.asksEffects("FWD-27", &cloudstate.SideEffect{
					ServiceName: model.ActionService, CommandName: "ProcessStreamedOut", Payload: pack(&actmodel.Request{}), Synchronous: true,
				})
				in := target.next("FWD-27")
				// 16 MiB: flow control stops who sends to a proxy that does not read.
				large := string(make([]byte, 64<<10))
				sent := make(chan error, 1)
				go func() {
					var err error
					for n := 0; n < 256 && err == nil; n++ {
						err = in.Send(&action.ActionResponse{Response: &action.ActionResponse_Reply{
							Reply: &cloudstate.Reply{Payload: pack(&actmodel.Response{Message: fmt.Sprint(n, large)})},
						}})
					}
					sent <- err
				}()
				select {
				case err := <-sent:
					s.t.Check(err, suite.Failure{Requirement: "FWD-27", Expected: "all replies to be read"})
				case <-s.ctx.Done():
					s.t.Fail(suite.Failure{Requirement: "FWD-27", Expected: "all replies of the side effect's target to be read", Got: "the proxy stopped reading"})
				}
				c.waits("FWD-23", "the synchronous side effect has ended")
				in.Complete()
				c.replies("FWD-27", &actmodel.Response{Message: "done"})
			}),
		{
			ID: "fwd/proxy/effect-unanswered", Title: "a synchronous side effect that is never answered is waited for no longer than the command time-out",
			Requirements: requires("FWD-26", "FWD-10"), Kind: suite.Proxy, Needs: []string{suite.Action}, OwnTarget: true, Timeout: longTimeout,
			Run: func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction(), "CLOUDSTATE_COMMAND_TIMEOUT=300ms")
				for _, name := range []string{"ProcessStreamedOut", "ProcessStreamedIn"} {
					silent, last := s.action(model.ActionService, name), s.action(model.ActionTwo, "Call")
					c := s.asksEffects("FWD-26",
						&cloudstate.SideEffect{ServiceName: model.ActionService, CommandName: name, Payload: pack(&actmodel.Request{}), Synchronous: true},
						&cloudstate.SideEffect{ServiceName: model.ActionTwo, CommandName: "Call", Payload: pack(&actmodel.OtherRequest{}), Synchronous: true})
					silent.next("FWD-26")
					last.next("FWD-26").answers(replied(&actmodel.Response{}))
					c.replies("FWD-26", &actmodel.Response{Message: "done"})
				}
			},
		},
	}
}

// asksEffects calls the unary action, which replies "done" and asks for these side effects.
func (s *scene) asksEffects(requirement string, effects ...*cloudstate.SideEffect) *call {
	a := s.action(model.ActionService, "ProcessUnary")
	c := s.call("/"+model.ActionService+"/ProcessUnary", &actmodel.Request{}, &actmodel.Response{})
	in := a.next(requirement)
	a.receive(in, requirement)
	in.answers(replied(&actmodel.Response{Message: "done"}), effects...)
	return c
}
