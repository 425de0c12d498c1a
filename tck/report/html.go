package report

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"word": word, "wire": shortMethod, "ms": milliseconds, "markdown": markdown, "percent": percent, "tile": tile,
}).Parse(pageText))

// pageArea is one area's part of the page.
type pageArea struct {
	Code, Title  string
	Counts       verdict.RequirementCounts
	Requirements []pageRequirement
}

// pageRequirement is one requirement with the cases that prove it.
type pageRequirement struct {
	verdict.Requirement
	Proofs []*verdict.Case
}

// pageData is what the template is given.
type pageData struct {
	*verdict.Report
	Areas []pageArea
	Took  string
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
func HTML(w io.Writer, r *verdict.Report) error {
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	data := pageData{Report: r, Took: (time.Duration(r.DurationMS) * time.Millisecond).Round(10 * time.Millisecond).String()}
	data.Head = map[verdict.Conclusion]string{verdict.Conforms: "Passed", verdict.Breaks: "Failed", verdict.Incomplete: "Incomplete"}[r.Summary.Conclusion]
	cut := min(len(r.Summary.Problems), shownProblems)
	data.Problems, data.MoreProblems = r.Summary.Problems[:cut], r.Summary.Problems[cut:]
	cases := make(map[string]*verdict.Case, len(r.Cases))
	for i := range r.Cases {
		cases[r.Cases[i].ID] = &r.Cases[i]
	}
	for _, area := range catalogue.Areas {
		part := pageArea{Code: area.Code, Title: area.Title}
		for _, requirement := range r.Requirements {
			if requirement.Area != area.Code {
				continue
			}
			shown := pageRequirement{Requirement: requirement}
			for _, id := range requirement.Cases {
				shown.Proofs = append(shown.Proofs, cases[id])
			}
			part.Counts.Add(requirement)
			part.Requirements = append(part.Requirements, shown)
		}
		if len(part.Requirements) > 0 {
			data.Areas = append(data.Areas, part)
		}
	}
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
	return page.Execute(w, data)
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
