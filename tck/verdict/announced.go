package verdict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// ErrAnnounced is wrapped by everything that is wrong with an expected-failures file.
var ErrAnnounced = errors.New("expected-failures file")

// Announced is a shortfall that is known beforehand. Exactly one of Case and Requirement is set.
type Announced struct {
	// Case is the id of a case that must fail.
	Case string `yaml:"case"`
	// Requirement is the id of a requirement that must not pass: each of its cases may fail, and at least one must, unless none can run.
	Requirement string `yaml:"requirement"`
	// Reason says why, for whoever reads the report. Required.
	Reason string `yaml:"reason"`

	line int
}

// String names what is announced.
func (a Announced) String() string {
	if a.Case != "" {
		return "case " + a.Case
	}
	return "requirement " + a.Requirement
}

// maxAnnounced bounds the file, in bytes.
const maxAnnounced = 1 << 20

// ParseAnnounced reads an expected-failures file: a YAML list of entries with case (or requirement) and reason. name is for the
// error messages, which tell all that is wrong. Ids are checked against catalogue and cases.
func ParseAnnounced(name string, text []byte, catalogue *spec.Catalogue, cases []suite.Case) ([]Announced, error) {
	if len(text) > maxAnnounced {
		return nil, fmt.Errorf("%w %s: more than %d bytes", ErrAnnounced, name, maxAnnounced)
	}
	var nodes []yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&nodes); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w %s: %w; write a list of entries such as\n  - case: es/frontend/emit-one\n    reason: why it fails", ErrAnnounced, name, err)
	}
	known := make(map[string]bool, len(cases))
	for _, c := range cases {
		known[c.ID] = true
	}
	var entries []Announced
	var faults []error
	seen := map[string]int{}
	for _, node := range nodes {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("%w %s:%d: %s", ErrAnnounced, name, node.Line, fmt.Sprintf(format, args...)))
		}
		entry, err := parseEntry(&node)
		if err != nil {
			fault("%v", err)
			continue
		}
		switch {
		case (entry.Case == "") == (entry.Requirement == ""):
			fault("name either a case or a requirement")
		case strings.TrimSpace(entry.Reason) == "":
			fault("%s has no reason; say why it fails", entry)
		case strings.HasPrefix(entry.Reason, unfilled):
			fault("%s still says %s; say why it fails", entry, unfilled)
		case entry.Case != "" && !known[entry.Case]:
			fault("there is no case %q; `cloudstate-tck list` shows them", entry.Case)
		case entry.Requirement != "" && !inForce(catalogue, entry.Requirement):
			fault("there is no requirement %q in force%s", entry.Requirement, nearest(catalogue, entry.Requirement))
		case seen[entry.String()] > 0:
			fault("%s was announced in line %d already", entry, seen[entry.String()])
		default:
			seen[entry.String()] = node.Line
			entries = append(entries, entry)
		}
	}
	return entries, errors.Join(faults...)
}

// parseEntry decodes one mapping; a key that is not known is an error, since a misspelt one would be ignored.
func parseEntry(node *yaml.Node) (Announced, error) {
	if node.Kind != yaml.MappingNode {
		return Announced{}, errors.New("an entry is a mapping with case (or requirement) and reason")
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		switch key := node.Content[i].Value; key {
		case "case", "requirement", "reason":
		default:
			return Announced{}, fmt.Errorf("unknown key %q; there are case, requirement and reason", key)
		}
	}
	entry := Announced{line: node.Line}
	if err := node.Decode(&entry); err != nil {
		return Announced{}, err
	}
	return entry, nil
}

func inForce(catalogue *spec.Catalogue, id string) bool {
	r, ok := catalogue.Lookup(id)
	return ok && r.InForce()
}

func nearest(catalogue *spec.Catalogue, id string) string {
	if near := catalogue.Nearest(id); near != "" && near != id {
		return "; did you mean " + near + "?"
	}
	return ""
}
