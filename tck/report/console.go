package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// wireLines is how many recorded messages the console shows of a failed case; the HTML page shows all.
const wireLines = 8

// Console writes the summary that a person reads at the end of a run. paths are where the written reports lie; they may be empty.
// The error is w's.
func Console(w io.Writer, r *verdict.Report, catalogue *spec.Catalogue, colour bool, paths []string) error {
	c := console{style: style{colour}, report: r, catalogue: catalogue}
	c.header()
	c.areas()
	c.observed()
	c.failures()
	c.errors()
	c.unjudged()
	c.conclusion(paths)
	_, err := io.WriteString(w, c.text.String())
	return err
}

type console struct {
	style
	text      strings.Builder
	report    *verdict.Report
	catalogue *spec.Catalogue
}

func (c *console) linef(format string, args ...any) { fmt.Fprintf(&c.text, format+"\n", args...) }

func (c *console) header() {
	r := c.report
	c.linef("")
	c.linef("%s  Cloudstate %s, protocol %s", c.paint("Verdict on "+r.Target.Name, bold), r.Spec.Version, r.Spec.Protocol)
	for _, party := range []spec.Party{spec.Proxy, spec.Frontend} {
		profiles, judged := r.Target.Claims[party]
		if !judged {
			continue
		}
		version := r.Target.ProxyVersion
		if party == spec.Frontend {
			version = r.Target.FrontendVersion
		}
		if version == "" {
			version = "(says nothing of its version)"
		}
		c.linef("  %-9s %s, claims %s", party, version, strings.Join(profiles, ", "))
	}
	c.linef("")
}

// tally counts the requirements of one area by class of level.
type tally struct {
	title  string
	counts verdict.RequirementCounts
}

// areas prints the table of areas, in the order of the specification.
func (c *console) areas() {
	c.linef("  %s", c.paint(fmt.Sprintf("%-6s %-34s %16s %12s %10s", "area", "requirements that applied, passed", "MUST", "SHOULD", "MAY"), dim))
	for _, area := range c.catalogue.Areas {
		t := tally{title: area.Title}
		for _, r := range c.report.Requirements {
			if r.Area == area.Code {
				t.counts.Add(r)
			}
		}
		if t.counts.Must.Applicable+t.counts.Should.Applicable+t.counts.May.Applicable == 0 {
			continue
		}
		c.linef("  %s %-34s %s %s %s  %s", c.paint(fmt.Sprintf("%-6s", area.Code), bold), clip(t.title, 34),
			c.cell(t.counts.Must, 16), c.cell(t.counts.Should, 12), c.cell(t.counts.May, 10), c.remarks(t.counts))
	}
	c.linef("")
}

func (c *console) cell(n verdict.Counts, width int) string {
	if n.Applicable == 0 {
		return c.paint(fmt.Sprintf("%*s", width, "-"), dim)
	}
	text := fmt.Sprintf("%*s", width, fmt.Sprintf("%d of %d", n.Passed, n.Applicable))
	switch {
	case n.Failed+n.Flaky+n.Error > n.Announced:
		return c.paint(text, red)
	case n.Passed < n.Applicable-n.Untestable:
		return c.paint(text, yellow)
	}
	return c.paint(text, green)
}

// remarks says what the numbers of a line leave open.
func (c *console) remarks(n verdict.RequirementCounts) string {
	var sum verdict.Counts
	for _, k := range []verdict.Counts{n.Must, n.Should, n.May} {
		sum.Failed += k.Failed
		sum.Flaky += k.Flaky
		sum.Error += k.Error
		sum.NotRun += k.NotRun - k.Untestable
		sum.Untestable += k.Untestable
		sum.Announced += k.Announced
	}
	var parts []string
	for _, part := range []struct {
		n      int
		what   string
		colour string
	}{
		{sum.Failed, "failed", red}, {sum.Flaky, "flaky", red}, {sum.Error, "in error", red}, {sum.NotRun, "not judged", yellow},
		{sum.Announced, "announced", dim}, {sum.Untestable, "not testable", dim},
	} {
		if part.n > 0 {
			parts = append(parts, c.paint(fmt.Sprintf("%d %s", part.n, part.what), part.colour))
		}
	}
	return strings.Join(parts, ", ")
}

// observed prints what cases noted under an environment: what was done to the targets, and what came of it.
func (c *console) observed() {
	if c.report.Target.Environment == "" {
		return
	}
	for _, k := range c.report.Cases {
		for _, note := range k.Notes {
			c.linef("  %s %s", c.paint(k.ID, bold), wrap(note, "            "))
		}
	}
	c.linef("")
}

// failures prints each failed case: what was expected, what came, and what to do. Announced ones take one line.
func (c *console) failures() {
	for _, k := range c.report.Cases {
		if !k.Verdict.Broken() {
			continue
		}
		if k.Announced != "" {
			c.linef("  %s %s  %s", c.paint("announced", yellow), k.ID, c.paint(wrap(k.Announced, "            "), dim))
			continue
		}
		sign := "✗"
		if k.Verdict == verdict.Flaky {
			sign = "≈"
		}
		c.linef("%s %s  %s", c.paint(sign, red, bold), c.paint(k.ID, bold), k.Title)
		if k.Verdict == verdict.Flaky {
			c.field("flaky", k.Notes[0])
		}
		if k.Failure != nil {
			c.field("requires", c.requirement(k.Failure.Requirement))
			c.field("expected", k.Failure.Expected)
			c.field("got", k.Failure.Got)
			if k.Failure.Remedy != "" {
				c.field("to do", k.Failure.Remedy)
			}
		}
		c.wire(k)
		c.linef("")
	}
}

func (c *console) requirement(id string) string {
	for _, r := range c.report.Requirements {
		if r.ID == id {
			return fmt.Sprintf("%s (%s) %s", r.ID, r.Party, r.Text)
		}
	}
	return id
}

func (c *console) field(name, text string) {
	c.linef("  %s %s", c.paint(fmt.Sprintf("%-9s", name), blue), wrap(text, "            "))
}

// wire prints the last messages of the conversation.
func (c *console) wire(k verdict.Case) {
	if len(k.Trace) == 0 {
		return
	}
	shown := k.Trace
	if len(shown) > wireLines {
		shown = shown[len(shown)-wireLines:]
	}
	c.linef("  %s %s", c.paint(fmt.Sprintf("%-9s", "wire"), blue), c.paint(fmt.Sprintf("the last %d of %d messages", len(shown), len(k.Trace)), dim))
	for _, m := range shown {
		c.linef("            %s", c.paint(clip(WireLine(m), width+20), dim))
	}
}

// WireLine renders one recorded message on a line.
func WireLine(m verdict.Message) string {
	method := m.Method
	if i := strings.LastIndexByte(method, '.'); i >= 0 {
		method = method[i+1:]
	}
	line := fmt.Sprintf("%s → %s  %s #%d %s", m.From, m.To, method, m.Stream, m.Kind)
	if m.Body != "" {
		line += " " + m.Body
	}
	return line
}

// errors prints the cases in which the kit was at fault.
func (c *console) errors() {
	for _, k := range c.report.Cases {
		if k.Verdict == verdict.Error {
			c.linef("%s %s  %s", c.paint("!", yellow, bold), c.paint(k.ID, bold), "the kit is at fault; this says nothing about the target")
			c.field("reason", k.Reason)
			c.linef("")
		}
	}
}

// unjudged gathers why cases did not run, one line a reason.
func (c *console) unjudged() {
	type group struct {
		reason string
		word   string
		n      int
	}
	var groups []group
	for _, k := range c.report.Cases {
		word := "not applicable"
		switch k.Verdict {
		case verdict.NotRun:
			word = "not run"
		case verdict.NotApplicable:
		default:
			continue
		}
		found := false
		for i := range groups {
			if groups[i].reason == k.Reason && groups[i].word == word {
				groups[i].n++
				found = true
			}
		}
		if !found {
			groups = append(groups, group{k.Reason, word, 1})
		}
	}
	for _, g := range groups {
		c.linef("  %s %s", c.paint(fmt.Sprintf("%3d %s %-14s", g.n, plural(g.n, "case", "cases"), g.word), dim), wrap(g.reason, strings.Repeat(" ", 26)))
	}
	if len(groups) > 0 {
		c.linef("")
	}
}

// maxProblems is how many problems the last paragraph lists before it counts.
const maxProblems = 15

func (c *console) conclusion(paths []string) {
	s := c.report.Summary
	for i, p := range s.Problems {
		if i == maxProblems {
			c.linef("  - and %d more, see the report", len(s.Problems)-i)
			break
		}
		c.linef("  - %s", wrap(p, "    "))
	}
	if len(s.Problems) > 0 {
		c.linef("")
	}
	must := s.Requirements.Must
	numbers := fmt.Sprintf("%d of %d applicable MUSTs passed", must.Passed, must.Applicable)
	for _, part := range []struct {
		n    int
		what string
	}{
		{must.Failed, "failed"}, {must.Flaky, "flaky"}, {must.Error, "in error"}, {must.NotRun - must.Untestable, "not judged"},
		{must.Untestable, "cannot be tested from outside"}, {must.Announced, "announced"},
	} {
		if part.n > 0 {
			numbers += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	k := s.Cases
	took := time.Duration(c.report.DurationMS) * time.Millisecond
	cases := fmt.Sprintf("%d cases: %d passed, %d failed, %s%d in error, %d not applicable, %d not run, in %s", k.Total, k.Passed, k.Failed, flakies(k), k.Error,
		k.NotApplicable, k.NotRun, took.Round(10*time.Millisecond))
	var word, colour string
	switch s.Conclusion {
	case verdict.Conforms:
		word, colour = "PASSED", green
	case verdict.Breaks:
		word, colour = "FAILED", red
	case verdict.Incomplete:
		word, colour = "INCOMPLETE", yellow
	}
	if c.report.Selection.Partial {
		numbers += "; a selection of cases makes no claim of conformance"
	}
	c.linef("%s  %s", c.paint(" "+word+" ", bold, "7", colour), c.paint(numbers, bold))
	c.linef("%s%s", strings.Repeat(" ", len(word)+4), cases)
	for _, p := range paths {
		c.linef("%s%s", strings.Repeat(" ", len(word)+4), c.paint(p, blue))
	}
}

// flakies counts the flaky cases, if there are any, in the middle of a list.
func flakies(k verdict.CaseCounts) string {
	if k.Flaky == 0 {
		return ""
	}
	return fmt.Sprintf("%d flaky, ", k.Flaky)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// clip cuts text to n characters and to one line.
func clip(text string, n int) string {
	text, _, _ = strings.Cut(text, "\n")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	runes := []rune(text)
	return string(runes[:n-1]) + "…"
}
