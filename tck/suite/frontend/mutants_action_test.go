package frontend

import (
	"slices"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
)

// actResponses makes the responses of every action call go through change, which is called after each command and at the end.
func actResponses(change func(rs []*action.ActionResponse) []*action.ActionResponse) func(*mockfunction.Config) {
	return func(cfg *mockfunction.Config) {
		cfg.Action = func(method string, header *action.ActionCommand) mockfunction.ActionInstance {
			if instance := model.Action(method, header); instance != nil {
				return actWrapped{instance, change}
			}
			return nil
		}
	}
}

type actWrapped struct {
	inner  mockfunction.ActionInstance
	change func([]*action.ActionResponse) []*action.ActionResponse
}

func (w actWrapped) Command(c *action.ActionCommand) []*action.ActionResponse {
	return w.change(w.inner.Command(c))
}

func (w actWrapped) Done() []*action.ActionResponse { return w.change(w.inner.Done()) }

// each changes every response by itself.
func each(change func(r *action.ActionResponse)) func(*mockfunction.Config) {
	return actResponses(func(rs []*action.ActionResponse) []*action.ActionResponse {
		for _, r := range rs {
			change(r)
		}
		return rs
	})
}

// actEager answers each message of a client-streaming call.
type actEager struct{ mockfunction.ActionInstance }

func (e actEager) Command(c *action.ActionCommand) []*action.ActionResponse {
	e.ActionInstance.Command(c)
	return e.Done()
}

func actionMutants() []mutant {
	return []mutant{
		{"act reverses side effects", each(func(r *action.ActionResponse) { slices.Reverse(r.SideEffects) }), map[string]string{
			"act/frontend/unary-reply-side-effects-in-order": "ACT-12", "act/frontend/streamed-in-reply-side-effects": "ACT-12",
		}},
		{"act drops the synchronous flag", each(func(r *action.ActionResponse) {
			for _, e := range r.SideEffects {
				e.Synchronous = false
			}
		}), map[string]string{"act/frontend/unary-no-reply-side-effect-synchronous": "ACT-12"}},
		{"act replies always", each(func(r *action.ActionResponse) {
			if r.Response == nil {
				r.Response = actReplied("").Response
			}
		}), map[string]string{"act/frontend/unary-no-reply": "ACT-13", "act/frontend/streamed-in-no-messages": "ACT-15"}},
		{"act failure without side effects", each(func(r *action.ActionResponse) {
			if r.GetFailure() != nil {
				r.SideEffects = nil
			}
		}), map[string]string{"act/frontend/unary-failure-side-effect": "ACT-14", "act/frontend/streamed-in-failure-side-effects": "ACT-14"}},
		{"act cannot forward", each(func(r *action.ActionResponse) {
			if r.GetForward() != nil {
				r.Response = actFailed("no").Response
			}
		}), map[string]string{"act/frontend/unary-forward": "ACT-11", "act/frontend/streamed-forward": "ACT-17", "act/frontend/forward-type": "FWD-03"}},
		{"act answers twice", actResponses(func(rs []*action.ActionResponse) []*action.ActionResponse { return append(rs, rs...) }),
			map[string]string{"act/frontend/unary-reply": "ACT-11", "act/frontend/streamed-in-reply": "ACT-15", "act/frontend/streamed-reply": "ACT-17"}},
		{"act answers nothing", actResponses(func([]*action.ActionResponse) []*action.ActionResponse { return nil }),
			map[string]string{"act/frontend/streamed-in-no-messages": "ACT-15", "act/frontend/unary-last-step-wins": "ACT-32"}},
		{"act reverses responses", actResponses(func(rs []*action.ActionResponse) []*action.ActionResponse { slices.Reverse(rs); return rs }),
			map[string]string{"act/frontend/streamed-out-in-order": "ACT-16", "act/frontend/streamed-reply": "ACT-17"}},
		{"act answers each streamed-in message", func(cfg *mockfunction.Config) {
			cfg.Action = func(method string, header *action.ActionCommand) mockfunction.ActionInstance {
				instance := model.Action(method, header)
				if instance != nil && header.GetName() == "ProcessStreamedIn" {
					return actEager{instance}
				}
				return instance
			}
		}, map[string]string{"act/frontend/streamed-in-reply": "ACT-15"}},
		{"act is silent after a failure", func(cfg *mockfunction.Config) {
			cfg.Action = func(method string, header *action.ActionCommand) mockfunction.ActionInstance {
				if instance := model.Action(method, header); instance != nil {
					failed := false
					return actWrapped{instance, func(rs []*action.ActionResponse) []*action.ActionResponse {
						for i, r := range rs {
							if failed {
								return rs[:i]
							}
							failed = r.GetFailure() != nil
						}
						return rs
					}}
				}
				return nil
			}
		}, map[string]string{"act/frontend/streamed-out-failure": "ACT-18", "act/frontend/streamed-failure": "ACT-18"}},
		{"act serves what it does not have", func(cfg *mockfunction.Config) {
			cfg.Action = func(method string, header *action.ActionCommand) mockfunction.ActionInstance {
				return model.Action(method, &action.ActionCommand{ServiceName: actTwo, Name: header.GetName()})
			}
		}, map[string]string{
			"act/frontend/unary-unknown-service": "ACT-24", "act/frontend/unary-unknown-method": "ACT-24",
			"act/frontend/streamed-in-unknown-service": "ACT-24", "act/frontend/streamed-out-unknown-method": "ACT-24",
			"act/frontend/streamed-unknown-service": "ACT-24",
		}},
	}
}
