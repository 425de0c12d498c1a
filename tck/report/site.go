package report

import (
	"bytes"
	"cmp"
	_ "embed" // the index
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// A Cell is one combination of a matrix: who was judged, and what came of it.
type Cell struct {
	// Labels name the combination by dimension: suite, proxy, frontend, store, environment, or others. A dimension may be missing.
	Labels map[string]string
	// Report is nil when the cell was not judged.
	Report *verdict.Report
	// Trouble says why there is no report; empty when there is one.
	Trouble string
}

// maxCells bounds a site: a browser has to hold requirements times cells.
const maxCells = 200

//go:embed index.html
var indexText string

var index = template.Must(template.Must(page.Clone()).New("index.html").Parse(indexText))

// Site writes a static site into dir, which is made if needed: index.html with the matrix of cells and requirements, and a page for each cell
// that has a report, in cells/. It returns the path of the index. Nothing on it is loaded from elsewhere.
func Site(dir string, cells []Cell) (string, error) {
	if len(cells) == 0 || len(cells) > maxCells {
		return "", fmt.Errorf("%d reports: a site shows 1 to %d", len(cells), maxCells)
	}
	if err := os.MkdirAll(filepath.Join(dir, "cells"), 0o755); err != nil { //nolint:gosec // reports are for others to read
		return "", fmt.Errorf("--out: %w", err)
	}
	data, err := layIndex(cells)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := index.ExecuteTemplate(&b, "index.html", data); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "index.html")
	if err := replace(path, b.Bytes()); err != nil {
		return "", fmt.Errorf("--out: %w", err)
	}
	for _, cell := range data.Cells {
		if cell.Report == nil {
			continue
		}
		b.Reset()
		if err := writePage(&b, cell.Report, "../index.html", cell.Name()); err != nil {
			return "", err
		}
		if err := replace(filepath.Join(dir, filepath.FromSlash(cell.Href)), b.Bytes()); err != nil {
			return "", fmt.Errorf("--out: %w", err)
		}
	}
	return path, nil
}

// indexData is what the index is made from.
type indexData struct {
	Cells      []indexCell
	Dimensions []dimension
	Areas      []indexArea
	// Specs are the versions that were judged against.
	Specs []string
	// Counts are the cells by what became of them.
	Passed, Failed, Incomplete, Unjudged int
	First, Last                          time.Time
}

// dimension is one kind of label, with the values that it has.
type dimension struct {
	Name   string
	Values []string
}

type indexCell struct {
	Cell
	// Values are the labels in the order of the dimensions.
	Values []string
	// Short is the values of those dimensions that have several, in a line.
	Short string
	Href  string
	// Class and Head are the conclusion, for the style sheet and for people.
	Class, Head string
	// verdicts of the report's requirements, by id
	requirements map[string]verdict.Requirement
}

// Name is the labels in a line.
func (c indexCell) Name() string { return joined(c.Values) }

func joined(values []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" }), " × ")
}

type indexArea struct {
	Code, Title string
	// Sums are the cells' counts of MUSTs, in the order of the cells.
	Sums []verdict.Counts
	Rows []indexRow
}

type indexRow struct {
	verdict.Requirement
	Marks []mark
	// Differs tells that the cells which judged it do not agree.
	Differs bool
	// All is what a filter by verdict goes by: the row's verdicts.
	All string
}

// mark is one requirement in one cell.
type mark struct {
	Verdict, Symbol, Title, Href string
	Announced                    bool
}

// symbols are what stands in the matrix; colour is never alone.
var symbols = map[verdict.Verdict]string{
	verdict.Passed: "✓", verdict.Failed: "✗", verdict.Flaky: "≈", verdict.Error: "!", verdict.NotRun: "○", verdict.NotApplicable: "·",
}

// dimensionOrder is how known dimensions are sorted; others follow by name.
var dimensionOrder = []string{"suite", "proxy", "frontend", "store", "environment"}

func layIndex(cells []Cell) (*indexData, error) {
	catalogue, err := spec.Load()
	if err != nil {
		return nil, err
	}
	data := &indexData{Dimensions: dimensions(cells)}
	taken := map[string]bool{}
	for _, cell := range cells {
		laid := indexCell{Cell: cell, Class: "none", Head: "not judged", requirements: map[string]verdict.Requirement{}}
		var varying []string
		for _, d := range data.Dimensions {
			value := cell.Labels[d.Name]
			laid.Values = append(laid.Values, value)
			if len(d.Values) > 1 {
				varying = append(varying, value)
			}
		}
		laid.Short = cmp.Or(joined(varying), laid.Name())
		if r := cell.Report; r != nil {
			laid.Class, laid.Head = string(r.Summary.Conclusion), conclusionWord(r.Summary.Conclusion)
			laid.Href = "cells/" + unique(slug(laid.Name()), taken) + ".html"
			for _, requirement := range r.Requirements {
				laid.requirements[requirement.ID] = requirement
			}
			data.note(r)
		} else {
			data.Unjudged++
		}
		data.Cells = append(data.Cells, laid)
	}
	data.layAreas(catalogue)
	return data, nil
}

// note counts a report.
func (d *indexData) note(r *verdict.Report) {
	switch r.Summary.Conclusion {
	case verdict.Conforms:
		d.Passed++
	case verdict.Breaks:
		d.Failed++
	default:
		d.Incomplete++
	}
	if !slices.Contains(d.Specs, r.Spec.Version) {
		d.Specs = append(d.Specs, r.Spec.Version)
	}
	if d.First.IsZero() || r.Started.Before(d.First) {
		d.First = r.Started
	}
	if end := r.Started.Add(time.Duration(r.DurationMS) * time.Millisecond); end.After(d.Last) {
		d.Last = end
	}
}

// layAreas makes a row of each requirement that any report has.
func (d *indexData) layAreas(catalogue *spec.Catalogue) {
	var all []verdict.Requirement
	seen := map[string]bool{}
	for _, cell := range d.Cells {
		if cell.Report == nil {
			continue
		}
		for _, r := range cell.Report.Requirements {
			if !seen[r.ID] {
				seen[r.ID] = true
				all = append(all, r)
			}
		}
	}
	for _, area := range areasOf(catalogue, all) {
		laid := indexArea{Code: area.Code, Title: area.Title}
		sums := make([]verdict.RequirementCounts, len(d.Cells))
		for _, r := range all {
			if r.Area != area.Code {
				continue
			}
			row := indexRow{Requirement: r}
			for i, cell := range d.Cells {
				m, judged := cell.mark(r.ID)
				row.Marks = append(row.Marks, m)
				if judged {
					sums[i].Add(cell.requirements[r.ID])
				}
				row.All += m.Verdict + " "
			}
			row.Differs = differ(row.Marks)
			laid.Rows = append(laid.Rows, row)
		}
		for _, sum := range sums {
			laid.Sums = append(laid.Sums, sum.Must)
		}
		d.Areas = append(d.Areas, laid)
	}
}

// mark is what a cell says of a requirement, and whether it says anything.
func (c indexCell) mark(id string) (mark, bool) {
	r, judged := c.requirements[id]
	if !judged {
		return mark{Verdict: "none", Title: id + " in " + c.Name() + ": not judged"}, false
	}
	if c.Report.LeftOut(r) {
		return mark{Verdict: "none", Title: id + " in " + c.Name() + ": left out by choice"}, true
	}
	m := mark{
		Verdict: string(r.Verdict), Symbol: symbols[r.Verdict], Href: c.Href + "#" + id, Announced: r.Announced != "",
		Title: fmt.Sprintf("%s in %s: %s", id, c.Name(), word(r.Verdict)),
	}
	if r.Announced != "" {
		m.Title += ", announced: " + r.Announced
	}
	return m, true
}

// differ tells whether two cells to which a requirement applies say different things.
func differ(marks []mark) bool {
	found := ""
	for _, m := range marks {
		if m.Verdict == "none" || m.Verdict == string(verdict.NotApplicable) {
			continue
		}
		if found != "" && m.Verdict != found {
			return true
		}
		found = m.Verdict
	}
	return false
}

// areasOf are the areas of the requirements: those of this build's SPEC.md in its order, then those that it does not know.
func areasOf(catalogue *spec.Catalogue, requirements []verdict.Requirement) []spec.Area {
	used := map[string]bool{}
	var unknown []spec.Area
	for _, r := range requirements {
		if _, known := catalogue.Area(r.Area); !known && !used[r.Area] {
			unknown = append(unknown, spec.Area{Code: r.Area, Title: r.Area})
		}
		used[r.Area] = true
	}
	known := slices.DeleteFunc(slices.Clone(catalogue.Areas), func(a spec.Area) bool { return !used[a.Code] })
	return append(known, unknown...)
}

// dimensions are the kinds of labels that any cell has.
func dimensions(cells []Cell) []dimension {
	values := map[string]map[string]bool{}
	for _, cell := range cells {
		for name, value := range cell.Labels {
			if value == "" {
				continue
			}
			if values[name] == nil {
				values[name] = map[string]bool{}
			}
			values[name][value] = true
		}
	}
	rank := func(name string) int {
		if i := slices.Index(dimensionOrder, name); i >= 0 {
			return i
		}
		return len(dimensionOrder)
	}
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	var out []dimension
	for _, name := range names {
		out = append(out, dimension{Name: name, Values: slices.Sorted(maps.Keys(values[name]))})
	}
	return out
}

// Labels names what a report judged, for a site that is told nothing better.
func Labels(r *verdict.Report) map[string]string {
	return map[string]string{"proxy": r.Target.Proxy, "frontend": r.Target.Frontend, "store": r.Target.Store, "environment": r.Target.Environment}
}

// slug is text as the name of a file.
func slug(text string) string {
	const most = 80
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= most {
			break
		}
	}
	return cmp.Or(strings.Trim(b.String(), "-"), "cell")
}

// unique returns name, with a number behind it if it was taken.
func unique(name string, taken map[string]bool) string {
	candidate := name
	for n := 2; taken[candidate]; n++ {
		candidate = fmt.Sprintf("%s-%d", name, n)
	}
	taken[candidate] = true
	return candidate
}
