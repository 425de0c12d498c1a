package environment

import (
	"context"
	"slices"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// action carries a disturbance out and returns when it is over and the targets are up.
type action func(ctx context.Context, s *Scene, step Step) error

// disturbance is one thing that may happen.
type disturbance struct {
	name   string
	weight int   // how often, against the others
	hops   []Hop // whose processes it ends
	kills  []Hop // each kill that it makes
	link   Hop   // the link that it disturbs
	act    action
}

func (d disturbance) needs(h Hop) bool { return slices.Contains(d.hops, h) }

// possible tells whether the scene has what the disturbance disturbs.
func (s *Scene) possible(d disturbance) bool {
	return (d.link == "" || s.Links[d.link] != nil) && (!d.needs(Store) || s.Store != nil)
}

var proxyRestarted = disturbance{name: "proxy restarted", weight: 1, hops: []Hop{Proxy}, act: func(ctx context.Context, s *Scene, _ Step) error {
	return s.restartProxy(ctx)
}}

var proxyKilled = disturbance{name: "proxy killed", weight: 6, hops: []Hop{Proxy}, kills: []Hop{Proxy}, act: func(ctx context.Context, s *Scene, _ Step) error {
	if err := s.Proxy.Kill(ctx); err != nil {
		return err
	}
	return s.launchProxy(ctx, "SIGKILL")
}}

var proxyKilledTwice = disturbance{
	name: "proxy killed, and again while it started", weight: 2, hops: []Hop{Proxy}, kills: []Hop{Proxy, Proxy},
	act: func(ctx context.Context, s *Scene, step Step) error {
		if err := s.Proxy.Kill(ctx); err != nil {
			return err
		}
		if err := s.Proxy.Launch(ctx); err != nil {
			return err
		}
		idle(ctx, step.Length)
		if err := s.Proxy.Kill(ctx); err != nil {
			return err
		}
		return s.launchProxy(ctx, "SIGKILL while it started")
	},
}

var functionRestarted = disturbance{name: "user function restarted", weight: 1, hops: []Hop{Function}, act: func(ctx context.Context, s *Scene, step Step) error {
	return s.restartFunction(ctx, step.Length/4)
}}

var functionKilled = disturbance{
	name: "user function killed", weight: 3, hops: []Hop{Function}, kills: []Hop{Function},
	act: func(ctx context.Context, s *Scene, step Step) error { return s.killFunction(ctx, step.Length/4) },
}

var bothKilled = disturbance{
	name: "proxy and user function killed", weight: 1, hops: []Hop{Proxy, Function}, kills: []Hop{Proxy, Function},
	act: func(ctx context.Context, s *Scene, _ Step) error {
		if err := s.Proxy.Kill(ctx); err != nil {
			return err
		}
		if err := s.killFunction(ctx, 0); err != nil {
			return err
		}
		return s.launchProxy(ctx, "SIGKILL")
	},
}

var storeTaken = disturbance{name: "store taken away", weight: 3, hops: []Hop{Store}, kills: []Hop{Store}, act: func(ctx context.Context, s *Scene, step Step) error {
	if err := s.Store.Away(ctx); err != nil {
		return err
	}
	idle(ctx, step.Length)
	return s.Store.Back(ctx)
}}

// slowness is what a slow link does for a while.
var slowness = map[string]toxic{
	"slow":              {kind: "latency", stream: "downstream", attributes: map[string]any{"latency": 60, "jitter": 50}},
	"half of them slow": {kind: "latency", stream: "upstream", attributes: map[string]any{"latency": 150, "jitter": 120}, share: 0.5},
	"narrow":            {kind: "bandwidth", stream: "upstream", attributes: map[string]any{"rate": 20}},
	"in small pieces":   {kind: "slicer", stream: "downstream", attributes: map[string]any{"average_size": 20, "size_variation": 15, "delay": 200}},
}

// losses is what a lossy link does; a toxic without a kind cuts it.
var losses = map[string]toxic{
	"cut": {},
	// Nothing arrives any more, and nobody is told: what was sent in the meantime is lost when it ends, with its connection.
	"mute": {kind: "timeout", stream: "downstream", attributes: map[string]any{"timeout": 0}},
	"deaf": {kind: "timeout", stream: "upstream", attributes: map[string]any{"timeout": 0}},
	// Each connection is reset, or ends in the middle of a message.
	"reset":        {kind: "reset_peer", stream: "downstream", attributes: map[string]any{"timeout": 20}},
	"torn":         {kind: "limit_data", stream: "upstream", attributes: map[string]any{"bytes": 3000}},
	"answers torn": {kind: "limit_data", stream: "downstream", attributes: map[string]any{"bytes": 1500}, share: 0.7},
}

// atEachHop makes a disturbance of each toxic at each hop, in a fixed order.
func atEachHop(toxics map[string]toxic) []disturbance {
	var names []string
	for name := range toxics {
		names = append(names, name)
	}
	slices.Sort(names)
	var menu []disturbance
	for _, hop := range hops {
		for _, name := range names {
			menu = append(menu, disturbance{name: "link to the " + string(hop) + " " + name, weight: 1, link: hop, act: poison(hop, toxics[name])})
		}
	}
	return menu
}

// poison puts a toxic on the link to a hop for the length of the step.
func poison(hop Hop, t toxic) action {
	return func(ctx context.Context, s *Scene, step Step) error {
		link := s.Links[hop]
		if t.kind == "" {
			link.Cut()
			idle(ctx, step.Length)
			return s.mend(ctx, hop)
		}
		remove, err := link.add("disturbance", t)
		if err != nil {
			return &suite.KitError{Err: err}
		}
		idle(ctx, step.Length)
		return remove()
	}
}

// late makes every link late by d on average, each way, for as long as it exists.
func late(links map[Hop]*Link, d time.Duration) error {
	for _, link := range links {
		for _, stream := range []string{"upstream", "downstream"} {
			delay := toxic{kind: "latency", stream: stream, attributes: map[string]any{"latency": d.Milliseconds(), "jitter": d.Milliseconds()}}
			if _, err := link.add("late "+stream, delay); err != nil {
				return err
			}
		}
	}
	return nil
}
