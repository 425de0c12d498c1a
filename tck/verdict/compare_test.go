package verdict

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func ids(changes []Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, c.ID)
	}
	return out
}

func TestCompare(t *testing.T) {
	older := roll([]Case{
		proves("a/p/one", Passed, "ES-01"), proves("a/f/two", Failed, "ES-02"), proves("a/p/three", Passed, "ES-03"), proves("a/p/gone", Passed, "ES-01"),
		proves("a/p/six", NotRun, "ES-06"), proves("a/p/four", Failed, "ES-04"),
	}, both(), nil)
	newer := roll([]Case{
		proves("a/p/one", Failed, "ES-01"), proves("a/f/two", Passed, "ES-02"), proves("a/p/three", Failed, "ES-03"), proves("a/p/new", Failed, "ES-03"),
		proves("a/p/six", Failed, "ES-06"), proves("a/p/four", Error, "ES-04"),
	}, both(), []Announced{{Requirement: "ES-03", Reason: "known"}})
	c := Compare(older, newer)
	for _, tt := range []struct {
		name string
		got  []Change
		want []string
	}{
		{"regressions", c.Regressions.Requirements, []string{"ES-01", "ES-06"}},
		{"regressions in cases", c.Regressions.Cases, []string{"a/p/one", "a/p/six"}},
		{"improvements", c.Improvements.Requirements, []string{"ES-02"}},
		{"improvements in cases", c.Improvements.Cases, []string{"a/f/two"}},
		{"others", c.Others.Requirements, []string{"ES-03"}},
		{"others in cases", c.Others.Cases, []string{"a/p/three", "a/p/new", "a/p/four", "a/p/gone"}},
	} {
		if !slices.Equal(ids(tt.got), tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, ids(tt.got), tt.want)
		}
	}
	if got := c.Regressions.Requirements[0]; got.Old != Passed || got.New != Failed || got.Failure == "" || got.Level == "" {
		t.Errorf("%+v", got)
	}
}

// What was left out of the newer run by choice is no regression, and it is said.
func TestCompareWithASelection(t *testing.T) {
	left, leftToo := proves("a/p/one", NotRun, "ES-01"), proves("a/p/of-late", NotRun, "ES-01")
	left.Skipped, leftToo.Skipped = true, true // of which the second was not there before: nothing was lost with it
	newer := &Report{Selection: Selection{Partial: true}, Cases: []Case{left, leftToo, proves("a/f/two", NotRun, "ES-02")}}
	Roll(newer, rules(), both(), nil, nil)
	c := Compare(roll(allPass(), both(), nil), newer)
	if !slices.Equal(ids(c.Regressions.Cases), []string{"a/f/two"}) || !slices.Equal(ids(c.Regressions.Requirements), []string{"ES-02"}) || c.LeftOut != 1 {
		t.Errorf("%+v", c)
	}
}

// Each difference is in exactly one of the three, a report does not differ from itself, and what is a regression one way is none the other way.
func TestCompareIsSound(t *testing.T) {
	verdicts := []Verdict{Passed, Failed, Flaky, Error, NotApplicable, NotRun}
	some := rapid.Custom(func(t *rapid.T) *Report {
		var cases []Case
		for _, id := range []string{"ES-01", "ES-02", "ES-03", "ES-06"} {
			if rapid.Bool().Draw(t, "there") {
				c := Case{ID: "a/p/" + id, Verdict: rapid.SampledFrom(verdicts).Draw(t, "verdict"), Requirements: []string{id}}
				if c.Verdict.Broken() {
					c.Failure = &suite.Failure{Requirement: id}
				}
				cases = append(cases, c)
			}
		}
		return roll(cases, both(), nil)
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := some.Draw(t, "a"), some.Draw(t, "b")
		if c := Compare(a, a); c.Regressions.Len()+c.Improvements.Len()+c.Others.Len() != 0 {
			t.Fatalf("a report differs from itself: %+v", c)
		}
		there, back := Compare(a, b), Compare(b, a)
		if there.Regressions.Len()+there.Improvements.Len()+there.Others.Len() != back.Regressions.Len()+back.Improvements.Len()+back.Others.Len() {
			t.Fatal("there are more differences one way than the other")
		}
		for _, c := range there.Regressions.Cases {
			if slices.Contains(ids(back.Regressions.Cases), c.ID) {
				t.Fatalf("%s is a regression both ways: %s, %s", c.ID, c.Old, c.New)
			}
		}
		if len(there.Improvements.Cases) > len(back.Regressions.Cases) {
			t.Fatal("what passed for the first time is a regression the other way")
		}
	})
}
