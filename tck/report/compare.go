package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// groups are the parts of a comparison in the order in which they matter.
func groups(c verdict.Comparison) []struct {
	name, colour string
	verdict.Changes
} {
	return []struct {
		name, colour string
		verdict.Changes
	}{
		{"Regressions", red, c.Regressions}, {"Improvements", green, c.Improvements}, {"Other changes", dim, c.Others},
	}
}

// said is a verdict of one of two reports, of which the other may not have the thing at all.
func said(v verdict.Verdict) string {
	if v == "" {
		return "absent"
	}
	return word(v)
}

// because explains a change.
func because(c verdict.Change) string {
	switch {
	case c.Announced != "":
		return "announced: " + c.Announced
	case c.New.Broken():
		return c.Failure
	}
	return ""
}

// Comparison writes how two reports differ, for a person at a terminal. The error is w's.
func Comparison(w io.Writer, c verdict.Comparison, colour bool) error {
	s := style{colour}
	var b strings.Builder
	fmt.Fprintf(&b, "old  %s\nnew  %s\n", runLine(c.Old), runLine(c.New))
	for _, g := range groups(c) {
		if g.Len() == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", s.paint(g.name, bold, g.colour))
		for _, part := range [][]verdict.Change{g.Requirements, g.Cases} {
			for _, change := range part {
				id := change.ID
				if change.Level != "" {
					id += " (" + string(change.Level) + ")"
				}
				fmt.Fprintf(&b, "  %-44s %s → %s\n", id, said(change.Old), said(change.New))
				if why := because(change); why != "" {
					fmt.Fprintf(&b, "      %s\n", s.paint(wrap(clip(why, 400), "      "), dim))
				}
			}
		}
	}
	fmt.Fprintf(&b, "\n%s\n", s.paint(comparisonLine(c), bold))
	_, err := io.WriteString(w, b.String())
	return err
}

// ComparisonMarkdown writes the same for a pull request or a job's summary. The error is w's.
func ComparisonMarkdown(w io.Writer, c verdict.Comparison) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n| | |\n|---|---|\n| old | %s |\n| new | %s |\n", comparisonLine(c), cell(runLine(c.Old)), cell(runLine(c.New)))
	for _, g := range groups(c) {
		if g.Len() == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n#### %s\n\n| what | old | new | why |\n|---|---|---|---|\n", g.name)
		for _, part := range [][]verdict.Change{g.Requirements, g.Cases} {
			for _, change := range part {
				id := change.ID
				if change.Level != "" {
					id = "**" + id + "** " + string(change.Level)
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", id, said(change.Old), said(change.New), cell(clip(because(change), 300)))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// comparisonLine is the comparison in a sentence.
func comparisonLine(c verdict.Comparison) string {
	count := func(n verdict.Changes, one, many string) string {
		return fmt.Sprintf("%d %s (%d %s)", n.Len(), plural(n.Len(), one, many), len(n.Requirements), plural(len(n.Requirements), "requirement", "requirements"))
	}
	line := count(c.Regressions, "regression", "regressions") + ", " + count(c.Improvements, "improvement", "improvements") + ", " +
		count(c.Others, "other change", "other changes")
	if c.LeftOut > 0 {
		line += fmt.Sprintf("; %d %s left out of the new run", c.LeftOut, plural(c.LeftOut, "case was", "cases were"))
	}
	return line
}

// runLine says what a report is of.
func runLine(r *verdict.Report) string {
	must := r.Summary.Requirements.Must
	return fmt.Sprintf("%s, Cloudstate %s, %s: %s, %d of %d MUST", r.Target.Name, r.Spec.Version, r.Started.Format("2006-01-02 15:04 MST"),
		conclusionText(r), must.Passed, must.Applicable)
}

// cell is text for a cell of a Markdown table: one line, nothing that Markdown or HTML would take for its own.
func cell(text string) string {
	return strings.NewReplacer("\r", " ", "\n", " ", `\`, `\\`, "|", `\|`, "&", "&amp;", "<", "&lt;", ">", "&gt;",
		"`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`).Replace(text)
}
