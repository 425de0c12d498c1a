package main

import (
	"github.com/stateful-serverless/cloudstate/reference-proxy/cluster"
	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/driver"
	"github.com/stateful-serverless/cloudstate/reference-proxy/telemetry"
)

// replayBuckets are numbers of events.
var replayBuckets = []float64{0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000}

// metrics is what the proxy tells about itself in numbers; docs/operations/metrics.md explains each.
type metrics struct {
	*telemetry.Metrics
	store    *telemetry.StoreMetrics // nil without a store
	replayed func(events uint64)
}

// newMetrics registers all of them, so that each is there from the start. They are read while the proxy runs.
func newMetrics(p *proxy) *metrics {
	m := &metrics{Metrics: telemetry.NewMetrics()}
	m.Gauge("cloudstate_ready", "1 while /ready says yes, else 0.", func() float64 { return flag(p.ready() == nil) })
	if p.cfg.Store == config.StoreNone {
		return m
	}
	m.store = m.NewStoreMetrics(string(p.cfg.Store))
	state := func(read func(cluster.State) float64) func() float64 {
		return func() float64 {
			if owner := p.owner.Load(); owner != nil {
				return read(owner.State())
			}
			return 0
		}
	}
	m.Gauge("cloudstate_lease_held", "1 while the proxy can rely on its lease with the store, else 0.",
		state(func(s cluster.State) float64 { return flag(s.Held) }))
	m.Gauge("cloudstate_lease_remaining_seconds", "For how long the proxy can rely on its lease, if it is not renewed.",
		state(func(s cluster.State) float64 { return s.Left.Seconds() }))
	m.Counter("cloudstate_lease_renewals_total", "Leases begun, and renewals.",
		state(func(s cluster.State) float64 { return float64(s.Renewals) }))
	m.Counter("cloudstate_lease_failures_total", "Tries to begin or renew a lease that failed.",
		state(func(s cluster.State) float64 { return float64(s.Failures) }))
	m.Counter("cloudstate_lease_losses_total", "Leases that another proxy ended, because this one was silent for too long.",
		state(func(s cluster.State) float64 { return float64(s.Losses) }))
	m.Gauge("cloudstate_shards_owned", "Shards that the proxy owns.",
		state(func(s cluster.State) float64 { return float64(s.Shards) }))
	entities := func(read func(*driver.Host) int) func() float64 {
		return func() float64 {
			if host := p.host.Load(); host != nil {
				return float64(read(host))
			}
			return 0
		}
	}
	m.Gauge("cloudstate_entity_instances", "Entity instances that are active.", entities((*driver.Host).Active))
	m.Gauge("cloudstate_entities_quarantined", "Entities that are refused, because what is stored of them is damaged.",
		entities(func(h *driver.Host) int { return len(h.Quarantined()) }))
	observe := m.Histogram("cloudstate_replay_events", "Events that an event sourced instance was brought up to date with, besides its snapshot.", replayBuckets)
	m.replayed = func(events uint64) { observe(float64(events)) }
	return m
}

// groups is what tells of the sizes of the store's groups; a store that makes none needs none.
func (m *metrics) groups(kind string) func(int) {
	if m == nil || m.store == nil {
		return nil
	}
	return m.store.Group(kind)
}

func flag(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
