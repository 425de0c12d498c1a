package mockproxy_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// schema is the published one.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("../docs/tck/mock-script.schema.json")
	ok(t, err)
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	ok(t, err)
	compiler := jsonschema.NewCompiler()
	ok(t, compiler.AddResource("script.json", document))
	compiled, err := compiler.Compile("script.json")
	ok(t, err)
	return compiled
}

// examples are the scripts of the documentation.
func examples(t *testing.T) []*script.Script {
	t.Helper()
	page, err := os.ReadFile("../docs/tck/mock-scripts.md")
	ok(t, err)
	var all []*script.Script
	published := schema(t)
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		s, err := script.Parse("example", []byte(text))
		ok(t, err)
		ok(t, validate(t, published, text))
		all = append(all, s)
	}
	return all
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var document any
	ok(t, yaml.Unmarshal([]byte(text), &document))
	return s.Validate(document)
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

// TestScriptsThatMakeNoSense are refused with the place, and by the schema.
func TestScriptsThatMakeNoSense(t *testing.T) {
	published := schema(t)
	for _, c := range []struct{ text, want string }{
		{"as: client\nsteps: [{close: }]", `s:1:5: as: it is "proxy" or "function"`},
		{"steps: [{close: }]", `s:1:1: a script says "as: proxy"`},
		{"as: proxy\nsteps: []", "s:1:1: a script says"},
		{"as: proxy\nsteps: {}", "s:2:8: steps: it is a list"},
		{"as: proxy\nsteps: [{close: }]\nnew: 1", `s:3:1: unknown field "new"`},
		{"as: proxy\nsteps:\n  - jump: 1", `s:3:5: unknown verb "jump": it is break, cancel, close, delay`},
		{"as: proxy\nsteps:\n  - close:\n    cancel:", "s:4:5: a step has one verb, this one has close and cancel"},
		{"as: proxy\nsteps:\n  - on: a", "s:3:5: a step has a verb"},
		{"as: proxy\nsteps:\n  - hello", "s:3:5: expected fields"},
		{"as: proxy\nsteps:\n  - delay: soon", "s:3:12: delay: soon is no time such as 500ms"},
		{"as: proxy\nsteps:\n  - expect: {}\n    within: 5", `s:4:13: within: "5" is no time`},
		{"as: proxy\nsteps:\n  - open: shop", `s:3:11: open: unknown call "shop": it is action-streamed`},
		{"as: proxy\nsteps:\n  - open: {as: a}", "s:3:11: open: say which call"},
		{"as: proxy\nsteps:\n  - open: {call: discover, x: a}", `unknown field "x"`},
		{"as: proxy\nsteps:\n  - send: hello", "s:3:11: send: expected a message's fields"},
		{"as: proxy\nsteps:\n  - expect-end: BAD", "s:3:17: expect-end: BAD is no status such as OK"},
		{"as: function\nsteps:\n  - status: {code: OK, x: 1}", `s:3:13: status: unknown field "x"`},
		{"as: function\nsteps:\n  - status: {message: no}", "s:3:13: status: <nil> is no status"},
		{"as: proxy\nsteps:\n  - close: now", "s:3:12: close: it takes nothing"},
		{"as: proxy\nsteps:\n  - break: everything", "s:3:12: break: unknown way everything: it is duplicate, garbage"},
	} {
		if _, err := script.Parse("s", []byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), "s:") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
		if validate(t, published, c.text) == nil {
			t.Errorf("%q: the schema admits it", c.text)
		}
	}
	for text, want := range map[string]string{ // which the schema cannot tell
		"":                                  "s:1:1: nothing is there",
		"as: proxy\nsteps:\n  - status: OK": "s:3:5: only the function has status",
		"as: function\nsteps:\n  - cancel:": "s:3:5: only the proxy has cancel",
		"as: proxy\nsteps:\n  - break: wrong-command-id":             "s:3:12: only a function can break the protocol by wrong-command-id",
		"as: proxy\nas: proxy":                                       "s:2:1: as is there twice",
		"as: proxy\nsteps:\n  - send: &a {}\n  - send: {x: *a}":      "s:4:15: anchors and aliases",
		"as: proxy\nsteps: [":                                        "s: yaml: line 2",
		"as: proxy\nsteps: [{send: " + strings.Repeat("[", 100):      "s: ",
		strings.Repeat("# a long comment that says nothing\n", 40e3): "s: longer than 1048576 bytes",
	} {
		if _, err := script.Parse("s", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
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

// FuzzParse: no script makes the parser panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte("as: proxy\nsteps:\n  - open: {call: discover, as: a}\n  - send: {a: [1, true, null, 1.5]}\n    within: 1s"))
	f.Add([]byte("as: function\nsteps: [{status: {code: OK}}, {break: silence}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := script.Parse("s", text); err == nil && len(s.Steps) == 0 {
			t.Error("an empty script")
		}
	})
}
