package engine

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

func TestNeeds(t *testing.T) {
	can := declared{
		proxyTypes: []string{suite.EventSourced, suite.Action}, frontendTypes: []string{suite.EventSourced}, services: []string{"a.Service"},
		extensions: []string{"other"}, durable: false, management: true, proxyStarts: true, frontStarts: false,
	}
	for _, tt := range []struct {
		kind suite.Kind
		need string
		want verdict.Verdict
	}{
		{suite.Proxy, suite.EventSourced, ""},
		{suite.Proxy, suite.CRDT, verdict.NotApplicable},
		{suite.Frontend, suite.EventSourced, ""},
		{suite.Frontend, suite.Action, verdict.NotApplicable},
		{suite.Pair, suite.EventSourced, ""},
		{suite.Pair, suite.Action, verdict.NotApplicable}, // the proxy could, the frontend has none
		{suite.Frontend, "a.Service", ""},
		{suite.Pair, "b.Service", verdict.NotApplicable},
		{suite.Proxy, "b.Service", ""}, // the kit serves it
		{suite.Proxy, suite.NeedDurableStore, verdict.NotApplicable},
		{suite.Proxy, suite.NeedStoreControl, verdict.NotApplicable},
		{suite.Proxy, suite.NeedManagement, ""},
		{suite.Proxy, suite.NeedIdempotency, verdict.NotApplicable},
		{suite.Proxy, "extension:other", ""},
		{suite.Proxy, suite.NeedProxyProcess, ""},
		{suite.Pair, suite.NeedFrontendProcess, verdict.NotRun},
		{suite.Proxy, suite.NeedFrontendProcess, ""}, // it has no frontend to stop
		{suite.Proxy, suite.NeedHostPorts, verdict.NotRun},
		{suite.Proxy, "process:shop", verdict.Error},
	} {
		got, why := can.unmet(suite.Case{Kind: tt.kind, Needs: []string{tt.need}})
		if got != tt.want || (why == "") != (got == "") {
			t.Errorf("%s case that needs %s: %q (%s), want %q", tt.kind, tt.need, got, why, tt.want)
		}
	}
	if got, _ := can.unmet(suite.Case{Kind: suite.Pair, OwnTarget: true}); got != verdict.NotRun {
		t.Errorf("a pair case with its own targets: %q, want not run: the frontend is only an address", got)
	}
}
