package selftest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
)

// root is the repository, seen from this package.
const root = "../.."

// TestMutantsApply finds edits that the sources have outgrown without building anything.
func TestMutantsApply(t *testing.T) {
	mutants, err := Load(filepath.Join(root, "fixtures", "mutants"))
	if err != nil {
		t.Fatal(err)
	}
	together := map[Target]*combination{Proxy: newCombination(root), Frontend: newCombination(root)}
	alone := 0
	for i, m := range mutants {
		ok, err := together[m.Target].add(m, i+1)
		if err != nil {
			t.Error(err)
		}
		if !ok {
			alone++
		}
	}
	// Each that is built alone costs seconds.
	if alone > 10 {
		t.Errorf("%d of %d mutants have to be built alone; write their edits inside of functions", alone, len(mutants))
	}
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	if err := checkRequirements(mutants, catalogue); err != nil {
		t.Error(err)
	}
}

const valid = `
id: lazy
requirement: ES-20
description: It never persists.
target: proxy
cases: [es/proxy/replay]
also_breaks: ["es/proxy/*"]
edits:
  - file: a/b.go
    find: persist()
    replace: ""
`

func TestLoad(t *testing.T) {
	for name, c := range map[string]struct{ old, replacement, want string }{
		"valid":             {"", "", ""},
		"other id":          {"id: lazy", "id: eager", `its id is "eager"`},
		"other target":      {"target: proxy", "target: frontend", "put it there"},
		"unknown target":    {"target: proxy", "target: store", "write proxy or frontend"},
		"unknown store":     {"target: proxy", "target: proxy\nstore: cassandra", "write memory, embedded or postgres"},
		"no description":    {"description: It never persists.", "", "a description are needed"},
		"no cases":          {"cases: [es/proxy/replay]", "", "either cases or proven_by"},
		"cases and proof":   {"target: proxy", "target: proxy\nproven_by: another test", "and not both"},
		"edit of nothing":   {"find: persist()", "find: \"\"", "a text to find"},
		"edit elsewhere":    {"file: a/b.go", "file: ../b.go", "a file of the repository"},
		"unknown field":     {"target: proxy", "target: proxy\ntimes: 2", "times"},
		"malformed pattern": {`"es/proxy/*"`, `"es/["`, "also_breaks"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			folder := filepath.Join(dir, "proxy", "lazy")
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(valid, c.old, c.replacement, 1)
			if err := os.WriteFile(filepath.Join(folder, "mutant.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Load(dir)
			switch {
			case c.want == "" && (err != nil || len(got) != 1 || got[0].Store != DefaultStore):
				t.Errorf("got %v, %v", got, err)
			case c.want != "" && (!errors.Is(err, ErrMutant) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, ErrMutant) {
		t.Errorf("an empty folder: got %v", err)
	}
}

func TestEdited(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edits []Edit
		want  string // in the edited text, or in the error
		fails bool
	}{
		"once":       {[]Edit{{"a.go", "one", "three"}}, "three two two", false},
		"one by one": {[]Edit{{"a.go", "one two", "x"}, {"a.go", "x two", "y"}}, "y", false},
		"twice":      {[]Edit{{"a.go", "two", "three"}}, "occurs 2 times", true},
		"never":      {[]Edit{{"a.go", "four", "three"}}, "occurs 0 times", true},
		"no file":    {[]Edit{{"b.go", "one", "three"}}, "b.go", true},
	} {
		t.Run(name, func(t *testing.T) {
			edited, err := (&Mutant{ID: "m", Edits: c.edits}).edited(dir)
			if c.fails {
				if !errors.Is(err, ErrMutant) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := edited[filepath.Join(dir, "a.go")]; got.before != "one two two" || got.after != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	m := Mutant{ID: "m", Requirement: "ES-20", Cases: []string{"a", "b"}}
	for name, c := range map[string]struct {
		verdicts map[string]string
		want     Status
	}{
		"all mapped cases fail":        {map[string]string{"a": failed, "b": failed, "s": passed}, Killed},
		"sample does not apply":        {map[string]string{"a": failed, "b": failed, "s": notApplicable}, Killed},
		"one mapped case passes":       {map[string]string{"a": failed, "b": passed, "s": passed}, Survived},
		"one mapped case is in error":  {map[string]string{"a": failed, "b": "error", "s": passed}, Survived},
		"one mapped case did not run":  {map[string]string{"a": failed, "s": passed}, Survived},
		"the sample fails":             {map[string]string{"a": failed, "b": failed, "s": failed}, Noisy},
		"the sample is in error":       {map[string]string{"a": failed, "b": failed, "s": "error"}, Noisy},
		"the sample was never reached": {map[string]string{"a": failed, "b": failed}, Noisy},
	} {
		t.Run(name, func(t *testing.T) {
			report := &judgement{}
			for id, verdict := range c.verdicts {
				report.Cases = append(report.Cases, judged{ID: id, Verdict: verdict})
			}
			if got, _, detail := decide(m, []string{"s"}, report); got != c.want || (detail == "") != (c.want == Killed) {
				t.Errorf("got %s (%s), want %s", got, detail, c.want)
			}
		})
	}
}

func TestDecideCrash(t *testing.T) {
	m := Mutant{ID: "m", Requirement: "ES-20", Cases: []string{"a"}}
	for line, want := range map[string]Status{
		"panic: runtime error":                        Broken,
		"fatal error: concurrent map writes":          Broken,
		`level=ERROR msg="panic: in a user's method"`: Killed,
	} {
		var report judgement
		err := json.Unmarshal([]byte(`{"cases": [{"id": "a", "verdict": "failed", "logs": ["started", `+strconv.Quote(line)+`]}]}`), &report)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, detail := decide(m, nil, &report); got != want || strings.Contains(detail, line) != (want == Broken) {
			t.Errorf("%s: got %s (%s), want %s", line, got, detail, want)
		}
	}
}

func TestCheckCases(t *testing.T) {
	cases := []Case{{"a", "proxy", []string{"ES-20"}}, {"b", "frontend", []string{"ES-20"}}, {"c", "proxy", []string{"ES-21"}}}
	for id, want := range map[string]string{"a": "", "b": "judges the frontend", "c": "does not name", "d": "does not have"} {
		err := checkCases([]Mutant{{ID: "m", Target: Proxy, Requirement: "ES-20", Cases: []string{id}}}, cases)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrMutant) || !strings.Contains(err.Error(), want)) {
			t.Errorf("case %s: got %v, want %q", id, err, want)
		}
	}
}

func TestCheckRequirements(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"ES-20": "", "ES-999": "unknown", "DISC-32": "", "OPS-18": "no MUST or SHOULD", "ES-10": "binds the frontend"} {
		err := checkRequirements([]Mutant{{ID: "m", Target: Proxy, Requirement: id}}, catalogue)
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrMutant) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", id, err, want)
		}
	}
}

func TestSample(t *testing.T) {
	var cases []Case
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		cases = append(cases, Case{"proxy/" + id, "proxy", []string{"ES-1"}})
	}
	cases = append(cases, Case{"other party", "frontend", []string{"ES-1"}}, Case{"same requirement", "proxy", []string{"ES-20"}})
	m := Mutant{ID: "m", Target: Proxy, Requirement: "ES-20", Cases: []string{"proxy/a"}, AlsoBreaks: []string{"proxy/[bc]"}}
	all := sample(m, cases, 100, 1)
	if want := []string{"proxy/d", "proxy/e", "proxy/f", "proxy/g", "proxy/h"}; !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	if a, b := sample(m, cases, 3, 1), sample(m, cases, 3, 1); len(a) != 3 || !slices.Equal(a, b) {
		t.Errorf("the same seed picks %v and then %v", a, b)
	}
}

func TestReport(t *testing.T) {
	good := []Control{{Target: Proxy, Faults: []string{}}}
	for name, c := range map[string]struct {
		controls []Control
		mutants  []Status
		proven   bool
		rate     float64
	}{
		"all killed":        {good, []Status{Killed, Killed, Elsewhere}, true, 1},
		"one survived":      {good, []Status{Killed, Survived}, false, 0.5},
		"one noisy":         {good, []Status{Killed, Noisy}, false, 0.5},
		"one broken":        {good, []Status{Killed, Broken}, false, 0.5},
		"none":              {good, nil, false, 0},
		"control at fault":  {[]Control{{Target: Proxy, Faults: []string{"a (failed)"}}}, []Status{Killed}, false, 1},
		"only built":        {good, []Status{Elsewhere}, false, 0},
		"no control needed": {nil, []Status{Killed}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := Report{Controls: c.controls}
			for _, s := range c.mutants {
				r.Mutants = append(r.Mutants, Result{ID: "m", Status: s, Detail: "why"})
			}
			r.summarize()
			if r.Summary.Proven != c.proven || r.Summary.KillRate != c.rate {
				t.Errorf("got %+v", r.Summary)
			}
			var text strings.Builder
			r.Print(&text)
			for _, s := range c.mutants {
				if !strings.Contains(text.String(), string(s)) {
					t.Errorf("the table does not show %s:\n%s", s, &text)
				}
			}
		})
	}
}

func TestControl(t *testing.T) {
	s := setup{Proxy, DefaultStore}
	mutants := []Mutant{{Target: Proxy, Store: DefaultStore, Cases: []string{"mapped"}}, {Target: Proxy, Store: "embedded", Cases: []string{"elsewhere"}}}
	for name, c := range map[string]struct {
		id, verdict string
		faulty      bool
	}{
		"passes":                          {"mapped", passed, false},
		"fails":                           {"sampled", failed, true},
		"is in error":                     {"sampled", "error", true},
		"does not apply":                  {"sampled", notApplicable, false},
		"mapped, does not apply":          {"mapped", notApplicable, true},
		"mapped with another store only":  {"elsewhere", notApplicable, false},
		"left out of the report entirely": {"sampled", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			report := &judgement{}
			if c.verdict != "" {
				report.Cases = []judged{{ID: c.id, Verdict: c.verdict}}
			}
			found, faulty := control(s, []string{c.id}, mutants, report)
			if faulty[c.id] != c.faulty || len(found.Faults) == 1 != c.faulty {
				t.Errorf("got %v, %v", found.Faults, faulty)
			}
		})
	}
}
