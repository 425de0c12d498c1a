package selftest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
)

// cases for three MUSTs of the proxy, one of which has none but for a pair, one of the frontend, and a SHOULD. That ES-10 has one for a pair, too, changes nothing.
var coveredCases = []Case{
	{"a", "proxy", []string{"ES-20", "VE-13"}}, {"b", "frontend", []string{"ES-10"}}, {"c", "pair", []string{"ES-34", "ES-10"}}, {"d", "proxy", []string{"OPS-11"}},
}

func catalogue(t *testing.T) *spec.Catalogue {
	t.Helper()
	c, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCover(t *testing.T) {
	for name, c := range map[string]struct {
		results []Result
		covered int
		missing string
	}{
		"nothing judged":      {nil, 0, "ES-20 ES-34 VE-13 ES-10"},
		"one killed":          {[]Result{{Target: Proxy, Requirement: "ES-20", Status: Killed}}, 1, "ES-34 VE-13 ES-10"},
		"its twin, too":       {[]Result{{Target: Proxy, Requirement: "ES-20", Twins: []string{"VE-13"}, Status: Killed}}, 2, "ES-34 ES-10"},
		"one survived":        {[]Result{{Target: Proxy, Requirement: "ES-20", Status: Survived}}, 0, "ES-20 ES-34 VE-13 ES-10"},
		"caught elsewhere":    {[]Result{{Target: Proxy, Requirement: "ES-20", Status: Elsewhere}}, 0, "ES-20 ES-34 VE-13 ES-10"},
		"of the other party":  {[]Result{{Target: Frontend, Requirement: "ES-20", Status: Killed}}, 0, "ES-20 ES-34 VE-13 ES-10"},
		"one of two survived": {[]Result{{Target: Frontend, Requirement: "ES-10", Status: Killed}, {Target: Frontend, Requirement: "ES-10", Status: Survived}}, 1, "ES-20 ES-34 VE-13"},
	} {
		t.Run(name, func(t *testing.T) {
			got := cover(catalogue(t), coveredCases, []Exemption{{"VE-13", Proxy, "it is too hard"}}, c.results, 50)
			var missing []string
			for _, p := range got.Parties {
				for _, m := range p.Missing {
					missing = append(missing, m.Requirement)
					if (m.Reason != "") != (m.Requirement == "VE-13") {
						t.Errorf("the reason of %s is %q", m.Requirement, m.Reason)
					}
				}
			}
			if got.WithCase != 4 || got.Covered != c.covered || strings.Join(missing, " ") != c.missing {
				t.Errorf("got %d of %d, without %v; want %d of 4, without %s", got.Covered, got.WithCase, missing, c.covered, c.missing)
			}
			report := Report{Coverage: got, Mutants: []Result{{Status: Killed}}}
			report.summarize()
			if report.Summary.Proven != (c.covered > 1) {
				t.Errorf("%.0f %% where 50 are wanted: got proven %v", got.Percent, report.Summary.Proven)
			}
			var text strings.Builder
			report.Print(&text)
			if c.missing == "ES-20 ES-34 VE-13" && (!strings.Contains(text.String(), "still without: ES-20 ES-34") || !strings.Contains(text.String(), "VE-13 has none: it is too hard")) {
				t.Errorf("got %s", &text)
			}
		})
	}
}

func TestCheckExemptions(t *testing.T) {
	mutants := []Mutant{
		{ID: "m", Target: Proxy, Requirement: "ES-20"}, {ID: "n", Target: Frontend, Requirement: "ES-20", Twins: map[string][]string{"ES-10": {"b"}}},
	}
	for name, c := range map[string]struct {
		exempt []Exemption
		want   string
	}{
		"none":                  {nil, ""},
		"good":                  {[]Exemption{{"VE-13", Proxy, "why"}}, ""},
		"without a reason":      {[]Exemption{{"VE-13", Proxy, " "}}, "say why"},
		"twice":                 {[]Exemption{{"VE-13", Proxy, "why"}, {"VE-13", Proxy, "because"}}, "twice"},
		"only for a pair":       {[]Exemption{{"ES-34", Proxy, "why"}}, ""},
		"without a case":        {[]Exemption{{"ES-34", Frontend, "why"}}, "no MUST that has a case"},
		"no MUST":               {[]Exemption{{"OPS-11", Proxy, "why"}}, "no MUST that has a case"},
		"unknown":               {[]Exemption{{"ES-999", Proxy, "why"}}, "no MUST that has a case"},
		"with a mutant":         {[]Exemption{{"ES-20", Proxy, "why"}}, "it has a mutant"},
		"with a mutant's twins": {[]Exemption{{"ES-10", Frontend, "why"}}, "it has a mutant"},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkExemptions(c.exempt, mutants, catalogue(t), coveredCases)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, errExemption) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestLoadExemptions(t *testing.T) {
	if _, err := loadExemptions(filepath.Join(root, "fixtures", "mutants", "exempt.yaml")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "exempt.yaml")
	for text, good := range map[string]bool{
		"": true, "[]": true, "- {requirement: ES-20, target: proxy, reason: why}": true, "- {requirement: ES-20, because: why}": false, "{": false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadExemptions(file); (err == nil) != good {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if _, err := loadExemptions(file + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}
