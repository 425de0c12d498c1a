package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/intercept"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// traceLimit is how many messages of one case are kept.
const traceLimit = 2000

// stopTimeout bounds the orderly stop of a target at the end.
const stopTimeout = 10 * time.Second

// rig is what the cases of one kind run on: the targets, and the kit's parts around them.
type rig struct {
	recorder     *trace.Recorder
	frontend     *suite.FrontendTarget
	proxy        *suite.ProxyTarget
	function     *mockfunction.Function
	functionAddr string
	relay        *intercept.Relay
	links        map[environment.Hop]*environment.Link
	driver       *environment.Driver // of a pair; nil for others

	parts []live // the targets, in the order in which they start
	owned []live // those of parts that end with this rig
	down  string // why no case can run on it any more

	vacated func() // gives the proxy's namespace back; nil when nobody wants it
}

// frontendRig is for frontend cases. The frontend is the shared one when given.
func (b *builder) frontendRig(ctx context.Context, front *suite.FrontendTarget, process live) (*rig, error) {
	r := &rig{recorder: trace.NewRecorder(traceLimit), frontend: front, parts: []live{process}}
	if front == nil {
		var err error
		if r.frontend, process, err = b.frontend(ctx); err != nil {
			return nil, err
		}
		r.parts, r.owned = []live{process}, []live{process}
	}
	return r, nil
}

// proxyRig is for proxy cases: a proxy, and either the shared mock function or a place for the case's own.
func (b *builder) proxyRig(ctx context.Context, own bool) (*rig, error) {
	r := &rig{recorder: trace.NewRecorder(traceLimit)}
	address, err := b.functionAddress(ctx)
	if err != nil {
		return nil, err
	}
	r.functionAddr = address
	if !own {
		config := suite.ModelFunction()
		config.Recorder = r.recorder
		config.Wait = b.config.Timeout
		r.function = mockfunction.New(config)
		if err := r.function.Start(r.functionAddr); err != nil {
			return nil, err
		}
	}
	return r, r.addProxy(ctx, b)
}

// pairRig is for pair cases: the proxy, the frontend (shared when given), and the relay between them.
func (b *builder) pairRig(ctx context.Context, front *suite.FrontendTarget, process live) (*rig, error) {
	r, err := b.frontendRig(ctx, front, process)
	if err != nil {
		return nil, err
	}
	address, err := b.functionAddress(ctx)
	if err != nil {
		return r, err
	}
	r.functionAddr = address
	if err := r.addRelay(ctx, b); err != nil {
		return r, err
	}
	if err := r.addProxy(ctx, b); err != nil {
		return r, err
	}
	return r, r.addDriver(b)
}

func (r *rig) addProxy(ctx context.Context, b *builder) error {
	proxy, process, namespace, err := b.proxy(ctx, r.functionAddr, r.recorder, r.storeSettings(b)...)
	if err != nil {
		return err
	}
	r.proxy = proxy
	if b.config.FewNamespaces && namespace != "" {
		r.vacated = func() { b.leave(namespace) }
	}
	r.parts, r.owned = append(r.parts, process), append(r.owned, process)
	return nil
}

// functionAddress returns where the kit serves what a proxy takes for its user function: where the proxy can reach it.
func (b *builder) functionAddress(ctx context.Context) (string, error) {
	if b.config.Proxy.Starts() {
		host, err := kitHost(ctx, b.config.Proxy)
		if err != nil {
			return "", err
		}
		port, err := target.FreePort()
		return net.JoinHostPort(host, strconv.Itoa(port)), err
	}
	_, text, err := net.SplitHostPort(b.config.FunctionAddress)
	if err != nil {
		return "", fmt.Errorf("--function-address %q: %w; a proxy that is an address needs host:port of the user function that it was configured with", b.config.FunctionAddress, err)
	}
	port, err := strconv.Atoi(text)
	return target.Loopback(port), err
}

// start starts what does not run, in order, and learns what the targets declare.
func (r *rig) start(ctx context.Context) error {
	for _, part := range r.parts {
		if part.Controlled() {
			if err := part.Launch(ctx); err != nil && !errors.Is(err, target.ErrRunning) {
				return err
			}
		}
		if err := part.Ready(ctx); err != nil {
			return err
		}
	}
	if r.frontend != nil && r.frontend.Spec == nil {
		answer, err := target.Discover(ctx, r.frontend.Address, kitInfo())
		if err != nil {
			return err
		}
		r.frontend.Spec = answer
	}
	if r.proxy != nil {
		r.proxy.Info, _ = discovery(r.recorder, 0)
	}
	return nil
}

// heal brings back what a case has killed or what died. Its error is why no further case can run here.
func (r *rig) heal(ctx context.Context) error {
	for _, part := range r.parts {
		if part.Running() {
			continue
		}
		if err := part.Start(ctx); err != nil && !errors.Is(err, target.ErrRunning) {
			return fmt.Errorf("the target could not be started again: %w", err)
		}
		if r.relay != nil {
			r.relay.Reconnect()
		}
	}
	return nil
}

// crashes tells which targets ended by themselves.
func (r *rig) crashes() string {
	var texts []string
	for _, part := range r.parts {
		if text, crashed := part.Crash(); crashed {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n")
}

// logs returns the last lines of each target.
func (r *rig) logs(n int) []string {
	var lines []string
	for _, part := range r.parts {
		lines = append(lines, part.Logs(n)...)
	}
	return lines
}

// close ends everything that belongs to this rig alone, the proxy before what it calls. Targets of a single case are ended by force:
// nobody looks at how they would stop.
func (r *rig) close(ctx context.Context, force bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	for i := len(r.owned) - 1; i >= 0; i-- {
		if force && !r.vacate(ctx, r.owned[i]) {
			_ = r.owned[i].Kill(ctx) // it does not run, or Close below says more
		}
		r.owned[i].Close(ctx)
	}
	if r.relay != nil {
		r.relay.Close()
	}
	for _, link := range r.links {
		link.Close()
	}
	if r.function != nil {
		r.function.Kill()
	}
}

// vacatePatience is how long the proxy of a single case may take to stop for its namespace to be used again.
const vacatePatience = 2 * time.Second

// vacate stops the proxy in an orderly way, if its namespace is wanted and it does so quickly, and tells whether it did.
func (r *rig) vacate(ctx context.Context, part live) bool {
	if r.vacated == nil || r.proxy == nil || suite.Process(part) != r.proxy.Process {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, vacatePatience)
	defer cancel()
	if exit, err := part.Stop(ctx); err != nil || exit != 0 {
		return false
	}
	r.vacated()
	return true
}

// env is what a case gets of this rig.
func (r *rig) env(name, nonce string) suite.Env {
	env := suite.Env{
		Target: name, Nonce: nonce, Trace: r.recorder,
		Frontend: r.frontend, Proxy: r.proxy, Function: r.function,
	}
	if r.relay != nil {
		env.Intercepted = r.relay
		r.disturbed(&env)
	} else {
		env.FunctionAddress = r.functionAddr
	}
	return env
}
