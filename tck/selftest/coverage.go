package selftest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stateful-serverless/cloudstate/spec"
)

// Coverage says for how many of the MUSTs that have a case the TCK was seen to bite. A MUST that binds both parties and has cases for
// both counts twice: each side's cases are to be proven.
type Coverage struct {
	Parties []PartyCoverage `json:"parties"`
	// WithCase are the MUSTs that have a case, Covered those of them for which a mutant was killed.
	WithCase int `json:"with_case"`
	Covered  int `json:"covered"`
	// Percent is Covered of WithCase; AtLeast is what it has to be.
	Percent float64 `json:"percent"`
	AtLeast float64 `json:"at_least"`
}

// PartyCoverage is the part of one party.
type PartyCoverage struct {
	Party    Target `json:"party"`
	WithCase int    `json:"with_case"`
	Covered  int    `json:"covered"`
	// Missing are those for which none was killed, with the reason if one is stated.
	Missing []Missing `json:"missing"`
}

// Missing is a MUST that has a case, and no mutant that was killed.
type Missing struct {
	Requirement string `json:"requirement"`
	// Reason is why there can be no mutant, as exempt.yaml says it; empty if one is yet to be written.
	Reason string `json:"reason,omitempty"`
}

// Exemption says why no mutant can show that a requirement's cases bite.
type Exemption struct {
	Requirement string `yaml:"requirement"`
	Target      Target `yaml:"target"`
	Reason      string `yaml:"reason"`
}

func loadExemptions(file string) ([]Exemption, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the exemptions: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var exempt []Exemption
	if err := decoder.Decode(&exempt); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return exempt, nil
}

// errExemption is wrapped by what is wrong with exempt.yaml.
var errExemption = errors.New("exemption cannot be used")

// checkExemptions holds the exemptions against the rest: each is about a MUST that has a case and no mutant, and gives a reason.
func checkExemptions(exempt []Exemption, mutants []Mutant, catalogue *spec.Catalogue, cases []Case) error {
	var faults []error
	fault := func(e Exemption, text string) {
		faults = append(faults, fmt.Errorf("%w: %s of the %s: %s", errExemption, e.Requirement, e.Target, text))
	}
	seen := map[Exemption]bool{}
	for _, e := range exempt {
		key := Exemption{Requirement: e.Requirement, Target: e.Target}
		switch {
		case seen[key]:
			fault(e, "it is listed twice")
		case strings.TrimSpace(e.Reason) == "":
			fault(e, "say why there can be no mutant")
		case !slices.Contains(withCase(catalogue, cases, e.Target), e.Requirement):
			fault(e, "it is no MUST that has a case")
		case slices.ContainsFunc(mutants, func(m Mutant) bool {
			return m.Target == e.Target && m.ProvenBy == "" && slices.Contains(m.Requirements(), e.Requirement)
		}):
			fault(e, "it has a mutant; take it off the list")
		}
		seen[key] = true
	}
	return errors.Join(faults...)
}

// withCase are the MUSTs in force that a case for the party names, in the order of SPEC.md. One for a pair is a case for each party that the MUST binds, if
// it has no case for a party alone: those show whose fault it is.
func withCase(catalogue *spec.Catalogue, cases []Case, party Target) []string {
	named := map[string]map[string]bool{}
	for _, c := range cases {
		for _, id := range c.Requirements {
			if named[id] == nil {
				named[id] = map[string]bool{}
			}
			named[id][c.Suite] = true
		}
	}
	var ids []string
	for _, r := range catalogue.Requirements {
		suites := named[r.ID]
		inPair := len(suites) == 1 && suites[pair] && r.Party.Binds(spec.Party(party))
		if r.InForce() && r.Level.Mandatory() && (suites[string(party)] || inPair) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// cover counts for which MUSTs a mutant was killed.
func cover(catalogue *spec.Catalogue, cases []Case, exempt []Exemption, results []Result, atLeast float64) *Coverage {
	c := &Coverage{AtLeast: atLeast}
	for _, party := range []Target{Proxy, Frontend} {
		killed := map[string]bool{}
		for _, m := range results {
			for _, id := range append([]string{m.Requirement}, m.Twins...) {
				killed[id] = killed[id] || m.Target == party && m.Status == Killed
			}
		}
		p := PartyCoverage{Party: party, Missing: []Missing{}}
		for _, id := range withCase(catalogue, cases, party) {
			p.WithCase++
			if killed[id] {
				p.Covered++
				continue
			}
			missing := Missing{Requirement: id}
			for _, e := range exempt {
				if e.Requirement == id && e.Target == party {
					missing.Reason = e.Reason
				}
			}
			p.Missing = append(p.Missing, missing)
		}
		c.Parties = append(c.Parties, p)
		c.WithCase += p.WithCase
		c.Covered += p.Covered
	}
	if c.WithCase > 0 {
		c.Percent = 100 * float64(c.Covered) / float64(c.WithCase)
	}
	return c
}

func (c *Coverage) print(w io.Writer) {
	for _, p := range c.Parties {
		fmt.Fprintf(w, "\n%s: mutants killed for %d of %d MUSTs that have a case\n", p.Party, p.Covered, p.WithCase)
		var without []string
		for _, m := range p.Missing {
			if m.Reason != "" {
				fmt.Fprintf(w, "  %s has none: %s\n", m.Requirement, strings.TrimSpace(m.Reason))
				continue
			}
			without = append(without, m.Requirement)
		}
		if len(without) > 0 {
			fmt.Fprintf(w, "  still without: %s\n", strings.Join(without, " "))
		}
	}
	fmt.Fprintf(w, "\nmutants killed for %d of %d MUSTs that have a case: %.1f %%, at least %g %% are wanted\n", c.Covered, c.WithCase, c.Percent, c.AtLeast)
}
