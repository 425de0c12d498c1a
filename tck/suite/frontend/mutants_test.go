package frontend

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// mutant is a frontend with one fault, and the cases that must find it, each with the requirement that it must name.
type mutant struct {
	name   string
	mutate func(cfg *mockfunction.Config)
	caught map[string]string
}

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
					o, rec := execute(c, f, 10*time.Second)
					if o.Result != suite.Failed || o.Failure.Requirement != requirement {
						t.Errorf("%s: %v %s; want it to fail on %s\n%s", o.Result, o.Failure, o.Reason, requirement, rec)
					}
				})
			}
		})
	}
}

// spec changes the answer to discover.
func spec(change func(*cloudstate.EntitySpec)) func(*mockfunction.Config) {
	return func(cfg *mockfunction.Config) {
		cfg.Spec = proto.CloneOf(cfg.Spec)
		change(cfg.Spec)
	}
}

func discoveryMutants() []mutant {
	var asked atomic.Int64
	return []mutant{
		{"legacy version", spec(func(s *cloudstate.EntitySpec) { s.ServiceInfo = nil }),
			map[string]string{"disc/frontend/protocol-version": "DISC-06", "disc/frontend/service-info": "DISC-07"}},
		{"no imports", spec(func(s *cloudstate.EntitySpec) {
			file := mockfunction.Closure(esmodel.File_cloudstate_tck_model_eventsourced_proto)
			s.Proto = mustSpec(file[len(file)-1:]).Proto
		}), map[string]string{"disc/frontend/descriptors": "DISC-05"}},
		{"descriptors are garbage", spec(func(s *cloudstate.EntitySpec) { s.Proto = []byte{0xff} }),
			map[string]string{"disc/frontend/descriptors": "DISC-05"}},
		{"simple service name", spec(func(s *cloudstate.EntitySpec) { s.Entities[0].ServiceName = "EventSourcedTckModel" }),
			map[string]string{"disc/frontend/service-names": "DISC-26"}},
		{"service twice", spec(func(s *cloudstate.EntitySpec) { s.Entities = append(s.Entities, s.Entities[0]) }),
			map[string]string{"disc/frontend/one-entity-per-service": "DISC-36"}},
		{"no entities", spec(func(s *cloudstate.EntitySpec) { s.Entities = nil }),
			map[string]string{"disc/frontend/one-entity-per-service": "DISC-36"}},
		{"empty persistence id", spec(func(s *cloudstate.EntitySpec) { s.Entities[0].PersistenceId = "" }),
			map[string]string{"disc/frontend/persistence-ids": "DISC-28"}},
		{"one persistence id for all", spec(func(s *cloudstate.EntitySpec) {
			for _, e := range s.Entities {
				e.PersistenceId = "entity"
			}
		}), map[string]string{"disc/frontend/persistence-ids": "DISC-28", "act/frontend/no-persistence": "ACT-26"}},
		{"wrong passivation", spec(func(s *cloudstate.EntitySpec) {
			for _, e := range s.Entities {
				e.PassivationStrategy = nil
			}
		}), map[string]string{"es/frontend/discovery-configured": "DISC-29", "ve/frontend/discovery-configured": "DISC-29"}},
		{"another answer each time", func(cfg *mockfunction.Config) {
			cfg.Discover = func(context.Context, *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
				s := proto.CloneOf(model.Spec())
				s.Entities = s.Entities[asked.Add(1)%2:]
				return s, nil
			}
		}, map[string]string{"disc/frontend/again": "DISC-59"}},
		{"discovery once", func(cfg *mockfunction.Config) {
			var asked atomic.Int64
			cfg.Discover = func(context.Context, *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
				if asked.Add(1) > 1 {
					return nil, status.Error(codes.FailedPrecondition, "already discovered")
				}
				return model.Spec(), nil
			}
		}, map[string]string{"disc/frontend/again": "DISC-59"}},
		{"only supported types", func(cfg *mockfunction.Config) {
			cfg.Discover = func(_ context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
				s := proto.CloneOf(model.Spec())
				s.Entities = slices.DeleteFunc(s.Entities, func(e *cloudstate.Entity) bool {
					return !slices.Contains(info.GetSupportedEntityTypes(), e.GetEntityType())
				})
				return s, nil
			}
		}, map[string]string{"disc/frontend/unsupported-types": "DISC-27"}},
		{"reportError fails", func(cfg *mockfunction.Config) {
			cfg.ReportError = func(context.Context, string) error { return errors.New("cannot log") }
		}, map[string]string{"disc/frontend/report-error": "DISC-20"}},
		{"model of another type", spec(func(s *cloudstate.EntitySpec) { s.Entities[0].EntityType = suite.ValueEntity }),
			map[string]string{"es/frontend/discovery-model": "DISC-26"}},
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
				"es/frontend/snapshots": "ES-26", "es/frontend/side-effects-and-events": "ES-26",
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
		}), map[string]string{"es/frontend/side-effect-synchronous": "ES-18", "es/frontend/side-effects-in-order": "ES-18"}},
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
			"ve/frontend/updates-in-one-command": "VE-12", "ve/frontend/update-delete-update": "VE-12", "ve/frontend/side-effects-and-state": "VE-12",
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
		}), map[string]string{"act/frontend/unary-failure-side-effect": "ACT-12", "act/frontend/streamed-out-failure": "ACT-16"}},
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
				if instance := model.Action(method, header); instance != nil && header.GetName() == "ProcessStreamedIn" {
					return actEager{instance}
				} else {
					return instance
				}
			}
		}, map[string]string{"act/frontend/streamed-in-reply": "ACT-15"}},
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

func otherMutants() []mutant {
	var n atomic.Int32
	return []mutant{
		{"small messages only", func(cfg *mockfunction.Config) { cfg.MaxMessageSize = 1 << 20 }, map[string]string{
			"lim/frontend/es-large-message": "LIM-20", "lim/frontend/ve-large-message": "LIM-20", "lim/frontend/act-large-message": "LIM-20",
		}},
		{"other bytes each time", each(func(r *action.ActionResponse) {
			if r.GetReply() != nil {
				r.GetReply().Payload = &anypb.Any{
					TypeUrl: r.GetReply().GetPayload().GetTypeUrl(),
					Value:   append(r.GetReply().GetPayload().GetValue(), 0x98, 0x06, byte(n.Add(1)%100)),
				}
			}
		}), map[string]string{"ser/frontend/act-messages": "SER-05"}},
	}
}

func mustSpec(files []*descriptorpb.FileDescriptorProto) *cloudstate.EntitySpec {
	s, err := mockfunction.NewSpecOf(files)
	if err != nil {
		panic(err)
	}
	return s
}

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
