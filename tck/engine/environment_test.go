package engine

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// in is config in an environment.
func in(t *testing.T, name string, cases ...suite.Case) Config {
	t.Helper()
	c := config(cases...)
	var err error
	if c.Environment, err = environment.Lookup(name); err != nil {
		t.Fatal(err)
	}
	c.Disturbances = 2
	return c
}

// working is a case that calls the proxy all the time while its environment disturbs, and judges nothing.
func working() suite.Case {
	c := proof("es/pair/works", suite.Pair, func(ctx context.Context, t *suite.T) {
		figures, err := t.Environment().Disturb(ctx, echoing{t})
		t.Notef("%s: %s", t.Environment().Name(), figures)
		t.Check(err, suite.Failure{})
	})
	c.Outcomes = true
	return c
}

// echoing is work that is done by whoever waits for it.
type echoing struct{ t *suite.T }

func (e echoing) Await(ctx context.Context, n int64) error {
	for n > 0 {
		if _, err := e.t.Client().Unary(ctx, callEcho, &emptypb.Empty{}, &emptypb.Empty{}, nil); err == nil {
			n--
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// TestEnvironmentsBefallThePair: the pair goes through what the environment is made of, and is up for the next case; cases that do not stand it are left out.
func TestEnvironmentsBefallThePair(t *testing.T) {
	proxyStarts := func(r *verdict.Report) int {
		failed := result(t, r, "es/pair/looks")
		return strings.Count(strings.Join(failed.Logs, "\n"), "namespace ")
	}
	for name, want := range map[string]struct {
		exact  bool
		starts int // of the proxy: once, and as often as it was ended
		says   string
	}{
		environment.Plain: {true, 1, "no disturbances"},
		"restart-proxy":   {true, 6, "2 proxy restarted"}, // two under load, one before each of three cases
		"crash-function":  {false, 1, "2 user function killed"},
	} {
		t.Run(name, func(t *testing.T) {
			looks := proof("es/pair/looks", suite.Pair, func(ctx context.Context, t *suite.T) {
				wrote(ctx, t, "namespace ", want.starts)
				t.Fail(suite.Failure{Expected: "to see the logs"})
			})
			looks.Outcomes = true
			c := in(t, name, working(), proof("es/pair/ask", suite.Pair, call(callAsk)), proof("es/proxy/echo", suite.Proxy, call(callEcho)), looks)
			c.Schedule = func(ctx context.Context, _ string, _ int64, steps []Step) {
				for _, s := range steps {
					s.Run(ctx)
				}
			}
			r := run1(t, c)
			worked := result(t, r, "es/pair/works")
			if worked.Verdict != verdict.Passed || len(worked.Notes) != 1 || !strings.HasPrefix(worked.Notes[0], name+": ") || !strings.Contains(worked.Notes[0], want.says) {
				t.Errorf("%s, %v, notes %q", worked.Verdict, worked.Failure, worked.Notes)
			}
			asked := result(t, r, "es/pair/ask")
			if want.exact && asked.Verdict != verdict.Passed || !want.exact && (asked.Verdict != verdict.NotRun || !strings.Contains(asked.Reason, "exact messages")) {
				t.Errorf("a case that expects exact messages: %s (%s), %v", asked.Verdict, asked.Reason, asked.Failure)
			}
			if alone := result(t, r, "es/proxy/echo"); (alone.Verdict == verdict.Passed) != (name == environment.Plain) {
				t.Errorf("a case in which the kit plays a party: %s (%s)", alone.Verdict, alone.Reason)
			}
			if starts := proxyStarts(r); starts != want.starts {
				t.Errorf("the proxy was started %d times, want %d", starts, want.starts)
			}
			if got := r.Target.Environment; (got == name) != (name != environment.Plain) || strings.Contains(r.Target.Name, "environment") != (got != "") {
				t.Errorf("the report names the environment %q and the target %q", got, r.Target.Name)
			}
		})
	}
}

// TestAnEnvironmentThatCannotBeHad makes pair cases not applicable, and says why.
func TestAnEnvironmentThatCannotBeHad(t *testing.T) {
	c := in(t, "kills", working())
	c.Store = Memory
	if got := result(t, run1(t, c), "es/pair/works"); got.Verdict != verdict.NotApplicable || !strings.Contains(got.Reason, "which the store does not claim to outlive") {
		t.Errorf("in memory: %s (%s)", got.Verdict, got.Reason)
	}
	c = in(t, "crash-function", working())
	c.Frontend = target.Ref{Role: target.Frontend, Scheme: target.Addr, Value: "127.0.0.1:1"}
	if got := result(t, run1(t, c), "es/pair/works"); got.Verdict != verdict.NotApplicable || !strings.Contains(got.Reason, "an address") {
		t.Errorf("an address: %s (%s)", got.Verdict, got.Reason)
	}
}

// TestTinyPassivation: the proxy is told that every entity passivates soon.
func TestTinyPassivation(t *testing.T) {
	b := newBuilder(in(t, "tiny-passivation").withDefaults(), t.TempDir(), nil)
	r, err := b.pairRig(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close(t.Context(), true)
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, m := range r.recorder.Messages() {
		if spec, ok := m.Payload.(*cloudstate.EntitySpec); ok && m.Kind == trace.Data {
			for _, e := range spec.GetEntities() {
				told++
				if got := e.GetPassivationStrategy().GetTimeout().GetTimeout(); got != 5 {
					t.Errorf("%s passivates after %d ms", e.GetServiceName(), got)
				}
			}
		}
	}
	if told == 0 {
		t.Error("no entity was discovered")
	}
}

// TestTheLinkToTheStore: what tells the proxy where its store is tells it where the link is.
func TestTheLinkToTheStore(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	store := listener.Addr().String()
	t.Setenv("TCK_TEST_STORE_URL", "db://user@"+store+"/x")
	c := in(t, "lossy-links").withDefaults()
	c.StoreAddress = store
	b := newBuilder(c, t.TempDir(), nil)
	r, err := b.pairRig(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close(t.Context(), true)
	settings := r.storeSettings(b)
	link := r.links[environment.Store].Address()
	if link == store || !slices.Contains(settings, "TCK_TEST_STORE_URL=db://user@"+link+"/x") {
		t.Errorf("with a link at %s: %q", link, settings)
	}
	conn, err := net.DialTimeout("tcp", link, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = accepted.Close()
	var env suite.Env
	env.Proxy = r.proxy
	r.disturbed(&env)
	if env.Proxy.Address == r.proxy.Address || env.Proxy.Address != r.links[environment.Proxy].Address() {
		t.Errorf("the case sees the proxy at %s", env.Proxy.Address)
	}
}
