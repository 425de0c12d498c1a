package frontend

import (
	"slices"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// veReplies makes every value entity reply go through change.
func veReplies(change func(command *cloudstate.Command, r *valueentity.ValueEntityReply) *valueentity.ValueEntityReply) func(*mockfunction.Config) {
	return func(cfg *mockfunction.Config) {
		inner := cfg.ValueEntity
		cfg.ValueEntity = func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
			if instance := inner(init); instance != nil {
				return veWrapped{instance, change}
			}
			return nil
		}
	}
}

type veWrapped struct {
	inner  mockfunction.ValueEntityInstance
	change func(*cloudstate.Command, *valueentity.ValueEntityReply) *valueentity.ValueEntityReply
}

func (w veWrapped) Command(c *cloudstate.Command) *valueentity.ValueEntityReply {
	return w.change(c, w.inner.Command(c))
}

func valueEntityMutants() []mutant {
	type reply = *valueentity.ValueEntityReply
	type command = *cloudstate.Command
	steps := func(c command) []*vemodel.RequestAction {
		var request vemodel.Request
		_ = c.GetPayload().UnmarshalTo(&request)
		return request.GetActions()
	}
	return []mutant{
		{"ve wrong command id", veReplies(func(_ command, r reply) reply { r.CommandId++; return r }), map[string]string{"ve/frontend/command-ids": "VE-10"}},
		{"ve never updates", veReplies(func(_ command, r reply) reply {
			if r.GetStateAction().GetUpdate() != nil {
				r.StateAction = nil
			}
			return r
		}), map[string]string{"ve/frontend/update": "VE-11", "ve/frontend/updates-in-one-command": "VE-12", "ve/frontend/forward-with-state": "VE-17"}},
		{"ve never deletes", veReplies(func(_ command, r reply) reply {
			if r.GetStateAction().GetDelete() != nil {
				r.StateAction = nil
			}
			return r
		}), map[string]string{"ve/frontend/delete": "VE-34", "ve/frontend/updates-then-delete": "VE-12"}},
		{"ve sends the first action", veReplies(func(c command, r reply) reply {
			for _, step := range steps(c) {
				if step.GetUpdate() != nil {
					veUpdated(step.GetUpdate().GetValue())(r)
					break
				}
			}
			return r
		}), map[string]string{
			"ve/frontend/updates-in-one-command": "VE-12", "ve/frontend/update-delete-update": "VE-12",
		}},
		{"ve updates on reads", veReplies(func(c command, r reply) reply {
			if len(steps(c)) == 0 {
				veUpdated("")(r)
			}
			return r
		}), map[string]string{"ve/frontend/update": "VE-35", "ve/frontend/initial-empty-state": "VE-07"}},
		{"ve drops the state of forwards", veReplies(func(_ command, r reply) reply {
			if r.GetClientAction().GetForward() != nil {
				r.StateAction = nil
			}
			return r
		}), map[string]string{"ve/frontend/forward-with-state": "VE-17"}},
		{"ve failure without id", veReplies(func(_ command, r reply) reply {
			if f := r.GetClientAction().GetFailure(); f != nil {
				f.CommandId = 0
			}
			return r
		}), map[string]string{"ve/frontend/failure": "VE-18", "ve/frontend/broken-payload": "VE-55"}},
		{"ve failure with state", veReplies(func(_ command, r reply) reply {
			if r.GetClientAction().GetFailure() != nil {
				veUpdated("x")(r)
			}
			return r
		}), map[string]string{"ve/frontend/failure-keeps-no-state": "VE-41"}},
		{"ve failure with side effects", veReplies(func(_ command, r reply) reply {
			if r.GetClientAction().GetFailure() != nil {
				veEffected("x", false)(r)
			}
			return r
		}), map[string]string{"ve/frontend/failure-drops-side-effects": "VE-41"}},
		{"ve keeps the state of failures", func(cfg *mockfunction.Config) {
			cfg.ValueEntity = func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
				return &veHasty{inner: model.ValueEntity(init)}
			}
		}, map[string]string{"ve/frontend/failure-keeps-no-state": "VE-42"}},
		{"ve forgets by failing", func(cfg *mockfunction.Config) {
			cfg.ValueEntity = func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
				return &veHasty{inner: model.ValueEntity(init), to: remove()}
			}
		}, map[string]string{"ve/frontend/failure-keeps-the-stream": "VE-54"}},
		{"ve ignores init.state", func(cfg *mockfunction.Config) {
			cfg.ValueEntity = func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
				return model.ValueEntity(&valueentity.ValueEntityInit{ServiceName: init.GetServiceName()})
			}
		}, map[string]string{"ve/frontend/init-with-state": "VE-07", "ve/frontend/rehydration": "VE-07"}},
		{"ve wants init.state", func(cfg *mockfunction.Config) {
			cfg.ValueEntity = func(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
				if init.GetState() == nil {
					return nil
				}
				return model.ValueEntity(init)
			}
		}, map[string]string{"ve/frontend/init-without-state": "VE-07"}},
		{"ve loses side effects", veReplies(func(_ command, r reply) reply { r.SideEffects = nil; return r }), map[string]string{
			"ve/frontend/side-effect": "FWD-31", "ve/frontend/side-effects-and-state": "FWD-31", "ve/frontend/forward-and-side-effect": "FWD-31",
		}},
		{"ve forwards elsewhere", veReplies(func(_ command, r reply) reply {
			if f := r.GetClientAction().GetForward(); f != nil {
				f.ServiceName = actTwo
			}
			return r
		}), map[string]string{"ve/frontend/forward-type": "FWD-03"}},
		{"ve tolerates everything", func(cfg *mockfunction.Config) { cfg.ValueEntity = nil }, map[string]string{
			"ve/frontend/first-message-command": "VE-27", "ve/frontend/first-message-garbage": "VE-27", "ve/frontend/first-message-empty": "VE-27",
			"ve/frontend/second-init": "VE-28", "ve/frontend/second-init-later": "VE-28", "ve/frontend/unknown-service": "VE-29",
			"ve/frontend/wrong-entity-id": "VE-30", "ve/frontend/empty-message": "VE-31", "ve/frontend/unknown-message": "VE-31",
			"ve/frontend/passivation": "VE-59",
		}},
	}
}

// veHasty does, to its own state, what a failed command would have done, or what to says.
type veHasty struct {
	inner mockfunction.ValueEntityInstance
	to    *vemodel.RequestAction
}

func (h *veHasty) Command(c *cloudstate.Command) *valueentity.ValueEntityReply {
	r := h.inner.Command(c)
	if r.GetClientAction().GetFailure() == nil {
		return r
	}
	var request vemodel.Request
	_ = c.GetPayload().UnmarshalTo(&request)
	kept := slices.DeleteFunc(request.GetActions(), func(a *vemodel.RequestAction) bool { return a.GetFail() != nil })
	if h.to != nil {
		kept = append(kept, h.to)
	}
	h.inner.Command(&cloudstate.Command{Name: "Process", Payload: pack(&vemodel.Request{Actions: kept})})
	return r
}
