package report

import (
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// sample is a report with everything in it: every verdict, an announced failure, a trace with text that must be escaped.
func sample(t testing.TB) (*verdict.Report, *spec.Catalogue) {
	t.Helper()
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	r := &verdict.Report{
		Schema: verdict.SchemaVersion, Kit: "cloudstate-tck test", Seed: 7, DurationMS: 12345,
		Spec:    verdict.SpecVersion{Version: catalogue.Version, Protocol: catalogue.Protocol},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Target: verdict.Target{
			Name: "exec:proxy x exec:frontend, store embedded", Proxy: "exec:proxy", Frontend: "exec:frontend", Store: "embedded", ProxyVersion: "example 1.0",
			Claims: map[spec.Party][]string{spec.Proxy: {"core", "event-sourced"}, spec.Frontend: {"core", "event-sourced"}},
		},
		Cases: []verdict.Case{
			{ID: "disc/frontend/one", Title: "discovery is answered", Kind: suite.Frontend, Requirements: []string{"DISC-05"}, Verdict: verdict.Passed, DurationMS: 3},
			{
				ID: "es/proxy/two", Title: "events are durable before the reply", Kind: suite.Proxy, Requirements: []string{"ES-20"}, Verdict: verdict.Failed, DurationMS: 40,
				Failure: &suite.Failure{
					Requirement: "ES-20", Expected: "the event <one> & no other in the journal",
					Got: "nothing at all\n  {\n-   \"value\": \"a\"\n+   \"value\": \"b\"\n  }", Remedy: "persist, then reply",
				},
				Logs: []string{"panic: <script>alert(1)</script>"},
				Trace: []verdict.Message{
					{Seq: 1, AtMS: 0.2, From: "client", To: "proxy", Stream: 1, Method: "/cloudstate.tck.model.EventSourcedTckModel/Process", Kind: "open", Body: "x-trace: 1"},
					{Seq: 2, AtMS: 0.9, From: "proxy", To: "frontend", Stream: 2, Method: "/cloudstate.eventsourced.EventSourced/handle", Kind: "message", Body: `{command: {entity_id: "<b>e-1</b>", id: 1, name: "Process"}}`},
					{Seq: 3, AtMS: 2.1, From: "proxy", To: "client", Stream: 1, Method: "/cloudstate.tck.model.EventSourcedTckModel/Process", Kind: "status", Body: "Unknown: Unexpected entity failure"},
				},
			},
			{
				ID: "es/frontend/three", Title: "known to fail", Kind: suite.Frontend, Requirements: []string{"ES-12"}, Verdict: verdict.Failed,
				Failure: &suite.Failure{Requirement: "ES-12", Expected: "a", Got: "b"},
			},
			{ID: "es/frontend/four", Title: "the kit broke", Kind: suite.Frontend, Requirements: []string{"ES-18"}, Verdict: verdict.Error, Reason: "the kit panicked: nil\ngoroutine 1"},
			{ID: "ve/proxy/five", Title: "values", Kind: suite.Proxy, Requirements: []string{"VE-20"}, Verdict: verdict.NotApplicable, Reason: "the proxy does not declare the entity type"},
			{ID: "es/pair/six", Title: "left out", Kind: suite.Pair, Requirements: []string{"ES-21"}, Verdict: verdict.NotRun, Reason: "left out by --suite", Skipped: true, Notes: []string{"a note"}},
		},
	}
	announced, err := verdict.ParseAnnounced("known.yaml", []byte("- case: es/frontend/three\n  reason: issue 12 of the library\n"), catalogue,
		[]suite.Case{{ID: "es/frontend/three"}})
	if err != nil {
		t.Fatal(err)
	}
	claims := verdict.Claims{spec.Proxy: {"core": true, "event-sourced": true}, spec.Frontend: {"core": true, "event-sourced": true}}
	verdict.Roll(r, catalogue, claims, announced, nil)
	return r, catalogue
}
