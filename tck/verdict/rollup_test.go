package verdict

import (
	"slices"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// rules is a catalogue small enough to see through.
func rules() *spec.Catalogue {
	must := func(id string, party spec.Party, profile string) spec.Requirement {
		area, _, _ := strings.Cut(id, "-")
		return spec.Requirement{ID: id, Area: area, Level: spec.Must, Party: party, Profile: profile, Text: "MUST do " + id}
	}
	untestable := must("ES-05", spec.Proxy, "core")
	untestable.NotTested = "the clock cannot be seen"
	should := must("ES-06", spec.Proxy, "core")
	should.Level = spec.ShouldNot
	return &spec.Catalogue{
		Requirements: []spec.Requirement{
			must("ES-01", spec.Proxy, "core"),
			must("ES-02", spec.Frontend, "core"),
			must("ES-03", spec.Both, "core"),
			must("ES-04", spec.Proxy, "crdt"),
			untestable,
			should,
			{ID: "ES-07", Area: "ES", Withdrawn: "replaced"},
		},
	}
}

func proves(id string, v Verdict, requirements ...string) Case {
	c := Case{ID: id, Verdict: v, Requirements: requirements}
	switch v {
	case Failed, Flaky:
		c.Failure = &suite.Failure{Requirement: requirements[0]}
	case Passed:
	default:
		c.Reason = "because of " + id
	}
	return c
}

// both is the claim of a proxy and a frontend that both only claim core.
func both() Claims {
	return Claims{spec.Proxy: {"core": true}, spec.Frontend: {"core": true}}
}

func roll(cases []Case, claims Claims, announced []Announced, faults ...string) *Report {
	r := &Report{Cases: cases}
	Roll(r, rules(), claims, announced, faults)
	return r
}

func find(t *testing.T, r *Report, id string) Requirement {
	t.Helper()
	i := slices.IndexFunc(r.Requirements, func(q Requirement) bool { return q.ID == id })
	if i < 0 {
		t.Fatalf("%s is not in the report", id)
	}
	return r.Requirements[i]
}

// allPass are cases for every requirement that can be judged in the catalogue above.
func allPass() []Case {
	return []Case{
		proves("a/p/one", Passed, "ES-01"), proves("a/f/two", Passed, "ES-02"), proves("a/p/three", Passed, "ES-03"), proves("a/p/six", Passed, "ES-06"),
	}
}

func TestVerdictOfARequirement(t *testing.T) {
	p, f, e, na, nr := proves("a/p/p", Passed, "ES-01"), proves("a/p/f", Failed, "ES-01"), proves("a/p/e", Error, "ES-01"),
		proves("a/p/na", NotApplicable, "ES-01"), proves("a/p/nr", NotRun, "ES-01")
	for _, tt := range []struct {
		name   string
		cases  []Case
		want   Verdict
		reason string
	}{
		{"passes when all that ran passed", []Case{p, na, nr}, Passed, ""},
		{"one failure outweighs all", []Case{p, e, f}, Failed, ""},
		{"flaky outweighs a pass and an error", []Case{p, e, proves("a/p/k", Flaky, "ES-01")}, Flaky, ""},
		{"a failure outweighs flaky", []Case{proves("a/p/k", Flaky, "ES-01"), f}, Failed, ""},
		{"an error outweighs a pass", []Case{p, e}, Error, ""},
		{"none ran", []Case{nr}, NotRun, "because of a/p/nr"},
		{"none applied", []Case{na}, NotRun, "because of a/p/na"},
		{"no case", nil, NotRun, "no case of the kit proves it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := find(t, roll(tt.cases, both(), nil), "ES-01")
			if got.Verdict != tt.want || !strings.Contains(got.Reason, tt.reason) {
				t.Errorf("verdict %s, reason %q; want %s, reason with %q", got.Verdict, got.Reason, tt.want, tt.reason)
			}
			if len(got.Cases) != len(tt.cases) {
				t.Errorf("cases %v, want %d", got.Cases, len(tt.cases))
			}
		})
	}
}

func TestApplicability(t *testing.T) {
	r := roll(allPass(), both(), nil)
	if got := find(t, r, "ES-04"); got.Verdict != NotApplicable || !strings.Contains(got.Reason, "crdt") {
		t.Errorf("a profile that is not claimed: %s (%s), want not applicable", got.Verdict, got.Reason)
	}
	if got := find(t, r, "ES-05"); got.Verdict != NotRun || !got.Untestable || !strings.Contains(got.Reason, "the clock cannot be seen") {
		t.Errorf("untestable: %+v, want not run with SPEC.md's reason", got)
	}
	if slices.ContainsFunc(r.Requirements, func(q Requirement) bool { return q.ID == "ES-07" }) {
		t.Error("a withdrawn requirement is in the report")
	}
	alone := roll(allPass(), Claims{spec.Frontend: {"core": true}}, nil)
	if got := find(t, alone, "ES-01"); got.Verdict != NotApplicable || !strings.Contains(got.Reason, "not judged in this run") {
		t.Errorf("without a proxy: %s (%s), want not applicable", got.Verdict, got.Reason)
	}
	if got := find(t, alone, "ES-03"); got.Verdict != Passed {
		t.Errorf("a requirement on both, judged on one: %s, want passed", got.Verdict)
	}
}

// A frontend judged alone is not to blame that the kit proves a requirement on both parties by the proxy only.
func TestRequirementOnBothProvedByTheOtherPartyOnly(t *testing.T) {
	other := proves("a/p/three", NotRun, "ES-03")
	other.NoTarget = true
	alone := roll([]Case{proves("a/f/two", Passed, "ES-02"), other}, Claims{spec.Frontend: {"core": true}}, nil)
	if got := find(t, alone, "ES-03"); got.Verdict != NotApplicable {
		t.Errorf("verdict %s, want not applicable", got.Verdict)
	}
	if alone.Summary.Conclusion != Conforms {
		t.Errorf("conclusion %s (%v), want passed", alone.Summary.Conclusion, alone.Summary.Problems)
	}
}

func TestConclusion(t *testing.T) {
	with := func(c Case) []Case {
		cases := allPass()
		i := slices.IndexFunc(cases, func(k Case) bool { return k.ID == c.ID })
		cases[i] = c
		return cases
	}
	announced := []Announced{{Case: "a/p/one", Reason: "known", line: 3}}
	byRequirement := []Announced{{Requirement: "ES-01", Reason: "known", line: 4}}
	for _, tt := range []struct {
		name      string
		cases     []Case
		announced []Announced
		faults    []string
		want      Conclusion
		problem   string
	}{
		{name: "all passed, the untestable aside", cases: allPass(), want: Conforms},
		{name: "a MUST failed", cases: with(proves("a/p/one", Failed, "ES-01")), want: Breaks, problem: "ES-01 (MUST) is broken"},
		{name: "a SHOULD NOT failed", cases: with(proves("a/p/six", Failed, "ES-06")), want: Conforms},
		{name: "a flaky MUST did not pass", cases: with(proves("a/p/one", Flaky, "ES-01")), want: Breaks, problem: "ES-01 (MUST) is broken now and then"},
		{name: "a flaky SHOULD NOT", cases: with(proves("a/p/six", Flaky, "ES-06")), want: Conforms},
		{name: "flaky and announced", cases: with(proves("a/p/one", Flaky, "ES-01")), announced: announced, want: Conforms},
		{name: "flaky and announced by requirement", cases: with(proves("a/p/one", Flaky, "ES-01")), announced: byRequirement, want: Conforms},
		{name: "an announced failure", cases: with(proves("a/p/one", Failed, "ES-01")), announced: announced, want: Conforms},
		{name: "announced by requirement", cases: with(proves("a/p/one", Failed, "ES-01")), announced: byRequirement, want: Conforms},
		{name: "announced, but another case of it failed too", cases: append(with(proves("a/p/one", Failed, "ES-01")), proves("a/p/more", Failed, "ES-01")), announced: announced, want: Breaks, problem: "ES-01"},
		{name: "announced case passes", cases: allPass(), announced: announced, want: Breaks, problem: "case a/p/one passes, but a failure was announced in line 3"},
		{name: "announced requirement passes", cases: allPass(), announced: byRequirement, want: Breaks, problem: "requirement ES-01 passes"},
		{name: "announced and in error", cases: with(proves("a/p/one", Error, "ES-01")), announced: announced, want: Incomplete, problem: "the kit is at fault"},
		{name: "an error of the kit", cases: with(proves("a/p/one", Error, "ES-01")), want: Incomplete, problem: "case a/p/one: the kit is at fault"},
		{name: "an error of the kit in a SHOULD", cases: with(proves("a/p/six", Error, "ES-06")), want: Incomplete, problem: "the kit is at fault"},
		{name: "a MUST without a case", cases: allPass()[1:], want: Incomplete, problem: "1 applicable MUST not judged, no case of the kit proves it: ES-01"},
		{name: "a MUST without a case, announced", cases: allPass()[1:], announced: byRequirement, want: Conforms},
		{name: "a target that did not come up", cases: with(proves("a/p/one", NotRun, "ES-01")), faults: []string{"proxy did not come up"}, want: Incomplete, problem: "did not come up"},
		{name: "nothing ran", cases: nil, want: Incomplete, problem: "no case ran"},
		{name: "failed and incomplete is failed", cases: with(proves("a/p/one", Failed, "ES-01")), faults: []string{"x"}, want: Breaks, problem: "ES-01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := roll(tt.cases, both(), tt.announced, tt.faults...).Summary
			if got.Conclusion != tt.want {
				t.Errorf("conclusion %s, want %s (problems %v)", got.Conclusion, tt.want, got.Problems)
			}
			if !strings.Contains(strings.Join(got.Problems, "\n"), tt.problem) {
				t.Errorf("problems %q, want one with %q", got.Problems, tt.problem)
			}
			if (len(got.Problems) == 0) != (tt.want == Conforms) {
				t.Errorf("conclusion %s with the problems %q", got.Conclusion, got.Problems)
			}
		})
	}
}

func TestPartialRunToleratesWhatWasLeftOut(t *testing.T) {
	left := proves("a/p/one", NotRun, "ES-01")
	left.Skipped = true
	down := proves("a/f/two", NotRun, "ES-02")
	r := &Report{Selection: Selection{Partial: true}, Cases: []Case{left, down, proves("a/p/three", Passed, "ES-03")}}
	Roll(r, rules(), both(), nil, nil)
	problems := strings.Join(r.Summary.Problems, "\n")
	if strings.Contains(problems, "ES-01") {
		t.Errorf("what was left out by choice is a problem: %s", problems)
	}
	if !r.LeftOut(find(t, r, "ES-01")) || r.LeftOut(find(t, r, "ES-02")) || r.LeftOut(find(t, r, "ES-03")) {
		t.Error("ES-01 was left out, ES-02 and ES-03 were not")
	}
	if !strings.Contains(problems, "ES-02") || r.Summary.Conclusion != Incomplete {
		t.Errorf("what was chosen and did not run is no problem: %s, %s", r.Summary.Conclusion, problems)
	}
}

func TestCounts(t *testing.T) {
	cases := []Case{
		proves("a/p/one", Failed, "ES-01"), proves("a/f/two", Error, "ES-02"), proves("a/p/three", Passed, "ES-03"), proves("a/p/six", NotApplicable, "ES-06"),
	}
	s := roll(cases, both(), []Announced{{Case: "a/p/one", Reason: "known"}}).Summary
	if want := (Counts{Applicable: 4, Passed: 1, Failed: 1, Error: 1, NotRun: 1, Untestable: 1, Announced: 1, NotApplicable: 1}); s.Requirements.Must != want {
		t.Errorf("MUST %+v, want %+v", s.Requirements.Must, want)
	}
	if want := (Counts{Applicable: 1, NotRun: 1}); s.Requirements.Should != want {
		t.Errorf("SHOULD %+v, want %+v (SHOULD NOT counts there)", s.Requirements.Should, want)
	}
	if want := (CaseCounts{Total: 4, Passed: 1, Failed: 1, Error: 1, NotApplicable: 1, Announced: 1}); s.Cases != want {
		t.Errorf("cases %+v, want %+v", s.Cases, want)
	}
}

func TestJudged(t *testing.T) {
	c := Counts{Applicable: 20, Passed: 1, Failed: 2, Flaky: 3, Error: 4, NotRun: 10, NotApplicable: 7}
	if got := c.Judged(); got != 10 {
		t.Errorf("%d, want 10", got)
	}
}

func TestCheckCases(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		c    suite.Case
		want string
	}{
		{suite.Case{ID: "a/b", Kind: suite.Proxy, Requirements: []string{"ES-20"}}, ""},
		{suite.Case{ID: "a/b", Kind: suite.Proxy, Requirements: []string{"ES-999"}}, "unknown requirement ES-999; did you mean ES-"},
		{suite.Case{ID: "a/b", Kind: suite.Frontend, Requirements: []string{"ES-20"}}, "ES-20 binds the proxy"},
		{suite.Case{ID: "a/b", Kind: suite.Pair, Requirements: []string{"ES-20"}}, ""},
		{suite.Case{ID: "a/b", Kind: suite.Proxy, Requirements: []string{"DISC-05"}}, "DISC-05 binds the frontend"},
	} {
		err := CheckCases(catalogue, []suite.Case{tt.c})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.c.Requirements, err, tt.want)
		}
	}
	i := slices.IndexFunc(catalogue.Requirements, func(r spec.Requirement) bool { return !r.InForce() })
	if i >= 0 {
		err := CheckCases(catalogue, []suite.Case{{ID: "a/b", Kind: suite.Pair, Requirements: []string{catalogue.Requirements[i].ID}}})
		if err == nil || !strings.Contains(err.Error(), "withdrawn") {
			t.Errorf("a withdrawn requirement: %v", err)
		}
	}
}
