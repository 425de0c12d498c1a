package frontend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// discoveryCase is a case about discovery, which every frontend takes part in.
func discoveryCase(name, title string, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
	return suite.Case{
		ID: "disc/frontend/" + name, Title: title, Requirements: requirements, Kind: suite.Frontend, Run: run,
	}
}

// specCase is a case that looks at the answer to discover.
func specCase(name, title, requirement string, look func(t *suite.T, spec *cloudstate.EntitySpec)) suite.Case {
	return discoveryCase(name, title, requires(requirement), func(ctx context.Context, t *suite.T) {
		look(t, discover(ctx, t, dial(ctx, t), mockproxy.Info(0, 2)))
	})
}

func discover(ctx context.Context, t *suite.T, p *mockproxy.Proxy, info *cloudstate.ProxyInfo) *cloudstate.EntitySpec {
	spec, err := p.Discover(ctx, info)
	t.Check(err, suite.Failure{Expected: "an EntitySpec", Remedy: "serve cloudstate.EntityDiscovery and answer discover"})
	return spec
}

// discoveryCases covers the answer to discover, leaving descriptors apart, and reportError.
func discoveryCases() []suite.Case {
	return []suite.Case{
		specCase("protocol-version", "the protocol version reported is 0.2", "DISC-06", func(t *suite.T, spec *cloudstate.EntitySpec) {
			info := spec.GetServiceInfo()
			t.Require(info.GetProtocolMajorVersion() == 0 && info.GetProtocolMinorVersion() == 2, suite.Failure{
				Expected: "protocol version 0.2 in service_info",
				Got:      fmt.Sprintf("version %d.%d", info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion()),
				Remedy:   "set protocol_major_version to 0 and protocol_minor_version to 2; a proxy takes 0.0 for a library older than this specification",
			})
		}),
		specCase("service-info", "service and library are named, with their versions", "DISC-07", func(t *suite.T, spec *cloudstate.EntitySpec) {
			info := spec.GetServiceInfo()
			var empty []string
			for name, value := range map[string]string{
				"service_name": info.GetServiceName(), "service_version": info.GetServiceVersion(), "service_runtime": info.GetServiceRuntime(),
				"support_library_name": info.GetSupportLibraryName(), "support_library_version": info.GetSupportLibraryVersion(),
			} {
				if value == "" {
					empty = append(empty, name)
				}
			}
			slices.Sort(empty)
			t.Require(len(empty) == 0, suite.Failure{Expected: "all fields of service_info to be filled", Got: "empty: " + strings.Join(empty, ", ")})
		}),
		specCase("one-entity-per-service", "no service is listed twice, and at least one is listed", "DISC-36", func(t *suite.T, spec *cloudstate.EntitySpec) {
			seen := make(map[string]bool)
			t.Require(len(spec.GetEntities()) > 0, suite.Failure{Expected: "at least one entity", Got: "none"})
			for _, e := range spec.GetEntities() {
				t.Require(!seen[e.GetServiceName()], suite.Failure{
					Expected: "each service in exactly one entity", Got: e.GetServiceName() + " in two or more",
				})
				seen[e.GetServiceName()] = true
			}
		}),
		specCase("persistence-ids", "each event sourced and each value entity has a persistence id of its own", "DISC-28", persistenceIDs),
		{
			ID: "act/frontend/no-persistence", Title: "actions have neither persistence id nor passivation strategy",
			Requirements: requires("ACT-26"), Kind: suite.Frontend, Needs: []string{suite.Action},
			Run: func(ctx context.Context, t *suite.T) {
				for _, e := range discover(ctx, t, dial(ctx, t), mockproxy.Info(0, 2)).GetEntities() {
					t.Require(e.GetEntityType() != suite.Action || (e.GetPersistenceId() == "" && e.GetPassivationStrategy() == nil), suite.Failure{
						Expected: "action " + e.GetServiceName() + " without persistence id and passivation strategy", Got: describe(e, nil),
					})
				}
			},
		},
		discoveryCase("unsupported-types", "entities are reported also to a proxy that does not support their type", requires("DISC-27"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				usual := discover(ctx, t, p, mockproxy.Info(0, 2))
				info := mockproxy.Info(0, 2)
				info.SupportedEntityTypes = nil
				sameEntities(t, usual, discover(ctx, t, p, info), "DISC-27")
			}),
		discoveryCase("again", "discover is answered any number of times, at the same time too, and always the same", requires("DISC-59"),
			discoverAgain),
		discoveryCase("report-error", "reportError is answered, whatever the text", requires("DISC-20"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				for _, text := range []string{
					"The TCK tests error reports; nothing is wrong.",
					"",
					"Zeile eins\nline two\tπροσοχή \u0000 %s %d ${jndi:none}",
					strings.Repeat("long ", 20_000),
				} {
					t.Check(p.ReportError(ctx, text), suite.Failure{Remedy: "log the message and answer google.protobuf.Empty"})
				}
				discover(ctx, t, p, mockproxy.Info(0, 2))
			}),
		modelCase("es", "model", suite.EventSourced, map[string]string{esModel: "event-sourced-tck-model", esTwo: ""}),
		modelCase("ve", "model", suite.ValueEntity, map[string]string{veModel: "value-entity-tck-model", veTwo: "value-entity-tck-model-two"}),
		modelCase("act", "model", suite.Action, map[string]string{actModel: "", actTwo: ""}),
		configuredCase("es", suite.EventSourced, esConfigured, "event-sourced-configured"),
		configuredCase("ve", suite.ValueEntity, veConfigured, "value-entity-configured"),
	}
}

// modelCase is a case about what discovery says of the model services of one kind: the persistence ids that the TCK asks for,
// as far as it asks for any.
func modelCase(area, name, entityType string, persistenceIDs map[string]string) suite.Case {
	services := make([]string, 0, len(persistenceIDs))
	for service := range persistenceIDs {
		services = append(services, service)
	}
	slices.Sort(services)
	return suite.Case{
		ID: area + "/frontend/discovery-" + name, Title: "the model services are discovered with their type and persistence id",
		Requirements: requires("DISC-26", "DISC-36"), Kind: suite.Frontend, Needs: []string{entityType, services[0]},
		Run: func(ctx context.Context, t *suite.T) {
			spec := discover(ctx, t, dial(ctx, t), mockproxy.Info(0, 2))
			for _, service := range services {
				e := entity(t, spec, service, entityType)
				want := persistenceIDs[service]
				t.Require(want == "" || e.GetPersistenceId() == want, suite.Failure{
					Expected: fmt.Sprintf("%s with the persistence id %q", service, want), Got: describe(e, nil),
					Remedy: "the TCK model uses the persistence ids that docs/tck names",
				})
			}
		},
	}
}

// configuredCase is a case about the model service of a kind that sets a passivation timeout.
func configuredCase(area, entityType, service, persistenceID string) suite.Case {
	return suite.Case{
		ID: area + "/frontend/discovery-configured", Title: "the configured service is discovered with a passivation timeout of 100 ms",
		Requirements: requires("DISC-29"), Kind: suite.Frontend, Needs: []string{entityType, service},
		Run: func(ctx context.Context, t *suite.T) {
			spec := discover(ctx, t, dial(ctx, t), mockproxy.Info(0, 2))
			e := entity(t, spec, service, entityType)
			t.Require(e.GetPersistenceId() == persistenceID && e.GetPassivationStrategy().GetTimeout().GetTimeout() == 100, suite.Failure{
				Expected: fmt.Sprintf("%s with the persistence id %q and a passivation timeout of 100 ms", service, persistenceID),
				Got:      describe(e, nil),
				Remedy:   "set passivation_strategy.timeout.timeout, in milliseconds",
			})
		},
	}
}

// entity returns the entity of service, which must be of the given type.
func entity(t *suite.T, spec *cloudstate.EntitySpec, service, entityType string) *cloudstate.Entity {
	for _, e := range spec.GetEntities() {
		if e.GetServiceName() == service {
			t.Require(e.GetEntityType() == entityType, suite.Failure{
				Expected: service + " of the type " + entityType, Got: describe(e, nil),
			})
			return e
		}
	}
	t.Fail(suite.Failure{Expected: "an entity for " + service, Got: "none", Remedy: "serve all model services of a kind, or none"})
	return nil
}

func persistenceIDs(t *suite.T, spec *cloudstate.EntitySpec) {
	seen := make(map[string]string)
	for _, e := range spec.GetEntities() {
		if e.GetEntityType() != suite.EventSourced && e.GetEntityType() != suite.ValueEntity {
			continue
		}
		id := e.GetPersistenceId()
		t.Require(id != "", suite.Failure{Expected: "a persistence id for " + e.GetServiceName(), Got: "none"})
		t.Require(seen[id] == "", suite.Failure{
			Expected: "a persistence id for each stored entity that no other has",
			Got:      fmt.Sprintf("%q for both %s and %s", id, seen[id], e.GetServiceName()),
			Remedy:   "entities with one persistence id would share one journal",
		})
		seen[id] = e.GetServiceName()
	}
}

// sameEntities fails the case unless both answers declare the same entities, in any order.
func sameEntities(t *suite.T, want, got *cloudstate.EntitySpec, requirement string) {
	sorted := func(spec *cloudstate.EntitySpec) *cloudstate.EntitySpec {
		entities := slices.Clone(spec.GetEntities())
		slices.SortFunc(entities, func(a, b *cloudstate.Entity) int { return cmp.Compare(a.GetServiceName(), b.GetServiceName()) })
		return &cloudstate.EntitySpec{Entities: entities}
	}
	t.Equal(sorted(want), sorted(got), suite.Failure{Requirement: requirement})
}

// discoverAgain asks one time after the other, with an error report and different proxies in between, and then many times at once.
func discoverAgain(ctx context.Context, t *suite.T) {
	p := dial(ctx, t)
	first := discover(ctx, t, p, mockproxy.Info(0, 2))
	same := func(again *cloudstate.EntitySpec) {
		sameEntities(t, first, again, "DISC-59")
		t.Equal(first.GetServiceInfo(), again.GetServiceInfo(), suite.Failure{Requirement: "DISC-59"})
		t.Require(proto.Equal(descriptors(t, first), descriptors(t, again)), suite.Failure{
			Requirement: "DISC-59", Expected: "the same descriptors in each answer to discover", Got: "others",
		})
	}
	same(discover(ctx, t, p, mockproxy.Info(0, 2)))
	t.Check(p.ReportError(ctx, "The TCK tests error reports; nothing is wrong."), suite.Failure{})
	same(discover(ctx, t, dial(ctx, t), mockproxy.Info(0, 2)))
	type answer struct {
		spec *cloudstate.EntitySpec
		err  error
	}
	answers := make(chan answer, 16)
	for range cap(answers) {
		go func() {
			spec, err := p.Discover(ctx, mockproxy.Info(0, 2))
			answers <- answer{spec, err}
		}()
	}
	for range cap(answers) {
		a := <-answers
		t.Check(a.err, suite.Failure{Requirement: "DISC-59"})
		same(a.spec)
	}
}

// descriptors reads the descriptor set of an answer, with its files in the order of their names.
func descriptors(t *suite.T, spec *cloudstate.EntitySpec) *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(spec.GetProto(), set); err != nil {
		t.Fail(suite.Failure{
			Requirement: "DISC-05", Expected: "EntitySpec.proto to be a FileDescriptorSet", Got: err.Error(),
			Remedy: "protoc --descriptor_set_out writes one",
		})
	}
	slices.SortFunc(set.File, func(a, b *descriptorpb.FileDescriptorProto) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return set
}
