package mockproxy_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// examples are the scripts of the documentation.
func examples(t *testing.T) []*script.Script {
	t.Helper()
	page, err := os.ReadFile("../docs/tck/mock-scripts.md")
	ok(t, err)
	var all []*script.Script
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		s, err := script.Parse("example", []byte(text))
		ok(t, err)
		all = append(all, s)
	}
	return all
}

// TestTheExamplesOfTheDocumentation runs each: a function's against the proxy's that follows it, any other proxy's against the model.
func TestTheExamplesOfTheDocumentation(t *testing.T) {
	all := examples(t)
	if len(all) != 6 {
		t.Fatalf("%d examples", len(all))
	}
	for i := 0; i < len(all); i++ {
		var f *mockfunction.Function
		played := make(chan error, 1)
		if all[i].As == script.Function {
			f = mockfunction.New(mockfunction.Config{Spec: model.Spec()})
			go func(s *script.Script) { played <- s.Run(t.Context(), f.Side(), tracefile.NewTypes()) }(all[i])
			i++
		} else {
			f = mockfunction.New(mockfunction.Config{Spec: model.Spec(), EventSourced: model.EventSourced{}.New, ValueEntity: model.ValueEntity, Action: model.Action})
			played <- nil
		}
		ok(t, f.Start("127.0.0.1:0"))
		p, err := mockproxy.Dial(f.Addr())
		ok(t, err)
		if err := all[i].Run(t.Context(), p.Side(tracefile.NewTypes()), tracefile.NewTypes()); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
		if err := <-played; err != nil {
			t.Errorf("example %d: %v", i, err)
		}
		ok(t, p.Close())
		f.StopWithin(time.Second)
	}
}

// TestAStepThatIsNotMet says where in the script, what was expected and what came.
func TestAStepThatIsNotMet(t *testing.T) {
	p, _, _ := pair(t, models())
	const begin = "as: proxy\nsteps:\n  - open: event-sourced\n  - send: {init: {service_name: " + model.EventSourcedService + ", entity_id: e}}\n" +
		"  - send: {command: {entity_id: e, id: 1, name: Process, payload: {'@type': x/cloudstate.tck.model.Request, actions: [{emit: {value: v}}]}}}\n"
	for _, c := range []struct{ step, want string }{
		{"expect: {reply: {command_id: 2}}", `s:6:13: expect: stream`},
		{"expect: {reply: {command_id: 2}}", `(see .reply.command_id), got {"reply":{"command_id":"1"`},
		{"expect: {reply: {events: []}}", "(see .reply.events)"},
		{"expect: {reply: {events: [{value: v}, {value: w}]}}", "(see .reply.events)"},
		{"expect: {reply: {events: [{value: w}]}}", "(see .reply.events[0].value)"},
		{"expect: {failure: {}}", "(see .failure)"},
		{"expect: {reply: {side_effects: [], snapshot: null}}", ""},
		{"expect: {reply: {command_id: $command, events: [{value: v}]}}", ""},
		{"expect: {answer: {}}", `s:6:13: expect: there is no field cloudstate.eventsourced.EventSourcedStreamOut.answer`},
		{"send: {command: {payload: {'@type': a/b.C}}}", `s:6:11: send: proto:`},
		{"expect-end: OK", "expect-end: stream 1"},
		{"expect: {}\n    on: other", "no such call is open"},
		{"open: {call: event-sourced, as: call 1}", "a call call 1 is there already"},
		{"expect: {}\n  - expect: {}\n    within: 20ms", "s:7:13: expect: stream"},
	} {
		s, err := script.Parse("s", []byte(begin+"  - "+c.step))
		ok(t, err)
		err = s.Run(t.Context(), p.Side(tracefile.NewTypes()), tracefile.NewTypes())
		if c.want == "" {
			ok(t, err)
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.step, err, c.want)
		}
	}
}

func TestPrompt(t *testing.T) {
	p, _, _ := pair(t, models())
	in := strings.NewReader("list\nhelp\n\nbreak: garbage\nopen: action-unary\nsend: {service_name: " + model.ActionService +
		", name: ProcessUnary}\nclose\nexpect: {forward: {}}\nhop\nquit\nopen: discover\n")
	var out bytes.Buffer
	script.NewRunner(script.Proxy, p.Side(tracefile.NewTypes()), tracefile.NewTypes()).Prompt(t.Context(), in, &out, func(w io.Writer) {
		_, _ = w.Write([]byte("services\n"))
	})
	for _, want := range []string{"> services\n", "One step a line", "line 4:1:8: break: no such call is open", "line 8:1:9: expect: stream", `line 9:1:1: unknown verb "hop"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
	if strings.Count(out.String(), "> ") != 10 {
		t.Errorf("it went on after quit:\n%s", &out)
	}
}
