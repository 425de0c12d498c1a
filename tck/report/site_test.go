package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// cellsOf is a small matrix: one that failed, one that passed what the first one broke, and one that did not come up.
func cellsOf(t *testing.T) []Cell {
	t.Helper()
	first, _ := sample(t)
	second, _ := sample(t)
	for i := range second.Requirements {
		if second.Requirements[i].ID == "ES-20" {
			second.Requirements[i].Verdict = verdict.Passed
		}
	}
	return []Cell{
		{Labels: map[string]string{"proxy": "one", "store": "embedded", "zone": "z"}, Report: first},
		{Labels: map[string]string{"proxy": "<script>alert(1)</script>", "store": "embedded"}, Report: second},
		{Labels: map[string]string{"proxy": "one", "store": "postgres"}, Trouble: "the image <b>did not start</b>"},
	}
}

func TestSite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	path, err := Site(dir, cellsOf(t))
	if err != nil {
		t.Fatal(err)
	}
	text := readText(t, path)
	for _, want := range []string{"the image &lt;b&gt;did not start", "<th>proxy</th><th>store</th><th>zone</th>", ">one × postgres</div>", ">one × embedded</div>", `data-all="failed passed none differs"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the index lacks %q", want)
		}
	}
	if strings.Contains(text, "<script>alert") || strings.Contains(text, "<b>did") {
		t.Error("something is not escaped")
	}
	if found := regexp.MustCompile(`(?i)(src|href)\s*=\s*"?(https?:)?//|@import|url\(`).FindString(text); found != "" {
		t.Errorf("the index loads something from elsewhere: %s", found)
	}
	// Each mark leads to where the requirement stands on the cell's page, and each page leads back.
	links := regexp.MustCompile(`href="(cells/[^"#]+)#?([^"]*)"`).FindAllStringSubmatch(text, -1)
	pages := map[string]string{}
	for _, link := range links {
		if pages[link[1]] == "" {
			pages[link[1]] = readText(t, filepath.Join(dir, link[1]))
		}
		if link[2] != "" && !strings.Contains(pages[link[1]], `id="`+link[2]+`"`) {
			t.Errorf("%s leads nowhere", link[0])
		}
	}
	if len(pages) != 2 || len(links) < 600 {
		t.Errorf("%d pages and %d links", len(pages), len(links))
	}
	for name, page := range pages {
		if !strings.Contains(page, `href="../index.html"`) {
			t.Errorf("%s does not lead back", name)
		}
	}
}

// What a run was not asked for says nothing, neither of the target nor of its difference to others.
func TestSiteOfSelections(t *testing.T) {
	r, _ := sample(t)
	path, err := Site(t.TempDir(), []Cell{{Labels: map[string]string{"proxy": "whole"}, Report: r}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readText(t, path), `id="ES-21" data-level="MUST" data-all="not_run `) {
		t.Error("what did not run in a whole run is not shown so")
	}
	r.Selection.Partial = true
	if path, err = Site(t.TempDir(), []Cell{{Labels: map[string]string{"proxy": "part"}, Report: r}}); err != nil {
		t.Fatal(err)
	}
	if text := readText(t, path); !strings.Contains(text, `id="ES-21" data-level="MUST" data-all="none `) || !strings.Contains(text, "ES-21 in part: left out by choice") {
		t.Error("what was left out is shown as not run")
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSiteOfNothing(t *testing.T) {
	if _, err := Site(t.TempDir(), nil); err == nil {
		t.Error("a site without a report")
	}
	if _, err := Site(t.TempDir(), make([]Cell, maxCells+1)); err == nil {
		t.Error("a site of too many")
	}
	path, err := Site(t.TempDir(), []Cell{{Trouble: "away"}})
	if err != nil || !strings.Contains(readText(t, path), "away") {
		t.Errorf("a site of a cell that has nothing: %v", err)
	}
}

func TestDiffer(t *testing.T) {
	for _, tt := range []struct {
		verdicts string
		want     bool
	}{{"passed passed", false}, {"passed failed", true}, {"passed not_applicable none", false}, {"none failed not_run", true}, {"", false}} {
		var marks []mark
		for _, v := range strings.Fields(tt.verdicts) {
			marks = append(marks, mark{Verdict: v})
		}
		if got := differ(marks); got != tt.want {
			t.Errorf("%q: %t", tt.verdicts, got)
		}
	}
}

func TestNamesOfPages(t *testing.T) {
	taken := map[string]bool{}
	for _, tt := range [][2]string{{"Mine × pg", "mine-pg"}, {"mine/../pg", "mine-pg-2"}, {"×", "cell"}, {strings.Repeat("a", 200), strings.Repeat("a", 80)}} {
		if got := unique(slug(tt[0]), taken); got != tt[1] {
			t.Errorf("%q becomes %q, want %q", tt[0], got, tt[1])
		}
	}
}

func TestReadWhatWasWritten(t *testing.T) {
	r, _ := sample(t)
	dir := t.TempDir()
	if _, err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Summary.Conclusion != r.Summary.Conclusion || len(got.Cases) != len(r.Cases) || got.Cases[1].Failure.Got != r.Cases[1].Failure.Got {
		t.Errorf("%+v", got.Summary)
	}
	for name, text := range map[string]string{
		"no JSON": "{", "another thing": `{"cells": []}`,
		"a later form":                   strings.Replace(readText(t, filepath.Join(dir, "report.json")), `"schema_version": "1`, `"schema_version": "2`, 1),
		"a verdict that there is not":    strings.Replace(readText(t, filepath.Join(dir, "report.json")), `"verdict": "failed"`, `"verdict": "<b>"`, 1),
		"a party that there is not":      strings.Replace(readText(t, filepath.Join(dir, "report.json")), `"from": "proxy"`, `"from": "eve"`, 1),
		"a requirement that is no other": strings.Replace(readText(t, filepath.Join(dir, "report.json")), `"id": "ES-20"`, `"id": "\"><script>"`, 1),
	} {
		path := filepath.Join(dir, "other.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "other.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLabels(t *testing.T) {
	r, _ := sample(t)
	r.Target.Environment = "restarts"
	got := Labels(r)
	for name, want := range map[string]string{"proxy": "exec:proxy", "frontend": "exec:frontend", "store": "embedded", "environment": "restarts"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	var b strings.Builder
	if err := HTML(&b, r); err != nil || !strings.Contains(b.String(), "<dt>environment</dt><dd>restarts</dd>") {
		t.Errorf("%v: the page does not say in which environment", err)
	}
}
