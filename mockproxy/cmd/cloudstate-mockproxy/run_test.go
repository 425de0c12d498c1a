package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
)

func TestRun(t *testing.T) {
	f := mockfunction.New(mockfunction.Config{
		Spec: model.Spec(), EventSourced: model.EventSourced{}.New, ValueEntity: model.ValueEntity, Action: model.Action,
	})
	if err := f.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer f.Kill()
	addr := f.Addr()
	for _, c := range []struct {
		name string
		args []string
		code int
		out  string // what stdout contains
		err  string // what stderr contains
	}{
		{"help", []string{"--help"}, 0, "No proxy and no store are needed", ""},
		{"discover", []string{addr}, 0, "rpc ProcessStreamed(stream cloudstate.tck.model.action.Request) returns (stream", ""},
		{"event sourced", []string{addr, "--service", model.EventSourcedService, "--command", "Process",
			"--json", `{"actions": [{"emit": {"value": "vvv"}}]}`}, 0, `"vvv"`, ""},
		{"value entity", []string{addr, "--service", model.ValueEntityService, "--command", "Process",
			"--json", `{"actions": [{"delete": {}}]}`}, 0, `"delete"`, ""},
		{"action", []string{addr, "--trace", "--service", model.ActionService, "--command", "ProcessUnary",
			"--json", `{"groups": [{"steps": [{"reply": {"message": "mmm"}}]}]}`}, 0, `"mmm"`, "ActionProtocol/handleUnary] message"},
		{"no such service", []string{addr, "--service", "X", "--command", "Y"}, 1, "", "serves no X; it serves cloudstate.tck"},
		{"no such rpc", []string{addr, "--service", model.ActionService, "--command", "Y"}, 1, "", `has no rpc "Y"`},
		{"streamed", []string{addr, "--service", model.ActionService, "--command", "ProcessStreamed"}, 1, "", "is streamed"},
		{"bad JSON", []string{addr, "--service", model.ActionService, "--command", "ProcessUnary", "--json", `{"x": 1}`}, 1, "", "--json is no"},
		{"half a command", []string{addr, "--service", "X"}, 2, "", "go together"},
		{"unknown flag", []string{addr, "--nope"}, 2, "", "--nope"},
		{"ask by name", []string{"ask", addr}, 0, "rpc ProcessStreamed", ""},
		{"replay", []string{"replay", "../../../fixtures/traces/value-entity.trace", "--function", addr, "--trace"}, 0, ", 0 differences", "ValueEntity/handle] message"},
		{"replay of another entity", []string{"replay", "../../../fixtures/traces/value-entity.trace", "--function", addr, "--entity", "one=two"}, 0, ", 0 differences", ""},
		{"replay of what it does otherwise", []string{"replay", "../../../fixtures/traces/cart.trace", "--function", addr}, 1, "InvalidArgument", ""},
		{"replay of what is no trace", []string{"replay", "run_test.go", "--function", addr}, 2, "", "run_test.go:1: this is no trace"},
		{"replay without a function", []string{"replay", "run_test.go"}, 2, "", "--function"},
		{"nobody there", []string{"127.0.0.1:1"}, 1, "", "127.0.0.1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), c.args, mockcli.Stdio{Out: &stdout, Err: &stderr})
			if code != c.code || !strings.Contains(stdout.String(), c.out) || !strings.Contains(stderr.String(), c.err) {
				t.Errorf("exit %d\nstdout: %s\nstderr: %s", code, &stdout, &stderr)
			}
		})
	}
}
