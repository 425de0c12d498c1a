package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Environment is one value of the axis: what befalls the targets. Its fields never change.
type Environment struct {
	// Name is how it is asked for.
	Name string
	// Doc says in one sentence what it does.
	Doc string
	// Exact is set when cases that expect exact messages hold in it: nothing but time and restarts between cases separates them from the plain one.
	Exact bool
	// Passivation, when not 0, is put into the user function's answer to discover as the passivation time-out of every entity.
	Passivation time.Duration
	// Links is set when relays that can be disturbed stand at the hops.
	Links bool

	spread  int64         // at most how many operations are acknowledged between two disturbances
	slow    time.Duration // by which each hop is always late
	between func(ctx context.Context, s *Scene) error
	menu    []disturbance
}

// Plain is the environment in which nothing happens.
const Plain = "plain"

// ErrUnknown is wrapped by the error of [Lookup].
var ErrUnknown = errors.New("no such environment")

// All returns every environment, the plain one first.
func All() []Environment {
	return []Environment{
		{Name: Plain, Doc: "Nothing happens.", Exact: true},
		{
			Name: "tiny-passivation", Doc: "Every entity passivates after 5 ms, so that commands meet instances that leave, and replays are frequent.",
			Passivation: 5 * time.Millisecond,
		},
		{
			Name: "restart-proxy", Doc: "The proxy is stopped in an orderly way and started again, between cases and under load.",
			Exact: true, Links: true, spread: 150, menu: []disturbance{proxyRestarted},
			between: func(ctx context.Context, s *Scene) error { return s.restartProxy(ctx) },
		},
		{
			Name: "restart-function", Doc: "The user function is stopped in an orderly way and started again, between cases and under load.",
			Exact: true, Links: true, spread: 150, menu: []disturbance{functionRestarted},
			between: func(ctx context.Context, s *Scene) error {
				rediscovered := s.Rediscovered()
				if err := s.restartFunction(ctx, 0); err != nil {
					return err
				}
				return s.settled(ctx, rediscovered)
			},
		},
		{
			Name: "crash-function", Doc: "The user function is killed and started again, under load.",
			Links: true, spread: 150, menu: []disturbance{functionKilled},
		},
		{
			Name: "slow-links", Doc: "Every hop is late by some milliseconds; now and then one is slow or narrow.",
			Links: true, spread: 40, slow: 4 * time.Millisecond, menu: atEachHop(slowness),
		},
		{
			Name: "lossy-links", Doc: "Connections are cut, reset, torn in the middle of a message, or mute for a while, at one hop at a time.",
			Links: true, spread: 80, menu: atEachHop(losses),
		},
		{
			Name: "kills", Doc: "Proxy, user function and store (where the kit can take it away) are killed at random moments and started again.",
			Links: true, spread: 200, menu: []disturbance{proxyKilled, proxyKilledTwice, functionKilled, bothKilled, storeTaken},
		},
	}
}

// Lookup returns the environment of that name.
func Lookup(name string) (Environment, error) {
	var names []string
	for _, e := range All() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Environment{}, fmt.Errorf("%w: %q; choose among %s", ErrUnknown, name, strings.Join(names, ", "))
}

// Targets is what is known of the targets before they are there.
type Targets struct {
	// ProxyStarts and FunctionStarts: the kit starts them, and so may stop them.
	ProxyStarts, FunctionStarts bool
	// Durable: the store outlives the proxy's process.
	Durable bool
}

// Inapplicable says why the environment cannot be had with these targets; "" when it can.
func (e Environment) Inapplicable(t Targets) string {
	for _, d := range e.menu {
		switch {
		case d.needs(Proxy) && !t.ProxyStarts:
			return fmt.Sprintf("the environment %s stops and starts the proxy, which the kit was given as an address; name it by exec:, builtin: or image:", e.Name)
		case d.needs(Function) && !t.FunctionStarts:
			return fmt.Sprintf("the environment %s stops and starts the user function, which the kit was given as an address; name it by exec:, builtin: or image:", e.Name)
		case d.needs(Proxy) && !t.Durable:
			return fmt.Sprintf("the environment %s ends the proxy's process, which the store does not claim to outlive", e.Name)
		}
	}
	return ""
}
