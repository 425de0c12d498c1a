package proxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const discoverMethod = "/cloudstate.EntityDiscovery/discover"

func discoveryCases() []suite.Case {
	return slices.Concat(handshakeCases(), keptCases(), refusedAnswerCases(), rediscoveryCases(), permutationCases())
}

// discoveryCase makes a case with a proxy of its own; run starts it.
func discoveryCase(name, title string, needs, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
	return suite.Case{
		ID: "disc/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, Needs: needs, OwnTarget: true, Timeout: longTimeout, Run: run,
	}
}

// versioned is spec as a user function of another protocol version gives it.
func versioned(spec *cloudstate.EntitySpec, major, minor int32) *cloudstate.EntitySpec {
	return modelSpecWith(spec, func(spec *cloudstate.EntitySpec) {
		spec.ServiceInfo.ProtocolMajorVersion, spec.ServiceInfo.ProtocolMinorVersion = major, minor
	})
}

// onlyEventSourced is what a legacy user function may have.
func onlyEventSourced() *cloudstate.EntitySpec {
	return mockfunction.NewSpec([]protoreflect.FileDescriptor{esmodel.File_cloudstate_tck_model_eventsourced_proto},
		mockfunction.Entity(mockfunction.EventSourcedType, model.EventSourcedService, "entity"))
}

// launched starts the case's own proxy without waiting for it to serve; clients have a connection of their own.
func (s *scene) launched(env ...string) {
	s.t.Check(s.t.Proxy().Launch(s.ctx, env...), suite.Failure{Expected: "the proxy's process to start"})
	s.client = s.connect()
}

// ready waits until the proxy serves.
func (s *scene) ready(requirement, why string) {
	s.t.Check(s.serving(), suite.Failure{Requirement: requirement, Expected: "the proxy to serve: " + why})
	s.until(requirement, "a call to be served: "+why, func() (bool, string) {
		_, err := s.client.Unary(s.ctx, "/"+eventSourced.model+"/Process", eventSourced.request(s.t.ID("ready"), ""), eventSourced.response(""), nil)
		return err == nil, fmt.Sprint(err)
	})
}

// unready requires that the proxy does not serve: neither by its health check nor by what it answers.
func (s *scene) unready(requirement string) {
	s.becomes("OPS-02", false)
	_, err := s.client.Unary(s.ctx, "/"+eventSourced.model+"/Process", eventSourced.request(s.t.ID("unready"), ""), eventSourced.response(""), nil)
	s.t.Status(err, codes.Unavailable, "", suite.Failure{Requirement: requirement})
	s.alive("DISC-21")
}

// alive requires that the proxy's process has not ended.
func (s *scene) alive(requirement string) {
	select {
	case <-s.t.Proxy().Exited():
		s.t.Fail(suite.Failure{
			Requirement: requirement, Expected: "the proxy to stay alive",
			Got: "its process ended; it last said: " + strings.Join(s.t.Proxy().Logs(5), " | "),
		})
	default:
	}
}

func handshakeCases() []suite.Case {
	es := []string{suite.EventSourced}
	return []suite.Case{
		discoveryCase("handshake", "the first call to the user function is discover, with version, name and the types that the proxy serves", nil,
			requires("DISC-01", "DISC-02", "DISC-03", "DISC-64", "DISC-35", "DISC-08", "DISC-25"), func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction())
				for _, m := range t.Trace().Messages() {
					if m.To == trace.Frontend && m.Kind == trace.Open {
						t.Require(m.Method == discoverMethod, suite.Failure{Requirement: "DISC-01", Expected: "a call of " + discoverMethod, Got: "a call of " + m.Method})
						break
					}
				}
				info, err := s.function.NextDiscovery(s.ctx)
				t.Check(err, suite.Failure{})
				t.Require(info.GetProtocolMajorVersion() == 0 && info.GetProtocolMinorVersion() == 2, suite.Failure{
					Requirement: "DISC-02", Expected: "protocol version 0.2", Got: fmt.Sprintf("%d.%d", info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion()),
				})
				t.Require(info.GetProxyName() != "" && info.GetProxyVersion() != "", suite.Failure{
					Requirement: "DISC-35", Expected: "proxy_name and proxy_version", Got: fmt.Sprintf("%q and %q", info.GetProxyName(), info.GetProxyVersion()),
				})
				types := slices.Sorted(slices.Values(info.GetSupportedEntityTypes()))
				known := func(entityType string) bool {
					return slices.Contains([]string{suite.EventSourced, suite.ValueEntity, suite.Action, suite.CRDT}, entityType)
				}
				t.Require(len(slices.Compact(slices.Clone(types))) == len(types) && !slices.ContainsFunc(types, func(entityType string) bool { return !known(entityType) }),
					suite.Failure{Requirement: "DISC-03", Expected: "known entity types, each once", Got: strings.Join(types, ", ")})
				extensions := info.GetExtensions()
				optional := []string{"idempotency", "crash-points"}
				wrong := slices.ContainsFunc(extensions, func(name string) bool { return !slices.Contains(optional, name) })
				sorted := slices.Sorted(slices.Values(extensions))
				t.Require(!wrong && len(slices.Compact(sorted)) == len(extensions), suite.Failure{
					Requirement: "DISC-64", Expected: "the names of optional profiles that there are (idempotency, crash-points), each once", Got: fmt.Sprintf("%q", extensions),
				})
				// Calls are no occasion to discover again.
				s.roundTrips(20)
				s.undiscovered("its connections are as good as ever")
			}),
		discoveryCase("versions", "other protocol versions are refused with the fixed text; the proxy's own is then served", es,
			requires("DISC-09", "DISC-08", "DISC-19", "DISC-21"), func(ctx context.Context, t *suite.T) {
				refused := [][2]int32{{0, 1}, {0, 3}, {1, 0}, {1, 2}, {2, 2}}
				config := suite.ModelFunction()
				config.Spec = versioned(model.Spec(), refused[0][0], refused[0][1])
				s := newScene(ctx, t, t.Serve(config))
				s.launched(hasty...)
				for _, v := range refused {
					s.function.SetSpec(versioned(model.Spec(), v[0], v[1]))
					reports(s, "DISC-09", fmt.Sprintf("Incompatible protocol version %d.%d, only 0.2 is supported", v[0], v[1]))
				}
				s.unready("DISC-21")
				s.function.SetSpec(model.Spec())
				s.ready("DISC-08", "the user function speaks its own version now")
			}),
		discoveryCase("legacy", "event sourced entities of a user function that reports version 0.0 are served", es, requires("DISC-37"),
			func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.Spec = versioned(onlyEventSourced(), 0, 0)
				own(ctx, t, config).ready("DISC-37", "0.0 is what libraries before 0.2 report")
			}),
		discoveryCase("no-service-info", "an answer without service_info is taken as one of version 0.0", es, requires("DISC-11", "DISC-37"),
			func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.Spec = modelSpecWith(onlyEventSourced(), func(spec *cloudstate.EntitySpec) { spec.ServiceInfo = nil })
				own(ctx, t, config).ready("DISC-11", "no service_info is what libraries before 0.2 may send")
			}),
		discoveryCase("legacy-other-kinds", "other entities of a legacy user function are refused, with a report that names the service",
			[]string{suite.EventSourced, suite.Action}, requires("DISC-38", "DISC-11", "DISC-19"), func(ctx context.Context, t *suite.T) {
				spec := mockfunction.NewSpec(
					[]protoreflect.FileDescriptor{esmodel.File_cloudstate_tck_model_eventsourced_proto, actmodel.File_cloudstate_tck_model_action_proto},
					mockfunction.Entity(mockfunction.EventSourcedType, model.EventSourcedService, "entity"),
					mockfunction.Entity(mockfunction.ActionType, model.ActionTwo, ""))
				config := suite.ModelFunction()
				config.Spec = versioned(spec, 0, 0)
				s := newScene(ctx, t, t.Serve(config))
				s.launched(hasty...)
				reports(s, "DISC-38", model.ActionTwo)
				s.function.SetSpec(onlyEventSourced())
				s.ready("DISC-21", "the answer can be served now")
			}),
		discoveryCase("action-persistence-ids", "equal persistence ids of actions are no reason to refuse, nor is that of an entity beside them",
			[]string{suite.Action, suite.EventSourced}, requires("DISC-55"), func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.Spec = modelSpecWith(model.Spec(), func(spec *cloudstate.EntitySpec) {
					for _, e := range spec.GetEntities() {
						if e.GetEntityType() == suite.Action {
							e.PersistenceId = "event-sourced-tck-model"
						}
					}
				})
				own(ctx, t, config).ready("DISC-55", "actions have nothing to persist")
			}),
		discoveryCase("passivation-default", "a passivation time-out of 0 or less is none: the proxy's own default holds", es, requires("DISC-56", "DISC-30"),
			func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.Spec = modelSpecWith(model.Spec(), func(spec *cloudstate.EntitySpec) {
					mockfunction.Passivated(spec.GetEntities()[0], 0)
					mockfunction.Passivated(spec.GetEntities()[1], -5*time.Millisecond)
				})
				s := own(ctx, t, config)
				var instances []*instance
				for _, service := range []string{eventSourced.model, eventSourced.two} {
					e := s.entity(eventSourced, service)
					c := e.call("")
					i := e.opens("DISC-56")
					i.command("DISC-56", "")
					i.replies("")
					c.replies("DISC-56", eventSourced.response(""))
					instances = append(instances, i)
				}
				// The barrier: a whole life of an instance with a time-out of 100 ms.
				configured := s.entity(eventSourced, eventSourced.configured).put("DISC-30")
				configured.passivates("DISC-30")
				for _, i := range instances {
					i.asks("DISC-56", "still here")
				}
			}),
		discoveryCase("port-taken", "a proxy that cannot bind its port ends with a message that names the address", []string{suite.NeedHostPorts}, requires("DISC-24"),
			func(ctx context.Context, t *suite.T) {
				taken, err := net.Listen("tcp", t.Proxy().Address)
				if err != nil {
					t.KitFault(err)
				}
				defer taken.Close()
				s := newScene(ctx, t, t.Serve(suite.ModelFunction()))
				t.Check(t.Proxy().Launch(s.ctx), suite.Failure{})
				exit, err := t.Proxy().Wait(s.ctx)
				t.Check(err, suite.Failure{Expected: "the process to end when its port is taken"})
				_, port, _ := net.SplitHostPort(t.Proxy().Address)
				last := strings.Join(t.Proxy().Logs(20), "\n")
				t.Require(exit != 0 && strings.Contains(last, port), suite.Failure{
					Expected: fmt.Sprintf("a non-zero exit status and a message that names port %s", port), Got: fmt.Sprintf("exit status %d, and %s", exit, last),
				})
			}),
	}
}

// refusedAnswerCases are about answers that a proxy must refuse, or does not get.
func refusedAnswerCases() []suite.Case {
	es := []string{suite.EventSourced}
	nothing := func() *cloudstate.EntitySpec {
		return modelSpecWith(model.Spec(), func(spec *cloudstate.EntitySpec) { spec.Entities = nil })
	}
	return []suite.Case{
		unreachableCase(),
		discoveryCase("refused-then-served", "after a refused answer the proxy is alive and not ready, asks again within 15 s, and serves an answer that it can serve", es,
			requires("DISC-21", "DISC-50", "DISC-19", "DISC-12"), func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.Spec = nothing()
				s := newScene(ctx, t, t.Serve(config))
				s.launched() // with the settings that a proxy has by default
				reports(s, "DISC-12", "No entities were reported by the discover call!")
				refused := time.Now()
				s.unready("DISC-21")
				s.function.SetSpec(model.Spec())
				s.ready("DISC-21", "the answer can be served now")
				// Two seconds are for a busy machine.
				t.Require(time.Since(refused) < 17*time.Second, suite.Failure{
					Requirement: "DISC-50", Expected: "discover to be called again within 15 s", Got: "it took " + time.Since(refused).Round(time.Second).String(),
				})
			}),
		discoveryCase("report-fails", "a reportError that fails, is not implemented or is never answered stops nothing", es, requires("DISC-58"),
			func(ctx context.Context, t *suite.T) {
				answers := make(chan func(context.Context) error, 3)
				config := suite.ModelFunction()
				config.Spec = nothing()
				config.ReportError = func(ctx context.Context, _ string) error {
					select {
					case answer := <-answers:
						return answer(ctx)
					default:
						return status.Error(codes.Internal, "the handler of reportError is broken")
					}
				}
				answers <- func(context.Context) error { return status.Error(codes.Unimplemented, "no reportError") }
				answers <- func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
				s := newScene(ctx, t, t.Serve(config))
				s.launched(hasty...)
				reports(s, "DISC-58", "No entities")
				s.function.SetSpec(versioned(model.Spec(), 7, 7))
				reports(s, "DISC-58", "7.7") // this one is never answered
				s.function.SetSpec(model.Spec())
				s.ready("DISC-58", "the answer can be served now")
			}),
		discoveryCase("own-services", "an entity whose service the proxy serves itself is refused by name", []string{suite.Action, suite.EventSourced},
			requires("DISC-62", "DISC-19"), func(ctx context.Context, t *suite.T) {
				specs := map[string]*cloudstate.EntitySpec{}
				for service, file := range map[string]protoreflect.FileDescriptor{
					"grpc.health.v1.Health":                    grpc_health_v1.File_grpc_health_v1_health_proto,
					"grpc.reflection.v1.ServerReflection":      grpc_reflection_v1.File_grpc_reflection_v1_reflection_proto,
					"grpc.reflection.v1alpha.ServerReflection": grpc_reflection_v1alpha.File_grpc_reflection_v1alpha_reflection_proto,
				} {
					specs[service] = mockfunction.NewSpec([]protoreflect.FileDescriptor{file}, mockfunction.Entity(suite.Action, service, ""))
				}
				config := suite.ModelFunction()
				config.Spec = specs["grpc.health.v1.Health"]
				s := newScene(ctx, t, t.Serve(config))
				s.launched(hasty...)
				for service, spec := range specs {
					s.function.SetSpec(spec)
					reports(s, "DISC-62", service)
				}
				s.function.SetSpec(model.Spec())
				s.ready("DISC-21", "the answer can be served now")
			}),
		discoveryCase("unsupported-type", "an entity type that differs in any character is refused, naming service, type and the types supported", es,
			requires("DISC-14", "DISC-19"), func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				types := []string{"cloudstate.eventsourced.EventSource", "cloudstate.eventsourced.eventsourced", " " + suite.EventSourced, suite.EventSourced + ".", "no.such.Type"}
				of := func(entityType string) *cloudstate.EntitySpec {
					return modelSpecWith(onlyEventSourced(), func(spec *cloudstate.EntitySpec) { spec.Entities[0].EntityType = entityType })
				}
				config.Spec = of(types[0])
				s := newScene(ctx, t, t.Serve(config))
				s.launched(hasty...)
				for _, entityType := range types {
					s.function.SetSpec(of(entityType))
					reports(s, "DISC-14", model.EventSourcedService, entityType, suite.EventSourced)
				}
			}),
		discoveryCase("all-problems", "a report tells all problems of an answer, and one and the same answer is reported once", es, requires("DISC-44", "DISC-60"),
			func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.Spec = modelSpecWith(onlyEventSourced(), func(spec *cloudstate.EntitySpec) {
					spec.Entities = append(spec.Entities, mockfunction.Entity(suite.EventSourced, "no.such.First", "first"), mockfunction.Entity(suite.EventSourced, "no.such.Second", "second"))
				})
				s := newScene(ctx, t, t.Serve(config))
				s.launched(hasty...)
				reports(s, "DISC-44", "no.such.First", "no.such.Second")
				// The barrier: the same answer is given, and refused, twice more.
				for range 4 {
					_, err := s.function.NextDiscovery(s.ctx)
					t.Check(err, suite.Failure{Requirement: "DISC-21", Expected: "discover to be called again"})
				}
				now, cancel := context.WithCancel(context.Background())
				cancel()
				report, err := s.function.NextReport(now)
				t.Require(err != nil, suite.Failure{Requirement: "DISC-60", Expected: "one report of one and the same answer", Got: "a further one: " + report})
			}),
	}
}

// rediscoveryCases are about user functions that go away and come back.
func rediscoveryCases() []suite.Case {
	es := []string{suite.EventSourced}
	return []suite.Case{
		discoveryCase("again-same", "after its user function was lost the proxy discovers again before any command, and carries on with all state", es,
			requires("DISC-46", "DISC-47", "OPS-09", "OPS-20", "SERV-36"), func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction(), hasty...)
				_, err := s.function.NextDiscovery(s.ctx)
				t.Check(err, suite.Failure{})
				e := s.entity(eventSourced, eventSourced.model)
				e.put("OPS-09", "kept")
				for range 2 {
					s.function.Kill()
					lost := uint64(0)
					if all := t.Trace().Messages(); len(all) > 0 {
						lost = all[len(all)-1].Seq
					}
					s.becomes("OPS-15", false)
					for _, other := range []string{e.id, t.ID("other")} {
						_, err := s.client.Unary(s.ctx, e.method(), eventSourced.request(other, ""), eventSourced.response(""), nil)
						t.Status(err, codes.Unavailable, "", suite.Failure{Requirement: "OPS-20", Remedy: "answer at once; do not wait for the user function's return"})
					}
					s.comesBack()
					t.Check(s.serving(), suite.Failure{Requirement: "OPS-09", Expected: "the proxy to serve again"})
					c := e.call("again")
					i := e.opens("DISC-47", "kept")
					i.command("DISC-47", "again")
					i.replies("again")
					c.replies("DISC-47", eventSourced.response("again"))
					for _, m := range t.Trace().Messages() {
						if m.Seq > lost && m.To == trace.Frontend && m.Kind == trace.Open {
							t.Require(m.Method == discoverMethod, suite.Failure{Requirement: "DISC-46", Expected: "discover before any command", Got: m.String()})
							break
						}
					}
				}
			}),
		discoveryCase("again-changed", "a changed answer is served: what is gone is UNIMPLEMENTED, what is new is served, the rest keeps its state",
			[]string{suite.EventSourced, suite.Action}, requires("DISC-48", "DISC-47", "OPS-16"), func(ctx context.Context, t *suite.T) {
				without := func(service string) *cloudstate.EntitySpec {
					return modelSpecWith(model.Spec(), func(spec *cloudstate.EntitySpec) {
						spec.Entities = slices.DeleteFunc(spec.GetEntities(), func(e *cloudstate.Entity) bool { return e.GetServiceName() == service })
					})
				}
				config := suite.ModelFunction()
				config.Spec = without(model.ActionService)
				s := own(ctx, t, config, hasty...)
				e := s.entity(eventSourced, eventSourced.model)
				e.put("DISC-47", "kept")
				request := &actmodel.OtherRequest{Id: "id"}
				s.call("/"+model.ActionTwo+"/Call", request, said("")).replies("DISC-48", said(""))
				s.call(unary.method(), step("x"), said("")).fails("DISC-48", codes.Unimplemented, "")
				s.function.Kill()
				s.becomes("OPS-15", false)
				s.function.SetSpec(without(model.ActionTwo))
				s.comesBack()
				t.Check(s.serving(), suite.Failure{Requirement: "DISC-48", Expected: "the proxy to serve the new answer"})
				s.call(unary.method(), step("new"), said("")).replies("DISC-48", said("new"))
				s.call("/"+model.ActionTwo+"/Call", request, said("")).fails("DISC-48", codes.Unimplemented, "")
				_, err := s.health(model.ActionTwo)
				t.Status(err, codes.NotFound, "", suite.Failure{Requirement: "OPS-16"})
				c := e.call("")
				i := e.opens("DISC-47", "kept")
				i.command("DISC-47", "")
				i.replies("")
				c.replies("DISC-47", eventSourced.response(""))
			}),
		discoveryCase("again-refused", "while a repeated discover brings what cannot be served, calls are answered UNAVAILABLE; then all state is there", es,
			requires("DISC-49", "DISC-21", "DISC-19"), func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction(), hasty...)
				e := s.entity(eventSourced, eventSourced.model)
				e.put("DISC-49", "kept")
				s.function.Kill()
				s.becomes("OPS-15", false)
				s.function.SetSpec(versioned(model.Spec(), 0, 9))
				s.comesBack()
				reports(s, "DISC-19", "0.9")
				s.unready("DISC-49")
				s.function.SetSpec(model.Spec())
				t.Check(s.serving(), suite.Failure{Requirement: "DISC-21", Expected: "the proxy to serve again"})
				c := e.call("")
				i := e.opens("DISC-49", "kept")
				i.command("DISC-49", "")
				i.replies("")
				c.replies("DISC-49", eventSourced.response(""))
			}),
	}
}
