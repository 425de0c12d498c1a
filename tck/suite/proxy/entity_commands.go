package proxy

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// entityCases are the cases that both kinds of stateful entity have in common.
func entityCases(k *kind) []suite.Case {
	return slices.Concat(
		definitionCases(k),
		commandCases(k),
		failureCases(k),
		restartCases(k),
		violationCases(k),
		discardCases(k),
		passivationCases(k),
		durableCases(k),
		lostCases(k),
	)
}

// on makes a case about this kind on the shared proxy.
func (k *kind) on(name, title string, requirements []string, run func(s *scene)) suite.Case {
	return suite.Case{
		ID: k.area + "/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, Needs: []string{k.entityType},
		Run: func(ctx context.Context, t *suite.T) { run(shared(ctx, t)) },
	}
}

// effect is a side effect on the entity; text tells its request from others.
func (e *entity) effect(text string, synchronous bool) *cloudstate.SideEffect {
	return &cloudstate.SideEffect{
		ServiceName: e.service, CommandName: e.command(), Payload: pack(e.k.request(e.id, text)), Synchronous: synchronous,
	}
}

// forward is a forward to the entity; text tells its request from others.
func (e *entity) forward(text string) *cloudstate.ClientAction {
	return forwarded(&cloudstate.Forward{ServiceName: e.service, CommandName: e.command(), Payload: pack(e.k.request(e.id, text))})
}

// queue brings commands with these texts to the entity, in this order; it returns when the proxy has accepted them all. They are side effects of another
// entity's command, which are started in order (FWD-09); the barrier after each is a synchronous one on a third entity.
func (e *entity) queue(texts ...string) {
	from, barrier := e.entity(e.k, e.k.two), e.entity(e.k, e.k.two)
	var effects []*cloudstate.SideEffect
	for _, text := range texts {
		effects = append(effects, e.effect(text, false), barrier.effect("", true))
	}
	c := from.call("")
	i := from.opens("FWD-01")
	i.command("FWD-01", "")
	i.reply(answer{action: replied(e.k.response("")), effects: effects})
	last := barrier.opens("FWD-09")
	for range texts {
		last.command("FWD-09", "")
		e.roundTrips(1)
		last.replies("")
	}
	c.replies("FWD-10", e.k.response(""))
}

// put has the entity store values: one command with one reply each. It returns the instance.
func (e *entity) put(requirement string, values ...string) *instance {
	c := e.call("put")
	i := e.opens(requirement)
	i.command(requirement, "put")
	i.replies("stored", values...)
	c.replies(requirement, e.k.response("stored"))
	return i
}

// asks makes a call that the instance answers at once.
func (i *instance) asks(requirement, text string) {
	c := i.e.call(text)
	i.command(requirement, text)
	i.replies(text)
	c.replies(requirement, i.e.k.response(text))
}

func commandCases(k *kind) []suite.Case {
	return []suite.Case{
		k.on("state-changes", "an entity has one stream: init, then its commands numbered from 1, each answered with its own reply",
			k.both("ES-04", "VE-04", "ES-03", "VE-03", "ES-14", "VE-09", "ES-16", "VE-32", "ES-17", "VE-33", "ES-24", ""),
			func(s *scene) {
				e := s.entity(k, k.model)
				first := e.call("")
				i := e.opens(k.byKind("ES-04", "VE-04"))
				i.command(k.byKind("ES-16", "VE-32"), "")
				i.replies("")
				first.replies(k.byKind("ES-24", "VE-13"), k.response(""))
				for n := range 5 {
					text := fmt.Sprint("step ", n)
					c := e.call(text)
					i.command(k.byKind("ES-14", "VE-09"), text)
					i.replies(text, text)
					c.replies(k.byKind("ES-20", "VE-13"), k.response(text))
				}
				i.asks(k.byKind("ES-24", "VE-13"), "changes nothing")
				e.unopened(k.byKind("ES-03", "VE-03"), "its first stream is open and served")
			}),
		k.on("one-stream", "calls that come at the same time for a new entity share one stream",
			k.both("ES-03", "VE-03", "ES-14", "VE-09"), func(s *scene) {
				e := s.entity(k, k.model)
				calls := make([]*call, 20)
				for n := range calls {
					calls[n] = e.call("")
				}
				i := e.opens(k.byKind("ES-03", "VE-03"))
				for range calls {
					i.command(k.byKind("ES-14", "VE-09"), "")
					i.replies("shared")
				}
				for _, c := range calls {
					c.replies(k.byKind("ES-03", "VE-03"), k.response("shared"))
				}
				e.unopened(k.byKind("ES-03", "VE-03"), "all commands were answered on its first stream")
			}),
		k.on("one-at-a-time", "a command is sent only after the reply to the one before, and queued commands keep their order",
			k.both("ES-13", "VE-08"), func(s *scene) {
				rule := k.byKind("ES-13", "VE-08")
				e := s.entity(k, k.model)
				c := e.call("first")
				i := e.opens(rule)
				i.command(rule, "first")
				e.queue("second", "third", "fourth")
				i.quiet(rule, "the first command has no reply yet")
				i.replies("first")
				c.replies(rule, k.response("first"))
				i.command(rule, "second")
				s.roundTrips(5)
				i.quiet(rule, "the second command has no reply yet")
				i.replies("")
				i.command(rule, "third")
				i.replies("")
				i.command(rule, "fourth")
				i.replies("")
				i.asks(rule, "fifth")
			}),
		k.on("entities-apart", "entities whose services or ids differ share neither stream nor state, however alike the names are",
			k.both("ES-28", "VE-37"), func(s *scene) {
				rule := k.byKind("ES-28", "VE-37")
				id := s.t.ID(k.area)
				entities := []*entity{s.entityOf(k, k.model, id), s.entityOf(k, k.two, id)}
				// Joined by '-' or by nothing, the persistence id of model and these ids would be that of two and id.
				for _, alike := range []string{"two-" + id, "-two" + id, "-two-" + id, id + "-", id + " ", id + "\x00", id + "/1", id + "|1", "|" + id, id + "é", id + "e\u0301"} {
					entities = append(entities, s.entityOf(k, k.model, alike))
				}
				var instances []*instance
				for n, e := range entities {
					c := e.call("put")
					i := e.opens(rule)
					i.command(rule, "put")
					i.replies("stored", fmt.Sprint("value ", n))
					c.replies(rule, k.response("stored"))
					instances = append(instances, i)
				}
				for n, i := range instances {
					i.restart(rule, fmt.Sprint("value ", n))
				}
			}),
		{
			ID: k.area + "/proxy/persistence-ids", Title: "state is kept apart by persistence id and entity id, whatever characters they contain",
			Requirements: k.both("ES-28", "VE-37"), Kind: suite.Proxy, Needs: []string{k.entityType}, OwnTarget: true,
			Run: func(ctx context.Context, t *suite.T) { persistenceIDs(ctx, t, k) },
		},
	}
}

// restart has the instance started anew by a failure with restart, which makes the proxy read what is stored; the new instance must hold stored.
func (i *instance) restart(requirement string, stored ...string) *instance {
	c := i.e.call("restart")
	i.command(requirement, "restart")
	i.fails("restart", true)
	c.fails(requirement, codes.Unknown, "restart")
	i.ended(requirement, "the failure asked for a restart")
	return i.e.opens(requirement, stored...)
}

// persistenceIDs serves many services whose persistence ids collide with others' ids, should a store join them with any of these separators.
func persistenceIDs(ctx context.Context, t *suite.T, k *kind) {
	rule := k.byKind("ES-28", "VE-37")
	separators := []string{"", "|", "/", "-", ":", ".", "_", ",", " ", "#", "\x00", "\n", "é", "\U0001f600"}
	d := newDefinition(k.area)
	var entities []*cloudstate.Entity
	services := []string{d.service("Plain", method{name: "Call", key: true})}
	entities = append(entities, declare(k, services[0], "p"))
	for n, separator := range separators {
		services = append(services, d.service(fmt.Sprint("Service", n), method{name: "Call", key: true}))
		entities = append(entities, declare(k, services[n+1], "p"+separator+"q"))
	}
	config := suite.ModelFunction()
	config.Spec = d.spec(t, entities...)
	s := own(ctx, t, config)
	id := t.ID(k.area)
	var instances []*instance
	store := func(service, id string) {
		e := s.entityOf(k, service, id)
		c := e.scene.call(e.method(), d.request(id), d.request(""))
		i := e.stream(rule)
		i.expect(rule, k.begin(service, id, nil)...)
		i.last++
		i.expect(rule, k.command(&cloudstate.Command{EntityId: id, Id: 1, Name: "Call", Payload: d.pack(id)}))
		i.reply(answer{action: replyWith(d.pack("")), writes: []string{fmt.Sprint("value ", len(instances))}})
		c.replies(rule, d.request(""))
		instances = append(instances, i)
	}
	for n, separator := range separators {
		store(services[n+1], id)
		store(services[0], "q"+separator+id)
		if separator != "" {
			store(services[0], separator+"q"+separator+id)
		}
	}
	for n, i := range instances {
		c := s.call(i.e.method(), d.request(i.e.id), d.request(""))
		i.last++
		i.expect(rule, k.command(&cloudstate.Command{EntityId: i.e.id, Id: i.last, Name: "Call", Payload: d.pack(i.e.id)}))
		i.fails("restart", true)
		c.fails(rule, codes.Unknown, "restart")
		i.ended(rule, "the failure asked for a restart")
		i.e.opens(rule, fmt.Sprint("value ", n))
	}
}
