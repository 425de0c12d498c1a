package verdict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// unfilled begins a reason that the kit wrote: somebody has to say why it fails, or the file is refused.
const unfilled = "FILL IN"

// Baselined says what a baseline changed.
type Baselined struct {
	// Kept and Added are announced now, Removed no longer: they pass, or there is no such id any more.
	Kept, Added, Removed []string
	// Flaky are cases that are not announced, for what is announced must happen each time.
	Flaky []string
}

// Baseline brings an expected-failures file up to date with a report and returns its new text. Entries that still fail, or could not run, stay as they
// are, with their reasons and comments; those that pass go; failures that break a MUST and that no entry covers are added, each with a reason that
// somebody has to fill in. text is empty for a new file; name is for error messages.
func Baseline(name string, text []byte, r *Report) ([]byte, Baselined, error) {
	document, err := parseBaseline(name, text, r)
	if err != nil {
		return nil, Baselined{}, err
	}
	var done Baselined
	list := document.Content[0]
	var kept []*yaml.Node
	covered := map[string]bool{}
	for _, node := range list.Content {
		entry, err := parseEntry(node)
		if err != nil {
			return nil, Baselined{}, fmt.Errorf("%w %s:%d: %w", ErrAnnounced, name, node.Line, err)
		}
		if !r.falls(entry) {
			done.Removed = append(done.Removed, entry.String())
			continue
		}
		kept = append(kept, node)
		covered[entry.Case], covered[entry.Requirement] = true, true
		done.Kept = append(done.Kept, entry.String())
	}
	for _, c := range r.Cases {
		if covered[c.ID] || !r.breaks(c) || slices.ContainsFunc(c.Requirements, func(id string) bool { return covered[id] }) {
			continue
		}
		if c.Verdict == Flaky {
			done.Flaky = append(done.Flaky, c.ID)
			continue
		}
		kept = append(kept, entryNode(c))
		done.Added = append(done.Added, Announced{Case: c.ID}.String())
	}
	list.Content = kept
	if len(kept) == 0 {
		list.Style = yaml.FlowStyle
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return nil, Baselined{}, err
	}
	return b.Bytes(), done, nil
}

// parseBaseline reads the list to be brought up to date, or makes an empty one.
func parseBaseline(name string, text []byte, r *Report) (*yaml.Node, error) {
	if len(text) > maxAnnounced {
		return nil, fmt.Errorf("%w %s: more than %d bytes", ErrAnnounced, name, maxAnnounced)
	}
	var document, more yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		head := fmt.Sprintf("Failures that are expected of %s. Written by cloudstate-tck: say why each one fails in place of a reason that begins with %s, or the file is refused.",
			strings.Join(strings.Fields(r.Target.Name), " "), unfilled)
		return &yaml.Node{Kind: yaml.DocumentNode, HeadComment: head, Content: []*yaml.Node{{Kind: yaml.SequenceNode}}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrAnnounced, name, err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w %s: there is more behind the list, which would be lost", ErrAnnounced, name)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%w %s: it is no list of entries; name a new file, or one that --expected-failures takes", ErrAnnounced, name)
	}
	document.Content[0].Style = 0
	return &document, nil
}

// falls tells whether what was announced still falls short, or may: it did not run.
func (r *Report) falls(a Announced) bool {
	if a.Case != "" {
		i := slices.IndexFunc(r.Cases, func(c Case) bool { return c.ID == a.Case })
		return i >= 0 && r.Cases[i].Verdict != Passed
	}
	i := slices.IndexFunc(r.Requirements, func(q Requirement) bool { return q.ID == a.Requirement })
	return i >= 0 && r.Requirements[i].Verdict != Passed
}

// breaks tells whether a case breaks a MUST that applies.
func (r *Report) breaks(c Case) bool {
	return c.Verdict.Broken() && slices.ContainsFunc(r.Requirements, func(q Requirement) bool {
		return q.Level.Mandatory() && q.Verdict.Broken() && slices.Contains(c.Requirements, q.ID)
	})
}

// entryNode is the entry of a failure that nobody has explained yet.
func entryNode(c Case) *yaml.Node {
	const most = 300
	reason := unfilled
	if c.Failure != nil {
		reason += ": why " + strings.Join(strings.Fields(c.Failure.Error()), " ")
	}
	if runes := []rune(reason); len(runes) > most {
		reason = string(runes[:most]) + "…"
	}
	scalar := func(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text} }
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("case"), scalar(c.ID), scalar("reason"), scalar(reason)}}
}
