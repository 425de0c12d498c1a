package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/stateful-serverless/cloudstate/spec"
)

// testCase is what speccheck needs of one case of the TCK's list; other members are ignored.
type testCase struct {
	ID           string   `json:"id"`
	Title        string   `json:"title"`
	Kind         string   `json:"kind"`
	Suite        string   `json:"suite"`
	Requirements []string `json:"requirements"`
}

// judges returns the only party whose requirements the case can prove, or "" when both take part or the list does not say.
func (c testCase) judges() spec.Party {
	for _, word := range []string{c.Kind, c.Suite} {
		if p := spec.Party(word); p == spec.Proxy || p == spec.Frontend {
			return p
		}
	}
	return ""
}

// readCases reads the output of "cloudstate-tck list --json".
func readCases(path string, stdin io.Reader) ([]testCase, error) {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("the cases cannot be read: %w; -cases names the file, - is standard input", err)
		}
		defer file.Close()
		in = file
	}
	var list struct {
		Cases *[]testCase `json:"cases"`
	}
	if err := json.NewDecoder(in).Decode(&list); err != nil {
		return nil, fmt.Errorf("the cases are no JSON (%w); give the output of: cloudstate-tck list --json", err)
	}
	if list.Cases == nil {
		return nil, fmt.Errorf("the JSON has no member \"cases\"; give the output of: cloudstate-tck list --json")
	}
	return *list.Cases, nil
}

// checkCases holds cases and catalogue against each other: what every case says it proves, then what no case proves.
func checkCases(catalogue *spec.Catalogue, cases []testCase) []finding {
	var findings []finding
	proven := map[string][]string{}
	for _, c := range cases {
		if len(c.Requirements) == 0 {
			findings = append(findings, finding{where: "case " + c.ID, what: "proves no requirement", remedy: "name at least one id of SPEC.md in it"})
		}
		for _, id := range c.Requirements {
			proven[id] = append(proven[id], c.ID)
			if f, wrong := checkClaim(catalogue, c, id); wrong {
				findings = append(findings, f)
			}
		}
	}
	for _, r := range catalogue.Requirements {
		if f, wrong := checkProven(r, proven[r.ID]); wrong {
			findings = append(findings, f)
		}
	}
	return findings
}

// checkClaim looks at one id that a case names.
func checkClaim(catalogue *spec.Catalogue, c testCase, id string) (finding, bool) {
	where := "case " + c.ID
	r, known := catalogue.Lookup(id)
	switch {
	case !known:
		remedy := "use an id of SPEC.md"
		if near := catalogue.Nearest(id); near != "" {
			remedy += ", such as " + near
		}
		return finding{where: where, what: fmt.Sprintf("names %s, which SPEC.md does not have", id), remedy: remedy}, true
	case !r.InForce():
		return finding{where: where, what: fmt.Sprintf("names %s, which is withdrawn (%s)", id, r.Withdrawn), remedy: "name the requirement that took its place, or drop the case"}, true
	case c.judges() != "" && !r.Party.Binds(c.judges()):
		return finding{
			where:  where,
			what:   fmt.Sprintf("judges a %s, but %s binds the %s", c.judges(), id, r.Party),
			remedy: "name a requirement of the party that the case can see",
		}, true
	}
	return finding{}, false
}

// checkProven looks at one requirement and the cases that name it. A withdrawn one has no level, so it needs none.
func checkProven(r spec.Requirement, cases []string) (finding, bool) {
	where := fmt.Sprintf("SPEC.md:%d: %s", r.Line, r.ID)
	switch {
	case len(cases) > 0 && r.NotTested != "":
		return finding{
			where:  where,
			what:   "says why it is not tested, but " + cases[0] + " names it",
			remedy: "take the reason out of SPEC.md if the case proves it, or else the id out of the case",
		}, true
	case len(cases) == 0 && r.NotTested == "" && r.Level.Mandatory():
		return finding{
			where:  where,
			what:   fmt.Sprintf("is a %s of the %s without a case", r.Level, r.Party),
			remedy: "write a case that names it, or state below it in SPEC.md: - Not tested: reason",
		}, true
	}
	return finding{}, false
}
