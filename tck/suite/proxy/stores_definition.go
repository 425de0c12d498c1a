package proxy

import (
	"context"
	"strings"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// persisted is the model's answer to discover with other persistence ids for these services.
func persisted(ids map[string]string) *cloudstate.EntitySpec {
	spec := model.Spec()
	for _, e := range spec.GetEntities() {
		if id, other := ids[e.GetServiceName()]; other {
			e.PersistenceId = id
		}
	}
	return spec
}

// releases starts a proxy of the case's own with the first of the answers to discover; each call of next stops it in an orderly way and
// starts it on the same store with the next one, as when another release of the user function is rolled out.
func releases(ctx context.Context, t *suite.T, specs ...*cloudstate.EntitySpec) (s *scene, next func(...*instance)) {
	config := suite.ModelFunction()
	config.Spec = specs[0]
	s = own(ctx, t, config)
	return s, func(instances ...*instance) {
		specs = specs[1:]
		s.function.SetSpec(specs[0])
		s.stopAndStart(instances...)
	}
}

// definitionChangeCases are about what stored state is found by, when the user function changes.
func definitionChangeCases() []suite.Case {
	released := func(name, title string, needs, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
		return suite.Case{
			ID: "sto/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, OwnTarget: true, Timeout: restartTimeout,
			Needs: append(needs, suite.NeedDurableStore), Run: run,
		}
	}
	cases := []suite.Case{
		released("kinds-apart", "an event sourced and a value entity of the same persistence id and entity id have nothing of each other",
			[]string{suite.EventSourced, suite.ValueEntity}, requires("STO-12"), func(ctx context.Context, t *suite.T) {
				events := persisted(map[string]string{eventSourced.model: "shared"})
				value := persisted(map[string]string{valueBased.model: "shared"})
				s, next := releases(ctx, t, events, value, events, value)
				id := t.ID("both")
				e, v := s.entityOf(eventSourced, eventSourced.model, id), s.entityOf(valueBased, valueBased.model, id)
				next(e.put("STO-12", "event 1", "event 2"))
				i := v.resumes("STO-12")
				i.asksStoring("STO-12", "put", "value")
				next(i)
				i = e.resumes("STO-12", "event 1", "event 2")
				i.asksStoring("STO-12", "more", "event 3")
				next(i)
				v.resumes("STO-12", "value").acts("STO-12", veDelete())
			}),
	}
	for _, k := range []*kind{eventSourced, valueBased} {
		cases = append(cases, released(k.area+"-services-renamed",
			"state is found by its persistence id, when services change names, and persistence ids that are much alike are kept apart",
			[]string{k.entityType}, requires("STO-13", "STO-21"), func(ctx context.Context, t *suite.T) {
				services := []string{k.model, k.two, k.configured}
				ids := []string{"\u00e9|p\x00", "e\u0301|p\x00", strings.Repeat("long ", 60)}
				// turned gives each service the persistence id that the one n places before it had.
				turned := func(n int) *cloudstate.EntitySpec {
					given := map[string]string{}
					for at, service := range services {
						given[service] = ids[(at+n)%len(ids)]
					}
					return persisted(given)
				}
				s, next := releases(ctx, t, turned(0), turned(1), turned(2))
				id := t.ID("renamed")
				var entities []*entity
				var instances []*instance
				for at, service := range services {
					e := s.entityOf(k, service, id)
					i := e.put("STO-13", "stored under "+ids[at])
					if service == k.configured {
						i.passivates("STO-13")
						i.Complete()
					} else {
						instances = append(instances, i)
					}
					entities = append(entities, e)
				}
				for n := range 2 {
					next(instances...)
					instances = nil
					for at, e := range entities {
						i := e.resumes("STO-13", "stored under "+ids[(at+n+1)%len(ids)])
						if e.service != k.configured {
							instances = append(instances, i)
							continue
						}
						i.passivates("STO-13")
						i.Complete()
					}
				}
			}))
	}
	return cases
}
