package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileSize bounds the settings file: a real one has a few hundred bytes.
const maxFileSize = 1 << 20

// fileValue is one line of the settings file.
type fileValue struct {
	text  string
	place string
}

// readFile reads a settings file: a YAML mapping of setting names to plain values.
func readFile(path string) (map[string]fileValue, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(content) > maxFileSize {
		return nil, &Error{Place: path, Problem: "longer than 1 MiB", Remedy: "is this the settings file?"}
	}
	return parseFile(path, string(content))
}

func unreadable(path string, err error) error {
	reason := err
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		reason = p.Err
	}
	return &Error{Place: path, Problem: fmt.Sprintf("cannot read the settings file (%v)", reason), Remedy: "check the path given by --config or CLOUDSTATE_CONFIG"}
}

func parseFile(path, content string) (map[string]fileValue, error) {
	decoder := yaml.NewDecoder(strings.NewReader(content))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, &Error{Place: path, Problem: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: "), Remedy: "write one setting a line, such as http-port: 9000"}
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Error{Place: path, Problem: "more than one YAML document", Remedy: "keep all settings in the first one, without a --- line between them"}
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
			return nil, nil
		}
		return nil, &Error{Place: at(path, root), Problem: "the file is not a mapping", Remedy: "write one setting a line, such as http-port: 9000"}
	}
	values := make(map[string]fileValue, len(root.Content)/2)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if err := checkLine(path, values, key, value); err != nil {
			return nil, err
		}
		values[key.Value] = fileValue{text: value.Value, place: at(path, key)}
	}
	return values, nil
}

func checkLine(path string, seen map[string]fileValue, key, value *yaml.Node) error {
	s, known := settingNamed(key.Value)
	switch first, twice := seen[key.Value]; {
	case s.name == "config" && known:
		return &Error{Place: at(path, key), Problem: "a settings file cannot name another one", Remedy: "remove this line"}
	case !known:
		return &Error{Place: at(path, key), Problem: fmt.Sprintf("there is no setting %q", key.Value), Remedy: suggestion(key.Value)}
	case twice:
		return &Error{Place: at(path, key), Problem: fmt.Sprintf("%s is set twice, first at %s", s.name, first.place), Remedy: "keep one of them"}
	case value.Kind != yaml.ScalarNode:
		return &Error{Place: at(path, value), Problem: s.name + " takes a single value, not a list or a mapping", Remedy: "write it as " + s.name + ": " + s.example()}
	case value.Tag == "!!null":
		return &Error{Place: at(path, value), Problem: s.name + " has no value", Remedy: "give one, such as " + s.name + ": " + s.example() + ", or remove the line"}
	}
	return nil
}

// example is a value to show: the default, or a placeholder where there is none.
func (s setting) example() string {
	if d := s.field.Tag.Get("default"); d != "" {
		return d
	}
	return s.field.Tag.Get("placeholder")
}

func at(path string, node *yaml.Node) string {
	return fmt.Sprintf("%s:%d", path, node.Line)
}
