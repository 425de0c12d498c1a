package verdict

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// baselineReport breaks four requirements by cases, one of them a SHOULD NOT, one now and then.
func baselineReport() *Report {
	return roll([]Case{
		proves("a/p/one", Failed, "ES-01"), proves("a/p/more", Failed, "ES-01"), proves("a/f/two", Passed, "ES-02"), proves("a/p/three", Flaky, "ES-03"),
		proves("a/p/six", Failed, "ES-06"), proves("a/p/out", NotRun, "ES-01"),
	}, both(), nil)
}

const oldBaseline = `# Why we fail.

# The first.
- case: a/p/one # since 1.2
  reason: our issue 5
- case: a/f/two
  reason: was broken until today
- case: a/p/gone
  reason: there is no such case any more
- case: a/p/out
  reason: needs a machine that we have not
- requirement: ES-02
  reason: passes
`

func TestBaseline(t *testing.T) {
	r := baselineReport()
	text, done, err := Baseline("known.yaml", []byte(oldBaseline), r)
	if err != nil {
		t.Fatal(err)
	}
	want := `# Why we fail.

# The first.
- case: a/p/one # since 1.2
  reason: our issue 5
- case: a/p/out
  reason: needs a machine that we have not
- case: a/p/more
  reason: 'FILL IN: why ES-01: expected , got'
`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if !slices.Equal(done.Kept, []string{"case a/p/one", "case a/p/out"}) || !slices.Equal(done.Added, []string{"case a/p/more"}) ||
		!slices.Equal(done.Removed, []string{"case a/f/two", "case a/p/gone", "requirement ES-02"}) || !slices.Equal(done.Flaky, []string{"a/p/three"}) {
		t.Errorf("%+v", done)
	}
	again, done, err := Baseline("known.yaml", text, r)
	if err != nil || string(again) != want || len(done.Added)+len(done.Removed) != 0 {
		t.Errorf("twice is not once: %v\n%s", err, again)
	}
	covered, _, err := Baseline("known.yaml", []byte("- requirement: ES-01\n  reason: all of it\n"), r)
	if err != nil || strings.Contains(string(covered), "FILL IN") {
		t.Errorf("a requirement covers its cases: %v\n%s", err, covered)
	}
}

// What the kit writes is refused until somebody says why, and accepted then: the run conforms.
func TestBaselineMustBeFilledIn(t *testing.T) {
	r := baselineReport()
	text, _, err := Baseline("known.yaml", nil, r)
	if err != nil {
		t.Fatal(err)
	}
	cases := []suite.Case{{ID: "a/p/one"}, {ID: "a/p/more"}}
	if _, err := ParseAnnounced("known.yaml", text, rules(), cases); !errors.Is(err, ErrAnnounced) || !strings.Contains(err.Error(), "known.yaml:3: case a/p/one still says FILL IN") {
		t.Errorf("a file that was not filled in: %v\n%s", err, text)
	}
	announced, err := ParseAnnounced("known.yaml", []byte(strings.ReplaceAll(string(text), "FILL IN", "known")), rules(), cases)
	if err != nil {
		t.Fatal(err)
	}
	r.Cases[3].Verdict = Passed
	Roll(r, rules(), both(), announced, nil)
	if r.Summary.Conclusion != Conforms {
		t.Errorf("%s: %v", r.Summary.Conclusion, r.Summary.Problems)
	}
	empty, done, err := Baseline("known.yaml", text, roll(allPass(), both(), nil))
	if err != nil || len(done.Removed) != 2 {
		t.Errorf("%v, %+v", err, done)
	}
	if entries, err := ParseAnnounced("known.yaml", empty, rules(), cases); err != nil || len(entries) != 0 {
		t.Errorf("%v\n%s", err, empty)
	}
}

func TestBaselineOfSomethingElse(t *testing.T) {
	for _, text := range []string{"a: b\n", "- [\n", "- just words\n", "- case: a\n  reasn: b\n", "[]\n---\n[]\n", strings.Repeat("#", maxAnnounced+1)} {
		if _, _, err := Baseline("other.yaml", []byte(text), baselineReport()); !errors.Is(err, ErrAnnounced) || !strings.Contains(err.Error(), "other.yaml") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// Whatever list is there, the new one can be read, announces each failure once, and is stable.
func FuzzBaseline(f *testing.F) {
	f.Add([]byte(oldBaseline))
	f.Add([]byte("[]"))
	f.Add([]byte("- {case: a/p/one, reason: x}\n- {case: a/p/one, reason: y}\n"))
	f.Add([]byte("- &a {case: a/p/one, reason: x}\n- *a\n"))
	catalogue := &spec.Catalogue{}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := baselineReport()
		first, _, err := Baseline("fuzz", text, r)
		if err != nil {
			return
		}
		second, done, err := Baseline("fuzz", first, r)
		if err != nil || len(done.Added) != 0 || len(done.Removed) != 0 || !bytes.Equal(second, first) {
			t.Errorf("%v, %+v\n%q\n%q", err, done, first, second)
		}
		if _, err := ParseAnnounced("fuzz", first, catalogue, nil); err != nil && !errors.Is(err, ErrAnnounced) {
			t.Error(err)
		}
	})
}
