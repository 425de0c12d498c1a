package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// maxSummary is how many rows the summary's tables have before they count: a CI server takes no more than a mebibyte.
const maxSummary = 100

// signs are the conclusions, as a list of jobs shows beside words.
var signs = map[verdict.Conclusion]string{verdict.Conforms: "✅", verdict.Breaks: "❌", verdict.Incomplete: "⚠️"}

// conclusionText is the conclusion in the middle of a sentence.
func conclusionText(r *verdict.Report) string {
	return strings.ToLower(conclusionWord(r.Summary.Conclusion))
}

// Summary writes the report's gist as Markdown: for $GITHUB_STEP_SUMMARY, a pull request or a README.
func Summary(w io.Writer, r *verdict.Report) error {
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "### %s Cloudstate TCK: %s\n\n%s\n\n", signs[r.Summary.Conclusion], conclusionText(r), cell(runLine(r)))
	if r.Selection.Partial {
		b.WriteString("A selection of cases, which makes no claim of conformance.\n\n")
	}
	for i, p := range r.Summary.Problems {
		if i == maxProblems {
			fmt.Fprintf(&b, "- and %d more\n", len(r.Summary.Problems)-i)
			break
		}
		fmt.Fprintf(&b, "- %s\n", cell(clip(p, 400)))
	}
	summaryFailures(&b, r)
	shown := passedOf
	if r.Selection.Partial {
		shown = passedOfJudged
	}
	b.WriteString("\n| area | MUST | SHOULD | MAY |\n|---|---|---|---|\n")
	for _, area := range areasOf(catalogue, r.Requirements) {
		var counts verdict.RequirementCounts
		for _, requirement := range r.Requirements {
			if requirement.Area == area.Code {
				counts.Add(requirement)
			}
		}
		if shown(counts.Must)+shown(counts.Should)+shown(counts.May) != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(area.Title), shown(counts.Must), shown(counts.Should), shown(counts.May))
		}
	}
	all := r.Summary.Requirements
	fmt.Fprintf(&b, "| **all** | %s | %s | %s |\n", shown(all.Must), shown(all.Should), shown(all.May))
	k := r.Summary.Cases
	fmt.Fprintf(&b, "\n%d cases: %d passed, %d failed, %s%d announced, %d in error, %d not applicable, %d not run. %s, seed %d.\n",
		k.Total, k.Passed, k.Failed, flakies(k), k.Announced, k.Error, k.NotApplicable, k.NotRun, cell(r.Kit), r.Seed)
	_, err = io.WriteString(w, b.String())
	return err
}

// passedOf is a cell of the table of areas; what SPEC.md says cannot be tested is not held against anyone.
func passedOf(c verdict.Counts) string {
	if c.Applicable == c.Untestable {
		return ""
	}
	return fmt.Sprintf("%d of %d", c.Passed, c.Applicable-c.Untestable)
}

// passedOfJudged is the same for a selection of cases.
func passedOfJudged(c verdict.Counts) string {
	if c.Judged() == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d", c.Passed, c.Judged())
}

// summaryFailures writes the table of what failed and of the kit's errors.
func summaryFailures(b *strings.Builder, r *verdict.Report) {
	n := 0
	for _, k := range r.Cases {
		if !k.Verdict.Broken() && k.Verdict != verdict.Error {
			continue
		}
		if n == 0 {
			b.WriteString("\n| case | breaks | expected | got |\n|---|---|---|---|\n")
		}
		if n++; n > maxSummary {
			continue
		}
		breaks, expected, got := "", "the kit to do its part", k.Reason
		if k.Failure != nil {
			breaks, expected, got = k.Failure.Requirement, k.Failure.Expected, ifFlaky(k)+k.Failure.Got
		}
		if k.Announced != "" {
			breaks += ", announced: " + k.Announced
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", k.ID, cell(clip(breaks, 200)), cell(clip(expected, 200)), cell(clip(got, 200)))
	}
	if n > maxSummary {
		fmt.Fprintf(b, "\nAnd %d more.\n", n-maxSummary)
	}
}
