package frontend

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// silent are the mutants whose fault is that nothing comes, so that a case about it takes all its time.
var silent = []string{"es never answers", "act is silent after a failure"}

// TestCasesBite runs, for each mutant, the cases that must fail on it.
func TestCasesBite(t *testing.T) {
	byID := make(map[string]suite.Case)
	for _, c := range Cases() {
		byID[c.ID] = c
	}
	for _, m := range slices.Concat(discoveryMutants(), eventSourcedMutants(), valueEntityMutants(), actionMutants(), otherMutants()) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			cfg := conforming()
			m.mutate(&cfg)
			f := start(t, cfg)
			t.Cleanup(lenient(f, cfg))
			for id, requirement := range m.caught {
				c, known := byID[id]
				if !known {
					t.Fatalf("there is no case %s", id)
				}
				if !slices.Contains(c.Requirements, requirement) {
					t.Errorf("%s is not bound to %s", id, requirement)
				}
				t.Run(strings.ReplaceAll(id, "/", "_"), func(t *testing.T) {
					t.Parallel()
					limit := time.Minute // enough on any machine: a fault that shows ends the case
					if slices.Contains(silent, m.name) {
						limit = 10 * time.Second
					}
					o, rec := execute(c, f, limit)
					if o.Result != suite.Failed || o.Failure.Requirement != requirement {
						t.Errorf("%s: %v %s; want it to fail on %s\n%s", o.Result, o.Failure, o.Reason, requirement, rec)
					}
				})
			}
		})
	}
}

// esReplies makes every event sourced reply go through change.
func esReplies(change func(command *cloudstate.Command, r *eventsourced.EventSourcedReply) *eventsourced.EventSourcedReply) func(*mockfunction.Config) {
	return esInstances(func(inner mockfunction.EventSourcedInstance) mockfunction.EventSourcedInstance {
		return esWrapped{inner, change}
	})
}

type esWrapped struct {
	mockfunction.EventSourcedInstance
	change func(*cloudstate.Command, *eventsourced.EventSourcedReply) *eventsourced.EventSourcedReply
}

func (w esWrapped) Command(c *cloudstate.Command) *eventsourced.EventSourcedReply {
	return w.change(c, w.EventSourcedInstance.Command(c))
}

func esInstances(wrap func(mockfunction.EventSourcedInstance) mockfunction.EventSourcedInstance) func(*mockfunction.Config) {
	return func(cfg *mockfunction.Config) {
		inner := cfg.EventSourced
		cfg.EventSourced = func(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
			if instance := inner(init); instance != nil {
				return wrap(instance)
			}
			return nil
		}
	}
}

// esDeaf hears no replayed events.
type esDeaf struct {
	mockfunction.EventSourcedInstance
}

func (esDeaf) Event(*eventsourced.EventSourcedEvent) {}

// esHasty keeps what a failed command emitted.
type esHasty struct {
	mockfunction.EventSourcedInstance
}

func (h esHasty) Command(c *cloudstate.Command) *eventsourced.EventSourcedReply {
	r := h.EventSourcedInstance.Command(c)
	if r.GetClientAction().GetFailure() != nil {
		var request esmodel.Request
		_ = c.GetPayload().UnmarshalTo(&request)
		for _, step := range request.GetActions() {
			if step.GetEmit() != nil {
				h.Event(&eventsourced.EventSourcedEvent{Sequence: 1, Payload: pack(&esmodel.Persisted{Value: step.GetEmit().GetValue()})})
			}
		}
	}
	return r
}

func eventSourcedMutants() []mutant {
	type reply = *eventsourced.EventSourcedReply
	type command = *cloudstate.Command
	return []mutant{
		{"es wrong command id", esReplies(func(_ command, r reply) reply { r.CommandId++; return r }),
			map[string]string{"es/frontend/command-ids": "ES-18", "es/frontend/initial-empty-state": "ES-10"}},
		{"es never answers", esReplies(func(command, reply) reply { return nil }), map[string]string{"es/frontend/forward": "ES-18"}},
		{"es drops events", esReplies(func(_ command, r reply) reply { r.Events = nil; return r }),
			map[string]string{"es/frontend/emit-one": "ES-19", "es/frontend/forward-with-events": "ES-27"}},
		{"es reverses events", esReplies(func(_ command, r reply) reply { slices.Reverse(r.Events); return r }),
			map[string]string{"es/frontend/emit-several": "ES-19"}},
		{"es forgets at once", func(cfg *mockfunction.Config) {
			inner := cfg.EventSourced
			cfg.EventSourced = func(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
				if inner(init) == nil {
					return nil
				}
				return esForgetful(func() mockfunction.EventSourcedInstance { return inner(init) })
			}
		}, map[string]string{"es/frontend/emit-one": "ES-19"}},
		{"es ignores the snapshot in init", func(cfg *mockfunction.Config) {
			inner := cfg.EventSourced
			cfg.EventSourced = func(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
				init = proto.CloneOf(init)
				init.Snapshot = nil
				return inner(init)
			}
		}, map[string]string{"es/frontend/initial-snapshot": "ES-10", "es/frontend/rehydration": "ES-10"}},
		{"es ignores replayed events", esInstances(func(i mockfunction.EventSourcedInstance) mockfunction.EventSourcedInstance { return esDeaf{i} }),
			map[string]string{"es/frontend/initial-events": "ES-10", "es/frontend/long-replay": "ES-10", "es/frontend/initial-snapshot-and-events": "ES-10"}},
		{"es never snapshots", func(cfg *mockfunction.Config) { cfg.EventSourced = model.EventSourced{SnapshotEvery: -1}.New },
			map[string]string{
				"es/frontend/snapshots": "ES-26", "es/frontend/snapshot-with-side-effects": "ES-26",
				"es/frontend/snapshot-with-forward": "ES-27", "es/frontend/snapshot-counts-replay": "ES-26",
			}},
		{"es snapshots too often", func(cfg *mockfunction.Config) { cfg.EventSourced = model.EventSourced{SnapshotEvery: 3}.New },
			map[string]string{"es/frontend/snapshots": "ES-26"}},
		{"es snapshots without events", esReplies(func(_ command, r reply) reply {
			if len(r.Events) == 0 && r.GetClientAction().GetReply() != nil {
				r.Snapshot = pack(&esmodel.Persisted{})
			}
			return r
		}), map[string]string{"es/frontend/no-snapshot-without-events": "ES-22"}},
		{"es drops events of forwards", esReplies(func(_ command, r reply) reply {
			if r.GetClientAction().GetForward() != nil {
				r.Events = nil
			}
			return r
		}), map[string]string{"es/frontend/forward-with-events": "ES-27"}},
		{"es failure without id", esReplies(func(_ command, r reply) reply {
			if f := r.GetClientAction().GetFailure(); f != nil {
				f.CommandId = 0
			}
			return r
		}), map[string]string{"es/frontend/failure": "ES-30", "es/frontend/unknown-command": "ES-44"}},
		{"es failure with events", esReplies(func(_ command, r reply) reply {
			if r.GetClientAction().GetFailure() != nil {
				r.Events = append(r.Events, pack(&esmodel.Persisted{}))
			}
			return r
		}), map[string]string{"es/frontend/failure-keeps-no-events": "ES-31"}},
		{"es failure with side effects", esReplies(func(_ command, r reply) reply {
			if r.GetClientAction().GetFailure() != nil {
				r.SideEffects = append(r.SideEffects, effectOn(esTwo, &esmodel.Request{}, false))
			}
			return r
		}), map[string]string{"es/frontend/failure-drops-side-effects": "ES-31"}},
		{"es keeps events of failures", esInstances(func(i mockfunction.EventSourcedInstance) mockfunction.EventSourcedInstance { return esHasty{i} }),
			map[string]string{"es/frontend/failure-keeps-no-events": "ES-32"}},
		{"es forgets by failing", func(cfg *mockfunction.Config) {
			inner := cfg.EventSourced
			cfg.EventSourced = func(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
				if inner(init) == nil {
					return nil
				}
				return &esForgettingFailures{EventSourcedInstance: inner(init), fresh: func() mockfunction.EventSourcedInstance { return inner(init) }}
			}
		}, map[string]string{"es/frontend/failure-keeps-the-stream": "ES-64"}},
		{"es answers unknown commands", esReplies(func(c command, r reply) reply {
			if c.GetName() != "Process" {
				r.ClientAction = esState("")
			}
			return r
		}), map[string]string{"es/frontend/unknown-command": "ES-44"}},
		{"es drops the synchronous flag", esReplies(func(_ command, r reply) reply {
			for _, e := range r.SideEffects {
				e.Synchronous = false
			}
			return r
		}), map[string]string{"es/frontend/side-effect-synchronous": "FWD-31", "es/frontend/side-effects-in-order": "FWD-31"}},
		{"es loses side effects", esReplies(func(_ command, r reply) reply { r.SideEffects = nil; return r }), map[string]string{
			"es/frontend/side-effect": "FWD-31", "es/frontend/side-effects-and-events": "FWD-31",
			"es/frontend/forward-and-side-effect": "FWD-31", "es/frontend/snapshot-with-side-effects": "FWD-31",
		}},
		{"es forwards elsewhere", esReplies(func(_ command, r reply) reply {
			if f := r.GetClientAction().GetForward(); f != nil {
				f.ServiceName = veTwo
			}
			return r
		}), map[string]string{"es/frontend/forward-type": "FWD-03", "es/frontend/forward": "ES-18"}},
		{"es own type URLs", esReplies(func(_ command, r reply) reply {
			for _, e := range r.Events {
				e.TypeUrl = strings.Replace(e.TypeUrl, "type.googleapis.com", "type.example.com", 1)
			}
			return r
		}), map[string]string{"ser/frontend/es-messages": "SER-01"}},
		{"es tolerates everything", func(cfg *mockfunction.Config) { cfg.EventSourced = nil }, map[string]string{
			"es/frontend/first-message-command": "ES-11", "es/frontend/first-message-event": "ES-11",
			"es/frontend/first-message-garbage": "ES-11", "es/frontend/first-message-empty": "ES-11",
			"es/frontend/wrong-entity-id": "ES-12", "es/frontend/second-init": "ES-50", "es/frontend/second-init-later": "ES-50",
			"es/frontend/unknown-service": "ES-51", "es/frontend/empty-message": "ES-52", "es/frontend/unknown-message": "ES-52",
			"es/frontend/passivation": "ES-48", "es/frontend/initial-empty-state": "ES-18",
		}},
	}
}

// esForgetful answers each command with a new instance.
type esForgetful func() mockfunction.EventSourcedInstance

func (f esForgetful) Event(*eventsourced.EventSourcedEvent) {}

func (f esForgetful) Command(c *cloudstate.Command) *eventsourced.EventSourcedReply {
	return f().Command(c)
}

// esForgettingFailures loses its state when a command fails.
type esForgettingFailures struct {
	mockfunction.EventSourcedInstance
	fresh func() mockfunction.EventSourcedInstance
}

func (f *esForgettingFailures) Command(c *cloudstate.Command) *eventsourced.EventSourcedReply {
	r := f.EventSourcedInstance.Command(c)
	if r.GetClientAction().GetFailure() != nil {
		f.EventSourcedInstance = f.fresh()
	}
	return r
}
