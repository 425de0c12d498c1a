package engine

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// saysURL is a server that tells in its log where it is.
func saysURL(script string) *StoreServer {
	return &StoreServer{
		Ref:              target.Ref{Role: target.Store, Scheme: target.Exec, Value: script, Options: &target.Options{Ready: target.Ready{Log: `(?m)^url (?P<url>\S+)$`}}},
		ProxyEnvironment: map[string]string{"FAKE_URL": "{{.Match.url}}@{{.Host}}"},
	}
}

// A store's server runs before the proxies, they are told of it, and it ends with the run.
func TestStoreServer(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	var logs []string
	c := config(
		proof("es/proxy/echo", suite.Proxy, func(ctx context.Context, t *suite.T) {
			call(callEcho)(ctx, t)
			logs = wrote(ctx, t, "url ", 1)
			if _, err := os.Stat(gone); err == nil {
				t.Fail(suite.Failure{Got: "the server is gone"})
			}
		}),
		away("es/proxy/away"),
	)
	c.StoreServer = saysURL(`trap 'touch "` + gone + `"; exit 0' TERM; echo "url fake://$PORT"; while :; do sleep 0.05; done`)
	c.StoreServer.Away, c.StoreServer.Back = "kill -0 {{.Pid}}", "true"
	r := run1(t, c)
	for _, k := range r.Cases {
		if k.Verdict != verdict.Passed {
			t.Errorf("%s: %s %s %+v", k.ID, k.Verdict, k.Reason, k.Failure)
		}
	}
	if !slices.ContainsFunc(logs, func(line string) bool {
		return strings.HasPrefix(line, "url fake://") && strings.HasSuffix(line, "@127.0.0.1")
	}) {
		t.Errorf("the proxy was told %v", logs)
	}
	if !slices.Contains(r.Target.Claims[spec.Proxy], "remote-store") {
		t.Errorf("claims %v, want remote-store, since the server can be taken away", r.Target.Claims)
	}
	if _, err := os.Stat(gone); err != nil {
		t.Error("the server was not ended in an orderly way")
	}
}

// A server that does not come up keeps what needs a proxy from running, and nothing else.
func TestStoreServerThatDoesNotComeUp(t *testing.T) {
	c := config(proof("es/proxy/echo", suite.Proxy, call(callEcho)), proof("es/pair/ask", suite.Pair, call(callAsk)), proof("es/frontend/a", suite.Frontend, func(context.Context, *suite.T) {}))
	c.StoreServer = saysURL(`echo "no room"; exit 4`)
	r := run1(t, c)
	for id, want := range map[string]verdict.Verdict{"es/proxy/echo": verdict.NotRun, "es/pair/ask": verdict.NotRun, "es/frontend/a": verdict.Passed} {
		if k := result(t, r, id); k.Verdict != want || want == verdict.NotRun && !strings.Contains(k.Reason, "no room") {
			t.Errorf("%s: %s %s", id, k.Verdict, k.Reason)
		}
	}
	if r.Summary.Conclusion != verdict.Incomplete || !strings.Contains(strings.Join(r.Summary.Problems, "\n"), "store embedded did not come up") {
		t.Errorf("%s: %v", r.Summary.Conclusion, r.Summary.Problems)
	}
}

// A run without a proxy starts no server; a builtin store has none; an address is awaited.
func TestStoreServersThatAreNotStarted(t *testing.T) {
	c := config(proof("es/frontend/a", suite.Frontend, func(context.Context, *suite.T) {}))
	c.StoreServer = saysURL("exit 1")
	if r := run1(t, c); r.Summary.Cases.Passed != 1 || strings.Contains(strings.Join(r.Summary.Problems, "\n"), "store") {
		t.Errorf("frontend alone: %+v", r.Summary)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[target.Ref]string{
		{Role: target.Store, Scheme: target.Builtin, Value: "memory"}:              "url static",
		{Role: target.Store, Scheme: target.Addr, Value: listener.Addr().String()}: "url " + host + ":" + port,
	} {
		var logs []string
		c := config(proof("es/proxy/echo", suite.Proxy, func(ctx context.Context, t *suite.T) { logs = wrote(ctx, t, "url ", 1) }))
		c.StoreServer = &StoreServer{Ref: ref, ProxyEnvironment: map[string]string{"FAKE_URL": "static"}}
		if ref.Scheme == target.Addr {
			c.StoreServer.ProxyEnvironment["FAKE_URL"] = "{{.Host}}:{{.Port}}"
		}
		if r := run1(t, c); r.Summary.Cases.Passed != 1 || !slices.Contains(logs, want) {
			t.Errorf("%s: %+v, the proxy was told %v", ref, r.Summary, logs)
		}
	}
}

// What is declared of a target adds to its environment, and wins over what it says of itself.
func TestDeclaredOptions(t *testing.T) {
	needs := proof("es/proxy/needs", suite.Proxy, call(callEcho))
	needs.Needs = []string{suite.EventSourced}
	durable := proof("es/proxy/durable", suite.Proxy, call(callEcho))
	durable.Needs = []string{suite.NeedDurableStore}
	var logs []string
	seen := proof("es/proxy/seen", suite.Proxy, func(ctx context.Context, t *suite.T) { logs = wrote(ctx, t, "url ", 1) })
	c := config(needs, durable, seen)
	c.Proxy.Options = &target.Options{
		Environment:  map[string]string{"FAKE_URL": "{{.Namespace}} {{.DataDir}} {{.FunctionPort}} {{.ManagementPort}}"},
		Capabilities: target.Capabilities{Has: []string{"action", "management"}, Lacks: []string{"event-sourced"}},
		Ready:        target.Ready{Log: "^store "},
	}
	c.StoreCapabilities = target.Capabilities{Lacks: []string{"durable"}}
	r := run1(t, c)
	for _, id := range []string{"es/proxy/needs", "es/proxy/durable"} {
		if k := result(t, r, id); k.Verdict != verdict.NotApplicable {
			t.Errorf("%s: %s, want not applicable: it is declared to lack that", id, k.Verdict)
		}
	}
	problems := strings.Join(r.Summary.Problems, "\n")
	if !strings.Contains(problems, "is declared to have action, but does not claim it") || strings.Contains(problems, "management") {
		t.Errorf("problems %v", r.Summary.Problems)
	}
	if !slices.ContainsFunc(logs, func(line string) bool { return strings.HasPrefix(line, "url tck_") && len(strings.Fields(line)) == 5 }) {
		t.Errorf("the proxy was told %v", logs)
	}
}
