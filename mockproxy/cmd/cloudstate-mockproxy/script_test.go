package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
)

func TestScriptAndPrompt(t *testing.T) {
	f := mockfunction.New(mockfunction.Config{Spec: model.Spec(), EventSourced: model.EventSourced{}.New})
	if err := f.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer f.Kill()
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const begin = "as: proxy\nsteps:\n  - open: event-sourced\n  - send: {init: {service_name: " + model.EventSourcedService + ", entity_id: e}}\n"
	const typed = "list\nopen: event-sourced\nexpect: {nothing: 1}\n"
	for _, c := range []struct {
		args []string
		code int
		want string // on either output
	}{
		{[]string{"script", write("met.yaml", begin+"  - close:\n  - expect-end: OK"), "--trace"}, 0, "EventSourced/handle] half-close"},
		{[]string{"script", write("unmet.yaml", begin+"  - close:\n  - expect-end: NOT_FOUND")}, 1, "unmet.yaml:6:17: expect-end: stream"},
		{[]string{"script", write("bad.yaml", begin+"  - fly:")}, 2, `bad.yaml:5:5: unknown verb "fly"`},
		{[]string{"script", write("other.yaml", "as: function\nsteps: [{close: }]")}, 2, "run it with cloudstate-mockfunction"},
		{[]string{"script", "nowhere.yaml"}, 2, "nowhere.yaml"},
		{[]string{"prompt"}, 0, "there is no field cloudstate.eventsourced.EventSourcedStreamOut.nothing"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), append(c.args, "--function", f.Addr()), mockcli.Stdio{In: strings.NewReader(typed), Out: &out, Err: &out}); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: exit %d, want %d with %s:\n%s", c.args, code, c.code, c.want, &out)
		}
		if c.args[0] == "prompt" && (!strings.Contains(out.String(), "rpc Process(") || !strings.Contains(out.String(), "proxy -> frontend [2 EventSourced/handle] open")) {
			t.Errorf("the prompt shows neither what is served nor what passes:\n%s", &out)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"prompt", "--function", "127.0.0.1:1"}, mockcli.Stdio{Out: &out, Err: &out}); code != 1 {
		t.Errorf("exit %d without a function: %s", code, &out)
	}
}
