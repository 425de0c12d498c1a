package script

import (
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// schema is the published one.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("../../../docs/tck/mock-script.schema.json")
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

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var document any
	ok(t, yaml.Unmarshal([]byte(text), &document))
	return s.Validate(document)
}

// TestTheSchemaAdmitsTheExamples of the documentation; that they do what they say is tested with the mocks.
func TestTheSchemaAdmitsTheExamples(t *testing.T) {
	page, err := os.ReadFile("../../../docs/tck/mock-scripts.md")
	ok(t, err)
	published := schema(t)
	examples := strings.Split(string(page), "```yaml\n")[1:]
	if len(examples) == 0 {
		t.Error("the page has no examples")
	}
	for _, part := range examples {
		text, _, _ := strings.Cut(part, "```")
		if err := validate(t, published, text); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
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
		if _, err := Parse("s", []byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), "s:") || !strings.Contains(err.Error(), c.want) {
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
		if _, err := Parse("s", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

// FuzzParse: no script makes the parser panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte("as: proxy\nsteps:\n  - open: {call: discover, as: a}\n  - send: {a: [1, true, null, 1.5]}\n    within: 1s"))
	f.Add([]byte("as: function\nsteps: [{status: {code: OK}}, {break: silence}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := Parse("s", text); err == nil && len(s.Steps) == 0 {
			t.Error("an empty script")
		}
	})
}
