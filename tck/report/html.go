package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

//go:embed page.html sequence.html
var pageFiles embed.FS

var page = template.Must(template.Must(template.New("page.html").Funcs(template.FuncMap{
	"word": word, "wire": shortMethod, "ms": milliseconds, "markdown": markdown, "percent": percent, "tile": tile,
}).ParseFS(pageFiles, "page.html", "sequence.html")).New("style").Parse(styleText))

// styleText is what all pages share.
//
//go:embed style.css
var styleText string

// pageArea is one area's part of the page.
type pageArea struct {
	Code, Title  string
	Counts       verdict.RequirementCounts
	Requirements []pageRequirement
}

// pageRequirement is one requirement with the cases that prove it.
type pageRequirement struct {
	verdict.Requirement
	// Proofs are shown here. Elsewhere are shown at another requirement that they prove, too.
	Proofs, Elsewhere []pageCase
}

// pageCase is one case, with its conversation as a diagram when one was recorded.
type pageCase struct {
	*verdict.Case
	// Home is the requirement at which its conversation is shown; empty when that is here.
	Home string
}

// Anchor is where the case stands on the page.
func (c pageCase) Anchor() string { return "case-" + c.ID }

// Sequence is the recorded conversation as a diagram.
func (c pageCase) Sequence() *sequence { return draw(c.Trace, c.Failure) }

// pageData is what the template is given.
type pageData struct {
	*verdict.Report
	Areas []pageArea
	Took  string
	// Up and Cell are the matrix that the page belongs to, and its name there; empty for a page that stands alone.
	Up, Cell string
	// Head is the conclusion as a word.
	Head    string
	Parties []pageParty
	// Problems are the first of the summary's; the rest unfolds.
	Problems, MoreProblems []string
}

type pageParty struct {
	Name, Version string
	Claims        []string
}

// shownProblems is how many problems stand unfolded at the top of the page.
const shownProblems = 5

// HTML writes one page that needs nothing beside itself: no scripts, fonts or images from elsewhere.
func HTML(w io.Writer, r *verdict.Report) error { return writePage(w, r, "", "") }

// writePage writes the page of a report. up is where the matrix is that it is a cell of, called cell; both are empty for a page that stands alone.
func writePage(w io.Writer, r *verdict.Report, up, cell string) error {
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	data := pageData{Report: r, Up: up, Cell: cell, Head: conclusionWord(r.Summary.Conclusion), Took: (time.Duration(r.DurationMS) * time.Millisecond).Round(10 * time.Millisecond).String()}
	cut := min(len(r.Summary.Problems), shownProblems)
	data.Problems, data.MoreProblems = r.Summary.Problems[:cut], r.Summary.Problems[cut:]
	data.Areas = pageAreas(r, catalogue)
	for _, party := range []spec.Party{spec.Proxy, spec.Frontend} {
		claims, judged := r.Target.Claims[party]
		if !judged {
			continue
		}
		p := pageParty{Name: string(party), Version: r.Target.ProxyVersion, Claims: claims}
		if party == spec.Frontend {
			p.Version = r.Target.FrontendVersion
		}
		data.Parties = append(data.Parties, p)
	}
	return page.ExecuteTemplate(w, "page.html", data)
}

// conclusionWord is a conclusion as a person writes it.
func conclusionWord(c verdict.Conclusion) string {
	return map[verdict.Conclusion]string{verdict.Conforms: "Passed", verdict.Breaks: "Failed", verdict.Incomplete: "Incomplete"}[c]
}

// pageAreas arranges the requirements by area, each with its cases. A case is shown in full once: at the requirement that it broke, or the first that
// it proves. Elsewhere there is a link, and what a failure was.
func pageAreas(r *verdict.Report, catalogue *spec.Catalogue) []pageArea {
	cases := make(map[string]pageCase, len(r.Cases))
	home := make(map[string]string, len(r.Cases))
	for i := range r.Cases {
		c := &r.Cases[i]
		cases[c.ID] = pageCase{Case: c}
		if c.Failure != nil && slices.Contains(c.Requirements, c.Failure.Requirement) {
			home[c.ID] = c.Failure.Requirement
		}
	}
	var areas []pageArea
	for _, area := range areasOf(catalogue, r.Requirements) {
		part := pageArea{Code: area.Code, Title: area.Title}
		for _, requirement := range r.Requirements {
			if requirement.Area != area.Code {
				continue
			}
			shown := pageRequirement{Requirement: requirement}
			for _, id := range requirement.Cases {
				if cases[id].Case == nil {
					continue // a report that somebody cut
				}
				if home[id] == "" {
					home[id] = requirement.ID
				}
				proof := cases[id]
				if home[id] != requirement.ID {
					proof.Home = home[id]
				}
				if proof.Home == "" || proof.Failure != nil {
					shown.Proofs = append(shown.Proofs, proof)
				} else {
					shown.Elsewhere = append(shown.Elsewhere, proof)
				}
			}
			part.Counts.Add(requirement)
			part.Requirements = append(part.Requirements, shown)
		}
		if len(part.Requirements) > 0 {
			areas = append(areas, part)
		}
	}
	return areas
}

// pageTile is one class of levels in numbers.
type pageTile struct {
	Name string
	verdict.Counts
	// Unjudged are those that did not run although a case could prove them.
	Unjudged int
}

func tile(name string, counts verdict.Counts) pageTile {
	return pageTile{Name: name, Counts: counts, Unjudged: counts.NotRun - counts.Untestable}
}

// word is a verdict as a person writes it.
func word(v verdict.Verdict) string { return strings.ReplaceAll(string(v), "_", " ") }

func shortMethod(method string) string { return method[strings.LastIndexByte(method, '.')+1:] }

func milliseconds(ms float64) string { return fmt.Sprintf("%.1f", ms) }

// percent is part of whole for the width of a bar.
func percent(part, whole int) string {
	if whole == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2f", 100*float64(part)/float64(whole))
}

// markdown renders the little Markdown that requirements use: code in backticks, and emphasis by asterisks. Everything else is escaped.
func markdown(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		escaped := template.HTMLEscapeString(part)
		if i%2 == 1 {
			b.WriteString("<code>" + escaped + "</code>")
			continue
		}
		for j, piece := range strings.Split(escaped, "*") {
			if j%2 == 1 {
				b.WriteString("<em>" + piece + "</em>")
			} else {
				b.WriteString(piece)
			}
		}
	}
	return template.HTML(b.String()) //nolint:gosec // every piece was escaped above
}
