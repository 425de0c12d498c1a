package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
)

// Claims says which profiles each judged party claims. A party that is not judged has no entry.
type Claims map[spec.Party]map[string]bool

// Roll fills report's requirements and summary from its cases. faults are what went wrong outside of any case, such as a target that
// never came up; each keeps the run from conforming.
func Roll(report *Report, catalogue *spec.Catalogue, claims Claims, announced []Announced, faults []string) {
	byRequirement := map[string][]*Case{}
	for i := range report.Cases {
		c := &report.Cases[i]
		for _, id := range c.Requirements {
			byRequirement[id] = append(byRequirement[id], c)
		}
	}
	mark(report.Cases, announced)
	report.Requirements = []Requirement{}
	for _, r := range catalogue.Requirements {
		if r.InForce() {
			report.Requirements = append(report.Requirements, judge(r, byRequirement[r.ID], claims, announced))
		}
	}
	report.Summary = summarize(report, announced, faults)
}

// mark notes on each case that did not pass why that was expected, if it was.
func mark(cases []Case, announced []Announced) {
	for i := range cases {
		c := &cases[i]
		for _, a := range announced {
			if a.Case == c.ID || a.Requirement != "" && c.Verdict.Broken() && slices.Contains(c.Requirements, a.Requirement) {
				c.Announced = a.Reason
			}
		}
	}
}

// judge decides one requirement.
func judge(r spec.Requirement, cases []*Case, claims Claims, announced []Announced) Requirement {
	out := Requirement{
		ID: r.ID, Area: r.Area, Level: r.Level, Party: r.Party, Profile: r.Profile, Text: r.Text,
		Untestable: r.NotTested != "", Cases: []string{},
	}
	counts := map[Verdict]int{}
	unannounced := 0
	for _, c := range cases {
		out.Cases = append(out.Cases, c.ID)
		counts[c.Verdict]++
		if c.Verdict.Broken() && c.Announced == "" {
			unannounced++
		}
	}
	reason := ""
	switch {
	case !applies(r, claims, &reason):
		out.Verdict = NotApplicable
	case counts[Failed] > 0:
		out.Verdict = Failed
	case counts[Flaky] > 0:
		out.Verdict = Flaky
	case counts[Error] > 0:
		out.Verdict = Error
	case counts[Passed] > 0:
		out.Verdict = Passed
	case r.Party == spec.Both && onlyOthers(cases):
		out.Verdict, reason = NotApplicable, "only cases with the other party prove it, and none was given"
	default:
		out.Verdict, reason = NotRun, whyNotRun(r, cases)
	}
	out.Reason = reason
	for _, a := range announced {
		if a.Requirement == r.ID && (out.Verdict.Broken() || out.Verdict == NotRun) {
			out.Announced = a.Reason
		}
	}
	if out.Verdict.Broken() && out.Announced == "" && unannounced == 0 {
		out.Announced = cases[slices.IndexFunc(cases, func(c *Case) bool { return c.Verdict.Broken() })].Announced
	}
	return out
}

// applies tells whether a judged party is bound by r and claims its profile; otherwise it sets reason.
func applies(r spec.Requirement, claims Claims, reason *string) bool {
	bound := false
	for _, party := range []spec.Party{spec.Proxy, spec.Frontend, spec.Store, spec.Operator} {
		profiles, judged := claims[party]
		if !judged || !r.Party.Binds(party) {
			continue
		}
		bound = true
		if profiles[r.Profile] {
			return true
		}
	}
	if bound {
		*reason = fmt.Sprintf("the target does not claim the profile %s", r.Profile)
	} else {
		*reason = fmt.Sprintf("binds the %s, which was not judged in this run", r.Party)
	}
	return false
}

// onlyOthers tells whether every case needs a party that was not given.
func onlyOthers(cases []*Case) bool {
	return len(cases) > 0 && !slices.ContainsFunc(cases, func(c *Case) bool { return !c.NoTarget })
}

func whyNotRun(r spec.Requirement, cases []*Case) string {
	switch {
	case r.NotTested != "":
		return "cannot be tested from outside: " + r.NotTested
	case len(cases) == 0:
		return "no case of the kit proves it"
	}
	return "none of its cases ran: " + cases[0].Reason
}

// summarize counts and concludes.
func summarize(report *Report, announced []Announced, faults []string) Summary {
	s := Summary{Problems: []string{}}
	for _, c := range report.Cases {
		s.Cases.add(c)
	}
	for _, r := range report.Requirements {
		s.Requirements.Add(r)
	}
	broken := brokenProblems(report)
	broken = append(broken, stale(report, announced)...)
	open := append(slices.Clone(faults), openProblems(report)...)
	switch {
	case len(broken) > 0:
		s.Conclusion = Breaks
	case len(open) > 0:
		s.Conclusion = Incomplete
	default:
		s.Conclusion = Conforms
	}
	s.Problems = append(append(s.Problems, broken...), open...)
	return s
}

// brokenProblems names the MUSTs that failed, or did so now and then, without having been announced.
func brokenProblems(report *Report) []string {
	var problems []string
	for _, r := range report.Requirements {
		if !r.Level.Mandatory() || r.Announced != "" {
			continue
		}
		switch r.Verdict {
		case Failed:
			problems = append(problems, fmt.Sprintf("%s (%s) is broken", r.ID, r.Level))
		case Flaky:
			problems = append(problems, fmt.Sprintf("%s (%s) is broken now and then: its cases are flaky", r.ID, r.Level))
		default:
		}
	}
	return problems
}

// stale names announced shortfalls that did not happen although they could have.
func stale(report *Report, announced []Announced) []string {
	var problems []string
	for _, a := range announced {
		var happened bool
		if a.Case != "" {
			i := slices.IndexFunc(report.Cases, func(c Case) bool { return c.ID == a.Case })
			happened = i < 0 || report.Cases[i].Verdict != Passed
		} else {
			i := slices.IndexFunc(report.Requirements, func(r Requirement) bool { return r.ID == a.Requirement })
			// A run that leaves cases out may have left out just those that fail.
			happened = i < 0 || report.Requirements[i].Verdict != Passed || report.Selection.Partial && leftOut(report, report.Requirements[i])
		}
		if !happened {
			problems = append(problems, fmt.Sprintf("%s passes, but a failure was announced in line %d of the expected-failures file: remove the entry", a, a.line))
		}
	}
	return problems
}

// openProblems names what keeps the run from having judged everything that applies.
func openProblems(report *Report) []string {
	var problems []string
	if !slices.ContainsFunc(report.Cases, func(c Case) bool { return c.Verdict == Passed || c.Verdict.Broken() || c.Verdict == Error }) {
		problems = append(problems, "no case ran, so nothing was judged")
	}
	for _, c := range report.Cases {
		if c.Verdict == Error {
			reason, _, _ := strings.Cut(c.Reason, "\n")
			problems = append(problems, fmt.Sprintf("case %s: the kit is at fault: %s", c.ID, reason))
		}
	}
	var reasons []string
	unjudged := map[string][]string{}
	for _, r := range report.Requirements {
		if !r.Level.Mandatory() || r.Verdict != NotRun || r.Untestable || r.Announced != "" {
			continue
		}
		if report.LeftOut(r) {
			continue
		}
		if unjudged[r.Reason] == nil {
			reasons = append(reasons, r.Reason)
		}
		unjudged[r.Reason] = append(unjudged[r.Reason], r.ID)
	}
	for _, reason := range reasons {
		ids := unjudged[reason]
		problems = append(problems, fmt.Sprintf("%d applicable MUST not judged, %s: %s", len(ids), reason, strings.Join(ids, ", ")))
	}
	return problems
}

// LeftOut tells whether a requirement of the report was not judged because whoever ran the kit chose other cases.
func (r *Report) LeftOut(q Requirement) bool {
	return r.Selection.Partial && q.Verdict == NotRun && leftOut(r, q)
}

// Judged is how many came to a verdict: Passed + Failed + Flaky + Error.
func (c *Counts) Judged() int { return c.Passed + c.Failed + c.Flaky + c.Error }

// leftOut tells whether r was not judged because whoever ran the kit chose other cases.
func leftOut(report *Report, r Requirement) bool {
	if len(r.Cases) == 0 {
		return true // a partial run makes no claim, so a gap of the kit is not its business
	}
	for _, c := range report.Cases {
		if c.Skipped && slices.Contains(r.Cases, c.ID) {
			return true
		}
	}
	return false
}

// Add counts r under the class of its level.
func (c *RequirementCounts) Add(r Requirement) {
	switch r.Level.Class() {
	case spec.Must:
		c.Must.add(r)
	case spec.Should:
		c.Should.add(r)
	default:
		c.May.add(r)
	}
}

func (c *Counts) add(r Requirement) {
	if r.Verdict == NotApplicable {
		c.NotApplicable++
		return
	}
	c.Applicable++
	switch r.Verdict {
	case Passed:
		c.Passed++
	case Failed:
		c.Failed++
	case Flaky:
		c.Flaky++
	case Error:
		c.Error++
	default:
		c.NotRun++
		if r.Untestable {
			c.Untestable++
		}
	}
	if r.Announced != "" {
		c.Announced++
	}
}

func (c *CaseCounts) add(k Case) {
	c.Total++
	if k.Verdict.Broken() && k.Announced != "" {
		c.Announced++
	}
	switch k.Verdict {
	case Passed:
		c.Passed++
	case Failed:
		c.Failed++
	case Flaky:
		c.Flaky++
	case Error:
		c.Error++
	case NotApplicable:
		c.NotApplicable++
	default:
		c.NotRun++
	}
}
