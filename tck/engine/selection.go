package engine

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// Selection chooses cases. The zero Selection chooses all; each field narrows the choice of the others.
type Selection struct {
	// Suites are the kinds that are wanted; none means all.
	Suites []suite.Kind
	// Label is an expression over labels, such as "es && !slow"; see [Labels] for the labels that every case has.
	Label string
	// Focus are case ids (with * and ? as wildcards, or a prefix that ends at a '/') and requirement ids; a case that matches one is wanted.
	Focus []string
}

// Labels returns what a case can be selected by: its kind, its own labels, and of each requirement that it proves the area, the
// party, the profile and the class of level; all in lower case, without duplicates.
func Labels(c suite.Case, catalogue *spec.Catalogue) []string {
	labels := []string{string(c.Kind)}
	labels = append(labels, c.Labels...)
	for _, id := range c.Requirements {
		if r, ok := catalogue.Lookup(id); ok {
			labels = append(labels, r.Area, string(r.Party), r.Profile, string(r.Level.Class()))
		}
	}
	for i := range labels {
		labels[i] = strings.ToLower(labels[i])
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}

// compile returns a function that tells why a case is not wanted, or "" when it is. The error says what is wrong with the selection.
func (s Selection) compile(catalogue *spec.Catalogue, cases []suite.Case) (func(suite.Case) string, error) {
	byLabel := func([]string) bool { return true }
	if s.Label != "" {
		filter, err := types.ParseLabelFilter(strings.ToLower(s.Label))
		if err != nil {
			return nil, fmt.Errorf("--label %q: %w; write labels joined by &&, || and !, such as 'es && !frontend'", s.Label, err)
		}
		byLabel = filter
	}
	for _, pattern := range s.Focus {
		if !slices.ContainsFunc(cases, func(c suite.Case) bool { return matches(pattern, c) }) {
			return nil, fmt.Errorf("--focus %q matches no case id and no requirement that a case proves; `cloudstate-tck list` shows them", pattern)
		}
	}
	return func(c suite.Case) string {
		switch {
		case len(s.Suites) > 0 && !slices.Contains(s.Suites, c.Kind):
			return "left out by --suite"
		case len(s.Focus) > 0 && !slices.ContainsFunc(s.Focus, func(p string) bool { return matches(p, c) }):
			return "left out by --focus"
		case !byLabel(Labels(c, catalogue)):
			return "left out by --label"
		}
		return ""
	}, nil
}

func matches(pattern string, c suite.Case) bool {
	if slices.Contains(c.Requirements, pattern) || strings.HasPrefix(c.ID, strings.TrimSuffix(pattern, "/")+"/") {
		return true
	}
	ok, err := path.Match(pattern, c.ID)
	return err == nil && ok
}
