package main

import (
	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/discovery"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/driver"
	"github.com/stateful-serverless/cloudstate/reference-proxy/route"
	"github.com/stateful-serverless/cloudstate/reference-proxy/serve"
)

// served are the entity kinds that this configuration serves (DISC-04).
func served(cfg *config.Config) []discovery.Kind {
	if cfg.Store == config.StoreNone {
		return []discovery.Kind{discovery.Action}
	}
	return []discovery.Kind{discovery.EventSourced, discovery.ValueEntity, discovery.Action}
}

// keysHeeded is whether a command with an idempotency key takes effect once. That takes a place to remember it in.
func keysHeeded(cfg *config.Config) bool {
	return cfg.IdempotencyWindow > 0 && cfg.Store != config.StoreNone
}

// extensions are the optional profiles of SPEC.md that this configuration offers (IDEM-01, OPS-21).
func extensions(cfg *config.Config) []string {
	var offered []string
	if keysHeeded(cfg) {
		offered = append(offered, "idempotency")
	}
	if cfg.CrashPoint != "" {
		offered = append(offered, "crash-points")
	}
	return offered
}

// functionSink publishes what discovery finds.
type functionSink struct{ proxy *proxy }

// Serve publishes f: new calls go to its services, and then to the user function that told of them (DISC-46).
func (s functionSink) Serve(f *discovery.Function) {
	p := s.proxy
	types := make(map[*discovery.Service]*driver.Type)
	for _, svc := range f.Services {
		if t := p.types.of(svc); t != nil {
			types[svc] = t
		}
	}
	actions := &driver.Actions{Calls: p.pool, Timeout: p.cfg.CommandTimeout, Report: p.report.report}
	p.edge.Publish(route.New(route.Config{
		CommandTimeout: p.cfg.CommandTimeout,
		MaxInFlight:    p.cfg.MaxInFlightCommands,
		MaxSideEffects: p.cfg.MaxSideEffects,
		MaxHops:        p.cfg.MaxForwards,
	}, f, p.host.Load(), types, actions, p.report.report, p.log))
	p.pool.Admit()
}

// Suspend refuses calls until the next Serve.
func (s functionSink) Suspend() { s.proxy.edge.Suspend() }

// entityTypes keeps the entity types that were served, so that an unchanged service
// finds its active instances again after a new discovery (DISC-47).
type entityTypes map[typeKey]*driver.Type

// typeKey is what tells one type's state from that of all others.
type typeKey struct {
	kind          discovery.Kind
	persistenceID string
}

// of returns the type for a service, nil for one without instances. It is called by
// one goroutine.
func (e entityTypes) of(s *discovery.Service) *driver.Type {
	k := typeKey{s.Kind, s.PersistenceID}
	t := e[k]
	switch {
	case t != nil && t.Service == s.Name && t.Passivation == s.PassivationTimeout:
		return t
	case t != nil:
		t = t.Successor(s.Name, s.PassivationTimeout)
	case s.Kind == discovery.EventSourced:
		t = driver.EventSourced(s.Name, s.PersistenceID, s.PassivationTimeout)
	case s.Kind == discovery.ValueEntity:
		t = driver.Value(s.Name, s.PersistenceID, s.PassivationTimeout)
	default:
		return nil // without instances of this node alone
	}
	e[k] = t
	return t
}

// discoveryConfig says how the user function is asked, and what may be in its answer.
func (p *proxy) discoveryConfig() discovery.Config {
	return discovery.Config{
		Options: discovery.Options{
			Served:          served(p.cfg),
			SkipUnsupported: p.cfg.UnsupportedEntities == config.UnsupportedSkip,
			StrictVersion:   p.cfg.StrictVersion,
			StoreHint: "Start the proxy with --store postgres or --store cassandra (CLOUDSTATE_STORE=postgres, with CLOUDSTATE_POSTGRES_URL; see --help), " +
				"with --store embedded for a disk of its own, or with --store memory to try it out.",
			Reserved: serve.OwnServices(),
		},
		Extensions:    extensions(p.cfg),
		ProxyName:     "cloudstate-reference-proxy",
		ProxyVersion:  version(),
		BackoffMin:    p.cfg.DiscoveryBackoffMin,
		BackoffMax:    p.cfg.DiscoveryBackoffMax,
		BackoffFactor: p.cfg.DiscoveryBackoffFactor,
		Logger:        p.log,
	}
}
