package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// ErrConfig is wrapped by everything that is wrong with a [Config]: nothing was started.
var ErrConfig = errors.New("cannot run")

// run is one execution of the engine.
type run struct {
	config  Config
	builder *builder
	name    string
	nonce   string
	rigs    map[suite.Kind]*rig
	can     declared
	results map[string]verdict.Case
	faults  []string
	store   *store // nil when it cannot be taken away

	server    live   // the store's, when the kit started it
	storeDown string // why no proxy can be started
}

// Run judges config's targets and returns the report. The error says that nothing could be judged because of what was asked for; everything that
// goes wrong later is in the report. When ctx ends, what has not run is reported so, and everything that was started is ended.
func Run(ctx context.Context, config Config) (*verdict.Report, error) {
	config = config.withDefaults()
	wanted, err := check(config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	data, err := os.MkdirTemp("", "cloudstate-tck-")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	defer os.RemoveAll(data) //nolint:errcheck // a leftover in the temporary directory is not worth failing a run
	started := time.Now()
	r := &run{
		config: config, name: name(config),
		nonce: strconv.FormatUint(rand.Uint64N(1<<32), 36), rigs: map[suite.Kind]*rig{}, results: map[string]verdict.Case{},
	}
	defer r.close(ctx)
	var storeEnv []string
	if config.StoreServer != nil && needsProxy(config, wanted) {
		storeEnv = r.startServer(ctx)
	}
	r.builder = newBuilder(r.config, data, storeEnv)
	r.store = newStore(r.config)
	r.bringUp(ctx, wanted)
	var steps []Step
	partial := false
	for i, c := range config.Cases {
		if why := wanted(c); why != "" {
			partial = true
			r.results[c.ID] = r.unrun(c, verdict.NotRun, why, true)
			continue
		}
		if v, why, absent := r.refuse(c); v != "" {
			result := r.unrun(c, v, why, false)
			result.NoTarget = absent
			r.results[c.ID] = result
			config.Events.Finished(result)
			continue
		}
		steps = append(steps, Step{Name: c.ID, Labels: Labels(c, config.Catalogue), Run: func(ctx context.Context) bool {
			result := r.untilVerdict(ctx, c, i)
			r.results[c.ID] = result
			config.Events.Finished(result)
			return result.Verdict == verdict.Passed
		}})
	}
	if len(steps) > 0 {
		config.Schedule(ctx, r.name, config.Seed, steps)
	}
	return r.report(started, partial), nil
}

// check looks for what is wrong with config before anything starts, and compiles the selection.
func check(config Config) (func(suite.Case) string, error) {
	if config.Proxy.IsZero() && config.Frontend.IsZero() {
		return nil, errors.New("nothing to judge: name a proxy, a frontend, or both")
	}
	if (config.StoreAway == "") != (config.StoreBack == "") {
		return nil, errors.New("--store-away and --store-back go together: what is taken away must come back")
	}
	if err := suite.Check(config.Cases); err != nil {
		return nil, err
	}
	if err := verdict.CheckCases(config.Catalogue, config.Cases); err != nil {
		return nil, err
	}
	chosen, err := config.Selection.compile(config.Catalogue, config.Cases)
	if err != nil {
		return nil, err
	}
	return within(config.Environment, chosen), nil
}

// name says in one line what is judged.
func name(c Config) string {
	var parts []string
	if !c.Proxy.IsZero() {
		parts = append(parts, c.Proxy.String())
	}
	if !c.Frontend.IsZero() {
		parts = append(parts, c.Frontend.String())
	}
	text := strings.Join(parts, " x ")
	if c.Store != "" && !c.Proxy.IsZero() {
		text += ", store " + c.Store
	}
	if c.Environment.Name != environment.Plain {
		text += ", environment " + c.Environment.Name
	}
	return text
}

// bringUp makes and starts the rigs that the wanted cases need. What does not come up is noted in the rig, and in the faults of the run.
func (r *run) bringUp(ctx context.Context, wanted func(suite.Case) string) {
	c := r.config
	needed := func(kind suite.Kind) bool {
		return inapplicable(c) == "" && slices.ContainsFunc(c.Cases, func(k suite.Case) bool { return k.Kind == kind && wanted(k) == "" })
	}
	hasProxy, hasFrontend := !c.Proxy.IsZero(), !c.Frontend.IsZero()
	if hasFrontend && (needed(suite.Frontend) || needed(suite.Pair)) {
		r.add(ctx, suite.Frontend, "frontend "+c.Frontend.String(), func() (*rig, error) { return r.builder.frontendRig(ctx, nil, nil) })
	}
	if r.storeDown != "" {
		r.rigs[suite.Proxy], r.rigs[suite.Pair] = &rig{down: r.storeDown}, &rig{down: r.storeDown}
		r.learn()
		return
	}
	if hasProxy && needed(suite.Proxy) {
		r.add(ctx, suite.Proxy, "proxy "+c.Proxy.String(), func() (*rig, error) { return r.builder.proxyRig(ctx, false) })
	}
	if !hasProxy || !hasFrontend || !needed(suite.Pair) {
		r.learn()
		return
	}
	front := r.rigs[suite.Frontend]
	switch {
	case front.down != "":
		r.rigs[suite.Pair] = &rig{down: front.down}
	case !c.Proxy.Starts() && r.rigs[suite.Proxy] != nil:
		r.rigs[suite.Pair] = &rig{down: "a proxy that is an address faces one user function at a time: judge the pair in a run of its own, with --suite pair"}
	default:
		r.add(ctx, suite.Pair, "pair "+r.name, func() (*rig, error) { return r.builder.pairRig(ctx, front.frontend, front.parts[0]) })
	}
	r.learn()
}

func (r *run) add(ctx context.Context, kind suite.Kind, what string, build func() (*rig, error)) {
	r.config.Events.Starting(what)
	made, err := build()
	if made == nil {
		made = &rig{}
	}
	r.rigs[kind] = made
	if err == nil {
		startCtx, cancel := context.WithTimeout(ctx, r.config.StartTimeout)
		defer cancel()
		err = made.start(startCtx)
	}
	if err != nil {
		made.down = "the target did not come up: " + err.Error()
		r.faults = append(r.faults, what+" did not come up: "+err.Error())
	}
}

// learn collects what the targets declare.
func (r *run) learn() {
	r.can = declared{
		durable:      durable(r.config),
		storeControl: r.store != nil && !r.config.Proxy.IsZero(),
		management:   r.config.Proxy.Starts() || r.config.Management != "",
		proxyStarts:  r.config.Proxy.Starts(), frontStarts: r.config.Frontend.Starts(),
		hostPorts: !bridged(r.config.Proxy),
	}
	for _, kind := range []suite.Kind{suite.Frontend, suite.Proxy, suite.Pair} {
		made := r.rigs[kind]
		if made == nil {
			continue
		}
		if made.proxy != nil && made.proxy.Info != nil {
			r.can.proxyTypes = made.proxy.Info.GetSupportedEntityTypes()
			r.can.extensions = made.proxy.Info.GetExtensions()
		}
		if made.frontend == nil || made.frontend.Spec == nil {
			continue
		}
		r.can.frontendTypes, r.can.services = nil, nil
		for _, entity := range made.frontend.Spec.GetEntities() {
			r.can.frontendTypes = append(r.can.frontendTypes, entity.GetEntityType())
			r.can.services = append(r.can.services, entity.GetServiceName())
		}
	}
	r.hold()
}

// hold holds what the targets say of themselves against what was declared of them.
func (r *run) hold() {
	proxy, frontend, store := r.config.Proxy.Settings().Capabilities, r.config.Frontend.Settings().Capabilities, r.config.StoreCapabilities
	r.can = r.can.without(spec.Proxy, slices.Concat(proxy.Lacks, store.Lacks)).without(spec.Frontend, frontend.Lacks)
	claims := r.can.claims(!r.config.Proxy.IsZero(), !r.config.Frontend.IsZero())
	for _, party := range []struct {
		name     spec.Party
		ref      target.Ref
		profiles []string
		known    bool
	}{
		{spec.Proxy, r.config.Proxy, slices.Concat(proxy.Has, store.Has), r.can.proxyTypes != nil},
		{spec.Frontend, r.config.Frontend, frontend.Has, r.can.frontendTypes != nil},
	} {
		for _, profile := range party.profiles {
			if party.known && !claims[party.name][profile] {
				r.faults = append(r.faults, fmt.Sprintf("%s is declared to have %s, but does not claim it", party.ref, profile))
			}
		}
	}
}

// refuse tells why c cannot run at all: its targets were not given, did not come up, or do not declare what it needs.
func (r *run) refuse(c suite.Case) (v verdict.Verdict, why string, absent bool) {
	if c.Kind != suite.Frontend && r.config.Proxy.IsZero() {
		return verdict.NotRun, "no proxy was given (--proxy)", true
	}
	if c.Kind != suite.Proxy && r.config.Frontend.IsZero() {
		return verdict.NotRun, "no frontend was given (--frontend)", true
	}
	if why := inapplicable(r.config); why != "" {
		return verdict.NotApplicable, why, false
	}
	if down := r.rigs[c.Kind].down; down != "" {
		return verdict.NotRun, down, false
	}
	v, why = r.can.unmet(c)
	return v, why, false
}

func (r *run) unrun(c suite.Case, v verdict.Verdict, why string, skipped bool) verdict.Case {
	return verdict.Case{
		ID: c.ID, Title: c.Title, Kind: c.Kind, Requirements: c.Requirements, Labels: Labels(c, r.config.Catalogue),
		Target: r.name, Verdict: v, Reason: why, Skipped: skipped,
	}
}

// report assembles what is known. A case without a result was not reached.
func (r *run) report(started time.Time, partial bool) *verdict.Report {
	c := r.config
	report := &verdict.Report{
		Schema: verdict.SchemaVersion, Kit: c.Kit, Command: c.Command, Seed: c.Seed, Started: started.UTC().Truncate(time.Millisecond),
		Spec:      verdict.SpecVersion{Version: c.Catalogue.Version, Protocol: c.Catalogue.Protocol},
		Target:    r.target(),
		Selection: verdict.Selection{Label: c.Selection.Label, Focus: c.Selection.Focus, Partial: partial},
		Cases:     []verdict.Case{},
	}
	for _, kind := range c.Selection.Suites {
		report.Selection.Suites = append(report.Selection.Suites, string(kind))
	}
	interrupted := false
	for _, k := range c.Cases {
		result, ok := r.results[k.ID]
		if !ok {
			interrupted = true
			result = r.unrun(k, verdict.NotRun, "the run was interrupted before it", false)
		}
		report.Cases = append(report.Cases, result)
	}
	if interrupted {
		r.faults = append(r.faults, "the run was interrupted")
	}
	verdict.Roll(report, c.Catalogue, r.can.claims(!c.Proxy.IsZero(), !c.Frontend.IsZero()), c.Announced, r.faults)
	report.DurationMS = time.Since(started).Milliseconds()
	return report
}

func (r *run) target() verdict.Target {
	t := verdict.Target{
		Name: r.name, Proxy: r.config.Proxy.String(), Frontend: r.config.Frontend.String(), Claims: map[spec.Party][]string{},
	}
	if t.Proxy != "" {
		t.Store = r.config.Store
	}
	if r.config.Environment.Name != environment.Plain {
		t.Environment = r.config.Environment.Name
	}
	for party, profiles := range r.can.claims(t.Proxy != "", t.Frontend != "") {
		t.Claims[party] = names(profiles)
	}
	for _, made := range r.rigs {
		if made.proxy != nil && made.proxy.Info != nil {
			t.ProxyVersion = strings.TrimSpace(made.proxy.Info.GetProxyName() + " " + made.proxy.Info.GetProxyVersion())
		}
		if made.frontend != nil && made.frontend.Spec != nil {
			info := made.frontend.Spec.GetServiceInfo()
			t.FrontendVersion = strings.TrimSpace(info.GetSupportLibraryName() + " " + info.GetSupportLibraryVersion())
		}
	}
	return t
}

// close ends the rigs, those that call others first, and then the store's server.
func (r *run) close(ctx context.Context) {
	for _, kind := range []suite.Kind{suite.Pair, suite.Proxy, suite.Frontend} {
		if made := r.rigs[kind]; made != nil {
			made.close(ctx, false)
		}
	}
	if r.server != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		r.server.Close(ctx)
	}
}
