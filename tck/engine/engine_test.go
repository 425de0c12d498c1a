package engine

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

func run1(t *testing.T, c Config) *verdict.Report {
	t.Helper()
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestVerdictsOfCases(t *testing.T) {
	hang := proof("es/proxy/hang", suite.Proxy, call(callHang))
	hang.Timeout = 3 * time.Second // in which the call must have been opened
	declares := proof("es/proxy/needs-action", suite.Proxy, call(callEcho))
	declares.Needs = []string{suite.Action}
	unserved := proof("es/frontend/needs-service", suite.Frontend, func(context.Context, *suite.T) {})
	unserved.Needs = []string{"example.Service"}
	misspelt := proof("es/proxy/misspelt", suite.Proxy, call(callEcho))
	misspelt.Needs = []string{"durable"}
	r := run1(t, config(
		proof("es/proxy/echo", suite.Proxy, call(callEcho)),
		proof("es/proxy/fails", suite.Proxy, func(_ context.Context, t *suite.T) {
			t.Notef("saw %d", 1)
			t.Fail(suite.Failure{Expected: "a", Got: "b", Remedy: "c"})
		}),
		proof("es/proxy/kit", suite.Proxy, func(_ context.Context, t *suite.T) { t.KitFault(errors.New("no disk")) }),
		proof("es/proxy/panics", suite.Proxy, func(context.Context, *suite.T) { panic("oh") }),
		proof("es/proxy/late", suite.Proxy, func(_ context.Context, t *suite.T) { t.NotApplicable("no such branch") }),
		hang, declares, unserved, misspelt,
		proof("es/pair/ask", suite.Pair, call(callAsk)),
	))
	for id, want := range map[string]struct {
		verdict verdict.Verdict
		text    string
	}{
		"es/proxy/echo":             {verdict.Passed, ""},
		"es/proxy/fails":            {verdict.Failed, ""},
		"es/proxy/kit":              {verdict.Error, "no disk"},
		"es/proxy/panics":           {verdict.Error, "the kit panicked: oh"},
		"es/proxy/late":             {verdict.NotApplicable, "no such branch"},
		"es/proxy/hang":             {verdict.Failed, ""},
		"es/proxy/needs-action":     {verdict.NotApplicable, suite.Action},
		"es/frontend/needs-service": {verdict.NotApplicable, "example.Service"},
		"es/proxy/misspelt":         {verdict.Error, `capability "durable"`},
		"es/pair/ask":               {verdict.Passed, ""},
	} {
		got := result(t, r, id)
		if got.Verdict != want.verdict || !strings.Contains(got.Reason, want.text) {
			t.Errorf("%s: %s (%s), want %s with %q", id, got.Verdict, got.Reason, want.verdict, want.text)
		}
		if (got.Failure != nil) != (got.Verdict == verdict.Failed) {
			t.Errorf("%s: verdict %s with the failure %v", id, got.Verdict, got.Failure)
		}
	}
	if f := result(t, r, "es/proxy/fails"); f.Failure.Requirement != "ES-01" || f.Failure.Remedy != "c" || !slices.Equal(f.Notes, []string{"saw 1"}) {
		t.Errorf("the failure is not as the case stated it: %+v, notes %v", f.Failure, f.Notes)
	}
	hung := result(t, r, "es/proxy/hang")
	if !strings.Contains(traceText(hung), "open") || !strings.Contains(strings.Join(hung.Logs, "\n"), "store embedded") {
		t.Errorf("a case that hangs comes without the conversation or the logs: %v, %v", hung.Trace, hung.Logs)
	}
	if r.Summary.Conclusion != verdict.Breaks || r.Target.ProxyVersion != "fake 1" {
		t.Errorf("conclusion %s, proxy %q", r.Summary.Conclusion, r.Target.ProxyVersion)
	}
}

// The conversation of a case that passed is kept when that was asked for.
func TestKeepTraces(t *testing.T) {
	for _, keep := range []bool{false, true} {
		c := config(proof("es/proxy/echo", suite.Proxy, call(callEcho)))
		c.KeepTraces = keep
		got := result(t, run1(t, c), "es/proxy/echo")
		if got.Verdict != verdict.Passed || (len(got.Trace) > 0) != keep || len(got.Logs) > 0 {
			t.Errorf("kept %t: %s with %d messages and %d lines", keep, got.Verdict, len(got.Trace), len(got.Logs))
		}
	}
}

func traceText(c verdict.Case) string {
	var b strings.Builder
	for _, m := range c.Trace {
		b.WriteString(m.From + ">" + m.To + " " + m.Method + " " + m.Kind + " " + m.Body + "\n")
	}
	return b.String()
}

// A target that dies fails the case, with its last words, and is there again for the next one.
func TestCrashFailsTheCaseAndTheTargetComesBack(t *testing.T) {
	crash := proof("es/proxy/crash", suite.Proxy, func(ctx context.Context, t *suite.T) {
		_, _ = t.Client().Unary(ctx, callCrash, &cloudstate.UserFunctionError{}, &cloudstate.UserFunctionError{}, nil)
		<-t.Proxy().Exited()
	})
	faulty := proof("es/proxy/crash-and-fault", suite.Proxy, func(ctx context.Context, t *suite.T) {
		_, err := t.Client().Unary(ctx, callCrash, &cloudstate.UserFunctionError{}, &cloudstate.UserFunctionError{}, nil)
		<-t.Proxy().Exited()
		t.KitFault(err)
	})
	mad := proof("es/proxy/crash-and-panic", suite.Proxy, func(ctx context.Context, t *suite.T) {
		_, _ = t.Client().Unary(ctx, callCrash, &cloudstate.UserFunctionError{}, &cloudstate.UserFunctionError{}, nil)
		<-t.Proxy().Exited()
		panic("a fault of the case's own")
	})
	killed := proof("es/proxy/killed", suite.Proxy, func(ctx context.Context, t *suite.T) {
		t.Check(t.Proxy().Kill(ctx), suite.Failure{})
	})
	restarted := proof("es/proxy/restarted", suite.Proxy, func(ctx context.Context, t *suite.T) {
		t.Check(t.Proxy().Kill(ctx), suite.Failure{})
		t.Check(t.Proxy().Start(ctx), suite.Failure{})
		call(callEcho)(ctx, t)
	})
	r := run1(t, config(crash, faulty, mad, killed, restarted, proof("es/proxy/after", suite.Proxy, call(callEcho))))
	for _, id := range []string{"es/proxy/crash", "es/proxy/crash-and-fault"} {
		c := result(t, r, id)
		if c.Verdict != verdict.Failed || !strings.Contains(c.Failure.Got, "exit status 3") || !strings.Contains(c.Failure.Got, "nobody expects this") {
			t.Errorf("%s: %s, %+v; want failed with exit status and last lines", id, c.Verdict, c.Failure)
		}
	}
	if c := result(t, r, "es/proxy/crash-and-panic"); c.Verdict != verdict.Error || !strings.Contains(c.Reason, "the case's own") {
		t.Errorf("%s: %s %s; who made it die is not known when the case itself is broken", c.ID, c.Verdict, c.Reason)
	}
	for _, id := range []string{"es/proxy/killed", "es/proxy/restarted", "es/proxy/after"} {
		if c := result(t, r, id); c.Verdict != verdict.Passed {
			t.Errorf("%s: %s %s %+v; a death that the case asked for is no crash", id, c.Verdict, c.Reason, c.Failure)
		}
	}
}

func TestTargetThatNeverComesUp(t *testing.T) {
	c := config(proof("es/proxy/a", suite.Proxy, call(callEcho)), proof("es/frontend/b", suite.Frontend, func(context.Context, *suite.T) {}),
		proof("es/pair/c", suite.Pair, call(callEcho)))
	c.Proxy = fake(target.Proxy, "broken")
	r := run1(t, c)
	for _, id := range []string{"es/proxy/a", "es/pair/c"} {
		got := result(t, r, id)
		if got.Verdict != verdict.NotRun || !strings.Contains(got.Reason, "did not come up") || !strings.Contains(got.Reason, "cannot open the store") {
			t.Errorf("%s: %s (%s), want not run with the last lines of the target", id, got.Verdict, got.Reason)
		}
	}
	if got := result(t, r, "es/frontend/b"); got.Verdict != verdict.Passed {
		t.Errorf("the frontend came up, but its case is %s (%s)", got.Verdict, got.Reason)
	}
	if r.Summary.Conclusion != verdict.Incomplete {
		t.Errorf("conclusion %s, want incomplete", r.Summary.Conclusion)
	}
}

func TestOwnTargets(t *testing.T) {
	own := func(c suite.Case) suite.Case {
		c.OwnTarget = true
		return c
	}
	r := run1(t, config(
		own(proof("es/proxy/own", suite.Proxy, func(ctx context.Context, t *suite.T) {
			if !strings.HasPrefix(strings.Join(t.Proxy().Logs(0), ""), "") || t.Proxy().Info != nil {
				t.KitFault(errors.New("the proxy runs already"))
			}
			answer := suite.ModelFunction()
			answer.Spec = model.Spec()
			function := t.Serve(answer)
			t.Check(t.Proxy().Start(ctx, "CLOUDSTATE_STORE=other"), suite.Failure{})
			_, err := function.NextDiscovery(ctx)
			t.Check(err, suite.Failure{})
			call(callEcho)(ctx, t)
			wrote(ctx, t, "store other", 1)
		})),
		own(proof("es/pair/own", suite.Pair, func(ctx context.Context, t *suite.T) {
			t.Check(t.Frontend().Start(ctx), suite.Failure{})
			t.Check(t.Proxy().Start(ctx), suite.Failure{})
			call(callAsk)(ctx, t)
		})),
		own(proof("es/frontend/own", suite.Frontend, func(ctx context.Context, t *suite.T) {
			t.Check(t.Frontend().Start(ctx), suite.Failure{})
			status, err := t.Frontend().Stop(ctx)
			t.Check(err, suite.Failure{})
			t.Notef("exit %d", status)
		})),
		proof("es/proxy/serves-without-own", suite.Proxy, func(_ context.Context, t *suite.T) { t.Serve(suite.ModelFunction()) }),
	))
	for _, id := range []string{"es/proxy/own", "es/pair/own", "es/frontend/own"} {
		if c := result(t, r, id); c.Verdict != verdict.Passed {
			t.Errorf("%s: %s %s %+v", id, c.Verdict, c.Reason, c.Failure)
		}
	}
	if c := result(t, r, "es/proxy/serves-without-own"); c.Verdict != verdict.Error {
		t.Errorf("serving on a shared proxy's address: %s, want error", c.Verdict)
	}
}

// The interceptor shows what passes between the pair, and only in pair cases.
func TestPairIsRecorded(t *testing.T) {
	r := run1(t, config(
		proof("es/pair/record", suite.Pair, func(ctx context.Context, t *suite.T) {
			call(callAsk)(ctx, t)
			t.Check(t.Intercept().Await(ctx, "reportError answered", func(messages []trace.Message) bool {
				return slices.ContainsFunc(messages, func(m trace.Message) bool {
					return m.Method == cloudstate.EntityDiscovery_ReportError_FullMethodName && m.Kind == trace.Status
				})
			}), suite.Failure{})
			first := t.Intercept().Messages()[0]
			t.Require(first.Kind == trace.Open && first.From == trace.Proxy && first.Method == cloudstate.EntityDiscovery_ReportError_FullMethodName, suite.Failure{Expected: "the call's open first, and nothing of earlier cases", Got: first.String()})
		}),
		proof("es/proxy/none", suite.Proxy, func(_ context.Context, t *suite.T) { t.Intercept() }),
	))
	if c := result(t, r, "es/pair/record"); c.Verdict != verdict.Passed {
		t.Errorf("%s %s %+v", c.Verdict, c.Reason, c.Failure)
	}
	if c := result(t, r, "es/proxy/none"); c.Verdict != verdict.Error {
		t.Errorf("an interceptor in a proxy case: %s, want error", c.Verdict)
	}
}

func TestAddressesCannotBeRestarted(t *testing.T) {
	b := newBuilder(config(), t.TempDir(), nil)
	front, process, err := b.frontend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Close(context.WithoutCancel(t.Context())) })
	own := proof("es/frontend/own", suite.Frontend, func(context.Context, *suite.T) {})
	own.OwnTarget = true
	c := config(own, proof("es/frontend/kill", suite.Frontend, func(ctx context.Context, t *suite.T) {
		t.Require(!t.Frontend().Controlled() && errors.Is(t.Frontend().Kill(ctx), target.ErrNotControlled), suite.Failure{Got: "killed"})
	}), proof("es/proxy/absent", suite.Proxy, call(callEcho)))
	c.Proxy, c.Frontend = target.Ref{}, target.Ref{Role: target.Frontend, Scheme: target.Addr, Value: front.Address}
	r := run1(t, c)
	if got := result(t, r, "es/frontend/kill"); got.Verdict != verdict.Passed {
		t.Errorf("%s %s %+v", got.Verdict, got.Reason, got.Failure)
	}
	if got := result(t, r, "es/frontend/own"); got.Verdict != verdict.NotRun || !strings.Contains(got.Reason, "name it by exec:, builtin: or image:") {
		t.Errorf("%s (%s), want not run with the remedy", got.Verdict, got.Reason)
	}
	if got := result(t, r, "es/proxy/absent"); got.Verdict != verdict.NotRun || !strings.Contains(got.Reason, "--proxy") {
		t.Errorf("%s (%s), want not run since no proxy was given", got.Verdict, got.Reason)
	}
}

// TestEachProxyHasARoomOfItsOwn: its name is one that every database takes, and no other proxy's, of this run or another.
func TestEachProxyHasARoomOfItsOwn(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	seen := map[string]bool{}
	for range 3 {
		b := newBuilder(config(), t.TempDir(), nil)
		b.made.Store(1 << 40)
		for range 3 {
			dir, namespace, err := b.room()
			if err != nil || !valid.MatchString(namespace) || seen[namespace] || seen[dir] {
				t.Errorf("room %s, %s (%v)", dir, namespace, err)
			}
			seen[namespace], seen[dir] = true, true
		}
	}
}

func TestInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(_ context.Context, _ *suite.T) { cancel() }
	c := config(proof("es/frontend/a", suite.Frontend, stop), proof("es/frontend/b", suite.Frontend, stop))
	c.Proxy = target.Ref{}
	report, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	notRun := 0
	for _, k := range report.Cases {
		if k.Verdict == verdict.NotRun && strings.Contains(k.Reason, "interrupted") {
			notRun++
		}
	}
	if notRun != 2 || report.Summary.Conclusion != verdict.Incomplete || !strings.Contains(strings.Join(report.Summary.Problems, " "), "interrupted") {
		t.Errorf("%d of 2 not run, conclusion %s, problems %v", notRun, report.Summary.Conclusion, report.Summary.Problems)
	}
}

func TestConfigFaultsStartNothing(t *testing.T) {
	good := proof("es/proxy/a", suite.Proxy, call(callEcho))
	nameless := good
	nameless.ID = "Es"
	unknown := good
	unknown.Requirements = []string{"ES-77"}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no target":           {func(c *Config) { c.Proxy, c.Frontend = target.Ref{}, target.Ref{} }, "nothing to judge"},
		"bad label":           {func(c *Config) { c.Selection.Label = "es &&" }, "--label"},
		"focus on nothing":    {func(c *Config) { c.Selection.Focus = []string{"nope/*"} }, "--focus"},
		"bad id":              {func(c *Config) { c.Cases = []suite.Case{nameless} }, "lower-case"},
		"twice":               {func(c *Config) { c.Cases = []suite.Case{good, good} }, "used twice"},
		"unknown requirement": {func(c *Config) { c.Cases = []suite.Case{unknown} }, "ES-77"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(good)
			tt.change(&c)
			_, err := Run(t.Context(), c)
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want one with %q", err, tt.want)
			}
		})
	}
}

// Ginkgo can run once a process, so the run takes place in two processes of their own.
func TestGinkgoRunsInSeededOrder(t *testing.T) {
	var orders [][]string
	for range 2 {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "FAKE=ginkgo")
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var got struct {
			Order  []string       `json:"order"`
			Report verdict.Report `json:"report"`
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("the output is more than ours (%v): %s", err, out)
		}
		orders = append(orders, got.Order)
		if n := got.Report.Summary.Cases; n.Passed != 4 || n.Failed != 1 {
			t.Errorf("%+v, want 4 passed and 1 failed", n)
		}
	}
	if !slices.Equal(orders[0], orders[1]) {
		t.Errorf("the same seed gave the orders %v and %v", orders[0], orders[1])
	}
	if slices.IsSorted(orders[0]) {
		t.Errorf("the order %v is not shuffled", orders[0])
	}
}
