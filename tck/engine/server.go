package engine

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/target/container"
)

// needsProxy tells whether a wanted case needs a proxy that the kit starts, and so the store's server.
func needsProxy(config Config, wanted func(suite.Case) string) bool {
	return config.Proxy.Starts() && slices.ContainsFunc(config.Cases, func(c suite.Case) bool {
		return c.Kind != suite.Frontend && (c.Kind == suite.Proxy || !config.Frontend.IsZero()) && wanted(c) == ""
	})
}

// startServer brings the store's server up, fills in the commands that take it away and bring it back, and returns what proxies are told of it. What goes
// wrong is noted: no proxy can be started then.
func (r *run) startServer(ctx context.Context) []string {
	what := "store " + r.config.Store
	r.config.Events.Starting(what)
	env, err := r.serve(ctx)
	if err != nil {
		r.storeDown = "the store did not come up: " + err.Error()
		r.faults = append(r.faults, what+" did not come up: "+err.Error())
	}
	return env
}

func (r *run) serve(ctx context.Context) ([]string, error) {
	declared := r.config.StoreServer
	if declared.Ref.Scheme == target.Builtin { // the proxy has it within itself
		return target.Render(declared.ProxyEnvironment, target.Facts{})
	}
	ctx, cancel := context.WithTimeout(ctx, r.config.StartTimeout)
	defer cancel()
	server, facts, err := newServer(ctx, declared.Ref)
	if err != nil {
		return nil, err
	}
	r.server = server
	if server.Controlled() {
		err = server.Launch(ctx)
	}
	if err == nil {
		err = server.Ready(ctx)
	}
	if err != nil {
		return nil, err
	}
	learnFacts(server, declared.Ref, facts)
	if r.config.StoreAway, err = target.Expand(declared.Away, facts); err != nil {
		return nil, err
	}
	if r.config.StoreBack, err = target.Expand(declared.Back, facts); err != nil {
		return nil, err
	}
	env, err := target.Render(declared.ProxyEnvironment, facts)
	at := net.JoinHostPort(fmt.Sprint(facts["Host"]), fmt.Sprint(facts["Port"]))
	if r.config.StoreAddress == "" && slices.ContainsFunc(env, func(setting string) bool { return strings.Contains(setting, at) }) {
		r.config.StoreAddress = at
	}
	return env, err
}

// newServer makes the server, not started yet, and says where it will be.
func newServer(ctx context.Context, ref target.Ref) (live, target.Facts, error) {
	options := ref.Settings()
	if !ref.Starts() {
		host, port, err := net.SplitHostPort(ref.Value)
		probe, probeErr := options.Ready.Probe(nil, ref.Value, ref.Value)
		if err == nil {
			err = probeErr
		}
		return &target.Remote{Ref: ref, Probe: target.All(target.Accepting(ref.Value), probe)}, target.Facts{"Host": host, "Port": port}, err
	}
	at, err := findPlace(ref)
	if err != nil {
		return nil, nil, err
	}
	l := launch{ref: ref, place: at, facts: at.facts(), http: at.address}
	if !bridged(ref) {
		l.env = []string{"HOST=" + at.host, "PORT=" + strconv.Itoa(at.port)}
	}
	var server live
	if options.Ready.Log == "" && len(options.Ready.Command) == 0 {
		l.probe = func() target.Probe {
			prober, _ := server.(target.Prober)
			return target.Listening(prober, at.address)
		}
	}
	server, err = launchable(ctx, l)
	return server, target.Facts{"Host": "127.0.0.1", "Port": strconv.Itoa(at.port)}, err
}

// learnFacts adds what only a server that runs can tell.
func learnFacts(server live, ref target.Ref, facts target.Facts) {
	facts["Match"] = map[string]string{}
	if prober, ok := server.(target.Prober); ok {
		if match := ref.Settings().Ready.Match(prober.Said()); match != nil {
			facts["Match"] = match
		}
	}
	switch server := server.(type) {
	case *target.Process:
		facts["Pid"] = strconv.Itoa(server.ID())
	case *container.Container:
		facts["Container"] = server.ID()
		if address := server.Address(); address != "" {
			facts["Host"] = address
		}
	}
}
