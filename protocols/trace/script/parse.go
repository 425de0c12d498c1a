package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of what is taken from a script.
const (
	maxBytes = 1 << 20
	maxSteps = 10_000
	maxDepth = 64
)

// Party says which side of the protocol a script plays.
type Party string

// The sides.
const (
	Proxy    Party = "proxy"
	Function Party = "function"
)

// Script is a list of steps for one side.
type Script struct {
	As    Party
	Steps []Step
}

// Step is one thing to do.
type Step struct {
	// At is where the step stands, such as "shop.yaml:4:5".
	At string
	// Verb is what to do: open, send, expect, expect-end, delay, close, cancel, status or break.
	Verb string
	// On is the call that it is about; empty: the one that was opened last.
	On string
	// Within bounds an expectation; 0: as long as the side always waits.
	Within time.Duration
	// value is the verb's argument as JSON has it, at its place.
	value any
	at    string
}

// verbs are the forms of the verbs' arguments, and the side to which a verb belongs; empty: both.
var verbs = map[string]struct {
	check func(value any) error
	party Party
}{
	"open":       {checkOpen, ""},
	"send":       {checkMap, ""},
	"expect":     {checkMap, ""},
	"expect-end": {checkEnd, ""},
	"delay":      {checkDelay, ""},
	"close":      {checkNothing, ""},
	"cancel":     {checkNothing, Proxy},
	"status":     {checkStatus, Function},
	"break":      {checkBreak, ""},
}

// Parse reads a script; name begins its errors.
func Parse(name string, text []byte) (*Script, error) {
	root, err := parseYAML(name, text)
	if err != nil {
		return nil, err
	}
	fields, err := mapping(name, root)
	if err != nil {
		return nil, err
	}
	s := &Script{}
	for _, field := range fields {
		switch field.key.Value {
		case "as":
			if s.As = Party(field.value.Value); s.As != Proxy && s.As != Function {
				return nil, errorAt(name, field.value, `as: it is "proxy" or "function"`)
			}
		case "steps":
			if field.value.Kind != yaml.SequenceNode || len(field.value.Content) > maxSteps {
				return nil, errorAt(name, field.value, "steps: it is a list of at most %d steps", maxSteps)
			}
			for _, node := range field.value.Content {
				step, err := parseStep(name, node)
				if err != nil {
					return nil, err
				}
				s.Steps = append(s.Steps, step)
			}
		default:
			return nil, errorAt(name, field.key, "unknown field %q: a script has as and steps", field.key.Value)
		}
	}
	if s.As == "" || len(s.Steps) == 0 {
		return nil, errorAt(name, root, `a script says "as: proxy" or "as: function", and has steps`)
	}
	for _, step := range s.Steps {
		if err := step.fits(s.As); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ParseStep reads one step, such as "send: {command: {id: 1}}", for that side.
func ParseStep(name string, text []byte, as Party) (Step, error) {
	root, err := parseYAML(name, text)
	if err != nil {
		return Step{}, err
	}
	step, err := parseStep(name, root)
	if err != nil {
		return Step{}, err
	}
	return step, step.fits(as)
}

// fits tells whether the step makes sense for that side.
func (s Step) fits(as Party) error {
	if party := verbs[s.Verb].party; party != "" && party != as {
		return fmt.Errorf("%s: only the %s has %s", s.At, party, s.Verb)
	}
	if s.Verb == "break" && as == Proxy && slices.Contains(functionBreaks, fmt.Sprint(s.value)) {
		return fmt.Errorf("%s: only a function can break the protocol by %v", s.at, s.value)
	}
	return nil
}

func parseYAML(name string, text []byte) (*yaml.Node, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("%s: longer than %d bytes", name, maxBytes)
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:1:1: nothing is there", name)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return document.Content[0], nil
}

type field struct{ key, value *yaml.Node }

// mapping returns the fields of a mapping, each key once.
func mapping(name string, node *yaml.Node) ([]field, error) {
	if node.Kind != yaml.MappingNode {
		return nil, errorAt(name, node, `expected fields, such as "delay: 1s"`)
	}
	var fields []field
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if slices.ContainsFunc(fields, func(f field) bool { return f.key.Value == key.Value }) {
			return nil, errorAt(name, key, "%s is there twice", key.Value)
		}
		fields = append(fields, field{key, node.Content[i+1]})
	}
	return fields, nil
}

func parseStep(name string, node *yaml.Node) (Step, error) {
	fields, err := mapping(name, node)
	if err != nil {
		return Step{}, err
	}
	step := Step{At: at(name, node)}
	for _, f := range fields {
		switch f.key.Value {
		case "on":
			step.On = f.value.Value
		case "within":
			if step.Within, err = time.ParseDuration(f.value.Value); err != nil || step.Within <= 0 {
				return Step{}, errorAt(name, f.value, "within: %q is no time such as 500ms", f.value.Value)
			}
		default:
			verb, known := verbs[f.key.Value]
			if !known {
				return Step{}, errorAt(name, f.key, "unknown verb %q: it is %s", f.key.Value, strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
			}
			if step.Verb != "" {
				return Step{}, errorAt(name, f.key, "a step has one verb, this one has %s and %s", step.Verb, f.key.Value)
			}
			step.Verb, step.at = f.key.Value, at(name, f.value)
			if step.value, err = plain(name, f.value, 0); err != nil {
				return Step{}, err
			}
			if err := verb.check(step.value); err != nil {
				return Step{}, errorAt(name, f.value, "%s: %v", step.Verb, err)
			}
		}
	}
	if step.Verb == "" {
		return Step{}, errorAt(name, node, "a step has a verb: %s", strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
	}
	return step, nil
}

// plain makes of a node what JSON would hold.
func plain(name string, node *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errorAt(name, node, "more than %d levels deep", maxDepth)
	}
	switch node.Kind {
	case yaml.MappingNode:
		fields, err := mapping(name, node)
		if err != nil {
			return nil, err
		}
		out := map[string]any{}
		for _, f := range fields {
			if out[f.key.Value], err = plain(name, f.value, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range node.Content {
			value, err := plain(name, item, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	case yaml.ScalarNode:
		if tag := node.ShortTag(); tag != "!!int" && tag != "!!bool" && tag != "!!null" {
			return node.Value, nil // numbers with a fraction and dates are texts to protobuf's JSON, too
		}
		var value any
		if err := node.Decode(&value); err != nil {
			return nil, errorAt(name, node, "%v", err)
		}
		return value, nil
	default:
		return nil, errorAt(name, node, "anchors and aliases have no place in a script")
	}
}

func at(name string, node *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", name, node.Line, node.Column)
}

func errorAt(name string, node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s: %s", at(name, node), fmt.Sprintf(format, args...))
}

// Open reads the script at path, which must be one for that side.
func Open(path string, as Party) (*Script, error) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, err
	}
	s, err := Parse(path, text)
	if err == nil && s.As != as {
		return nil, fmt.Errorf("%s is a script for a %s: run it with cloudstate-mock%s", path, s.As, s.As)
	}
	return s, err
}
