package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/intercept"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// anyPort has the system choose.
const anyPort = "127.0.0.1:0"

// within leaves out the cases that make no sense in an environment: those in which the kit plays a party, and those that expect exact messages where
// something happens meanwhile.
func within(e environment.Environment, wanted func(suite.Case) string) func(suite.Case) string {
	if e.Name == environment.Plain {
		return wanted
	}
	return func(c suite.Case) string {
		switch {
		case c.Kind != suite.Pair:
			return "left out by --environment " + e.Name + ": an environment is for a pair"
		case !c.Outcomes && !e.Exact:
			return "left out by --environment " + e.Name + ": the case expects exact messages"
		}
		return wanted(c)
	}
}

// durable tells whether the store is one that outlives the proxy's process.
func durable(c Config) bool {
	return !slices.Contains([]string{"", Memory, None}, c.Store) && !c.Proxy.IsZero()
}

// inapplicable says why the environment cannot be had with these targets; "" when it can.
func inapplicable(c Config) string {
	return c.Environment.Inapplicable(environment.Targets{
		ProxyStarts: c.Proxy.Starts(), FunctionStarts: c.Frontend.Starts(), Durable: durable(c),
	})
}

// addRelay puts the interceptor between proxy and user function, in an environment with links behind one of them, and a link in front of the store if it is known
// where that is.
func (r *rig) addRelay(ctx context.Context, b *builder) error {
	e, listen := b.config.Environment, r.functionAddr
	if e.Links {
		listen = anyPort
	}
	var amend func(*cloudstate.EntitySpec)
	if e.Passivation > 0 {
		amend = func(spec *cloudstate.EntitySpec) {
			for _, entity := range spec.GetEntities() {
				entity.PassivationStrategy = &cloudstate.EntityPassivationStrategy{Strategy: &cloudstate.EntityPassivationStrategy_Timeout{
					Timeout: &cloudstate.TimeoutPassivationStrategy{Timeout: e.Passivation.Milliseconds()},
				}}
			}
		}
	}
	var err error
	if r.relay, err = intercept.Start(listen, r.frontend.Address, r.recorder, amend); err != nil {
		return err
	}
	if !e.Links {
		return nil
	}
	r.links = map[environment.Hop]*environment.Link{}
	if b.config.StoreAddress != "" {
		host, err := kitHost(ctx, b.config.Proxy)
		if err != nil {
			return err
		}
		if err := r.addLink(environment.Store, net.JoinHostPort(host, "0"), b.config.StoreAddress); err != nil {
			return err
		}
	}
	return r.addLink(environment.Function, r.functionAddr, r.relay.Addr())
}

func (r *rig) addLink(hop environment.Hop, listen, to string) error {
	link, err := environment.NewLink(listen, to)
	if err != nil {
		return err
	}
	r.links[hop] = link
	return nil
}

// storeSettings are the kit's environment variables, and what is declared of the store, that say where the store is, with the link's address.
func (r *rig) storeSettings(b *builder) []string {
	link := r.links[environment.Store]
	if link == nil {
		return nil
	}
	var settings []string
	for _, setting := range slices.Concat(os.Environ(), b.store) {
		if strings.Contains(setting, b.config.StoreAddress) {
			settings = append(settings, strings.ReplaceAll(setting, b.config.StoreAddress, link.Address()))
		}
	}
	return settings
}

// addDriver makes what disturbs the pair, once all of it is made.
func (r *rig) addDriver(b *builder) error {
	if b.config.Environment.Links {
		if err := r.addLink(environment.Proxy, anyPort, r.proxy.Address); err != nil {
			return err
		}
	}
	scene := &environment.Scene{
		Proxy: r.proxy, Function: r.frontend, Links: r.links,
		Serving: target.Serving(r.proxy.Address), Reconnect: r.relay.Reconnect, StartTimeout: b.config.StartTimeout,
		Rediscovered: func() target.Probe { return ready(r.proxy.Address, r.recorder, lastSeq(r.recorder)) },
	}
	if store := newStore(b.config); store != nil {
		scene.Store = store
	}
	var err error
	r.driver, err = environment.New(b.config.Environment, scene, uint64(b.config.Seed), b.config.Disturbances)
	return err
}

// disturbed lets a case see the pair through the links, and its environment.
func (r *rig) disturbed(env *suite.Env) {
	env.Environment = r.driver
	if link := r.links[environment.Proxy]; link != nil {
		seen := *r.proxy
		seen.Address = link.Address()
		env.Proxy = &seen
	}
}

// between is the result of a case before which the environment could not do its part.
func (r *run) between(c suite.Case, err error) verdict.Case {
	result := r.unrun(c, verdict.Error, fmt.Sprintf("environment %s, before the case: %v", r.config.Environment.Name, err), false)
	var failure *suite.Failure
	if errors.As(err, &failure) {
		result.Verdict, result.Reason, result.Failure = verdict.Failed, "", failure
		if failure.Requirement == "" {
			result.Failure.Requirement = c.Requirements[0]
		}
	}
	return result
}
