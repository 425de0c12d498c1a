package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// validate holds what is written of a report against the schema.
func validate(t *testing.T, r *verdict.Report) error {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return Validate(Schema, b.Bytes())
}

func TestJSONKeepsItsSchema(t *testing.T) {
	r, _ := sample(t)
	if err := validate(t, r); err != nil {
		t.Errorf("the sample report breaks the schema: %v", err)
	}
	r.Cases[0].Verdict = "splendid"
	if validate(t, r) == nil {
		t.Error("the schema accepts a verdict that there is not")
	}
	r.Cases[0].Verdict = verdict.Passed
	r.Cases[0].Failure = &suite.Failure{Requirement: "ES-20"}
	if validate(t, r) == nil {
		t.Error("the schema accepts a failure in a case that passed")
	}
	r.Cases[0].Failure = nil
	r.Cases[3].Reason = ""
	if validate(t, r) == nil {
		t.Error("the schema accepts an error without a reason")
	}
}

// flaky is the sample with a case that passed and failed.
func flaky(t *testing.T) *verdict.Report {
	t.Helper()
	r, catalogue := sample(t)
	r.Cases[4].Verdict, r.Cases[4].Reason = verdict.Flaky, ""
	r.Cases[4].Failure = &suite.Failure{Requirement: "VE-20", Expected: "the value", Got: "<none>"}
	r.Cases[4].Attempts = []verdict.Attempt{{Verdict: verdict.Failed, DurationMS: 5, Reason: "<none> came"}, {Verdict: verdict.Passed, DurationMS: 6}, {Verdict: verdict.Passed, DurationMS: 7}}
	r.Cases[4].Notes = []string{"ran 3 times: failed, passed, passed"}
	verdict.Roll(r, catalogue, verdict.Claims{spec.Proxy: {"core": true, "event-sourced": true, "value-entity": true}}, nil, nil)
	return r
}

// A flaky case is reported in every form, and in none as a pass.
func TestFlaky(t *testing.T) {
	r := flaky(t)
	if err := validate(t, r); err != nil {
		t.Errorf("the schema: %v", err)
	}
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]struct {
		write func(io.Writer) error
		want  []string
	}{
		"JUnit":    {func(w io.Writer) error { return JUnit(w, r) }, []string{`<failure message="flaky, failed in 1 of 3 runs: VE-20: expected the value`}},
		"page":     {func(w io.Writer) error { return HTML(w, r) }, []string{`id="VE-20" data-v="flaky" open`, "&lt;none&gt; came", ", 1 flaky"}},
		"summary":  {func(w io.Writer) error { return Summary(w, r) }, []string{"| ve/proxy/five | VE-20 | the value | flaky, failed in 1 of 3 runs: &lt;none&gt; |", "2 failed, 1 flaky, "}},
		"terminal": {func(w io.Writer) error { return Console(w, r, catalogue, false, nil) }, []string{"≈ ve/proxy/five", "ran 3 times: failed, passed, passed", "VE-20 (MUST NOT) is broken now and then", "2 failed, 1 flaky, 1 in error"}},
	} {
		var b strings.Builder
		if err := form.write(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range form.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the %s lacks %q:\n%s", name, want, b.String())
			}
		}
	}
}

// What the JSON may write and the schema does not know would go unchecked for ever. The types decide, not a sample.
func TestSchemaKnowsEveryField(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(Schema), &schema); err != nil {
		t.Fatal(err)
	}
	definitions, ok := schema["$defs"].(map[string]any)
	if !ok {
		t.Fatal("the schema has no $defs")
	}
	fields := 0
	var walk func(path string, form reflect.Type, rule map[string]any)
	walk = func(path string, form reflect.Type, rule map[string]any) {
		if ref, ok := rule["$ref"].(string); ok {
			rule, _ = definitions[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		}
		switch {
		case form.Kind() == reflect.Pointer:
			walk(path, form.Elem(), rule)
		case form.Kind() == reflect.Slice:
			items, _ := rule["items"].(map[string]any)
			walk(path+"[]", form.Elem(), items)
		case form.Kind() == reflect.Struct && form != reflect.TypeFor[time.Time]():
			properties, _ := rule["properties"].(map[string]any)
			for field := range form.Fields() {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				if name == "-" {
					continue
				}
				fields++
				known, ok := properties[name].(map[string]any)
				if !ok {
					t.Errorf("%s.%s is not in the schema", path, name)
					continue
				}
				walk(path+"."+name, field.Type, known)
			}
		}
	}
	walk("report", reflect.TypeFor[verdict.Report](), schema)
	if fields < 70 {
		t.Errorf("only %d fields were found", fields)
	}
}

func TestSchemaIsPublished(t *testing.T) {
	published, err := os.ReadFile(filepath.Join("..", "..", "docs", "tck", "report.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(published) != Schema {
		t.Error("docs/tck/report.schema.json differs from tck/report/report.schema.json: copy the latter over the former")
	}
}

func TestJUnit(t *testing.T) {
	r, _ := sample(t)
	var b bytes.Buffer
	if err := JUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("not well-formed: %v", err)
	}
	if got.Tests != 6 || got.Failures != 1 || got.Errors != 1 || got.Skipped != 3 {
		t.Errorf("tests %d, failures %d, errors %d, skipped %d; want 6, 1, 1, 3 (an announced failure is skipped)", got.Tests, got.Failures, got.Errors, got.Skipped)
	}
	for _, want := range []string{"requirement: ES-20", "persist, then reply", "Unexpected entity failure", "announced failure: issue 12"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the XML lacks %q", want)
		}
	}
}

func TestHTMLIsSelfContainedAndEscaped(t *testing.T) {
	r, _ := sample(t)
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if found := regexp.MustCompile(`(?i)(src|href)\s*=\s*"?(https?:)?//|@import|url\(`).FindString(text); found != "" {
		t.Errorf("the page loads something from elsewhere: %s", found)
	}
	for _, hostile := range []string{"<script>alert", "<b>e-1</b>", "<one>"} {
		if strings.Contains(text, hostile) {
			t.Errorf("%q is not escaped", hostile)
		}
	}
	for _, want := range []string{`id="ES-20"`, "the event &lt;one&gt;", "persist, then reply", "Unexpected entity failure", "issue 12 of the library", "left out by --suite"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, requirement := range r.Requirements {
		if !strings.Contains(text, `id="`+requirement.ID+`"`) {
			t.Errorf("the page lacks %s", requirement.ID)
		}
	}
}

func TestConsole(t *testing.T) {
	r, catalogue := sample(t)
	var plain, coloured strings.Builder
	if err := Console(&plain, r, catalogue, false, []string{"out/report.html"}); err != nil {
		t.Fatal(err)
	}
	if err := Console(&coloured, r, catalogue, true, nil); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("colours where there is no terminal")
	}
	if !strings.Contains(coloured.String(), "\x1b[31m") {
		t.Error("no red for a failure on a terminal")
	}
	for _, want := range []string{
		"✗ es/proxy/two", "requires  ES-20 (proxy) MUST have made", "expected  the event <one>", "got       nothing at all", "to do     persist, then reply",
		"Unexpected entity failure", "announced es/frontend/three", "the kit is at fault", "left out by --suite", "FAILED", "out/report.html", "ES-20 (MUST) is broken",
	} {
		if !strings.Contains(plain.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, plain.String())
		}
	}
}

func TestComparison(t *testing.T) {
	older, _ := sample(t)
	newer, catalogue := sample(t)
	older.Cases[1].Verdict, older.Cases[1].Failure = verdict.Passed, nil
	newer.Cases[3].Verdict, newer.Cases[3].Reason = verdict.Passed, ""
	newer.Cases[1].Failure.Got = "a | b\nand <c>"
	for _, r := range []*verdict.Report{older, newer} {
		verdict.Roll(r, catalogue, verdict.Claims{spec.Proxy: {"core": true, "event-sourced": true}}, nil, nil)
	}
	var text, markdown strings.Builder
	c := verdict.Compare(older, newer)
	if err := Comparison(&text, c, false); err != nil {
		t.Fatal(err)
	}
	if err := ComparisonMarkdown(&markdown, c); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"text": text.String(), "markdown": markdown.String()} {
		at := 0
		for _, want := range []string{"Regressions", "ES-20", "es/proxy/two", "Improvements", "es/frontend/four"} {
			i := strings.Index(got[at:], want)
			if i < 0 {
				t.Fatalf("the %s lacks %q after what comes first:\n%s", name, want, got)
			}
			at += i
		}
		if !strings.Contains(got, "2 regressions (1 requirement), 1 improvement (0 requirements)") {
			t.Errorf("the %s does not sum up:\n%s", name, got)
		}
	}
	if !strings.Contains(text.String(), "passed → failed") || !strings.Contains(markdown.String(), `a \| b`) || strings.Contains(markdown.String(), "<") {
		t.Errorf("%s\n%s", text.String(), markdown.String())
	}
}

func TestSummary(t *testing.T) {
	r, _ := sample(t)
	var b strings.Builder
	if err := Summary(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### ❌ Cloudstate TCK: failed", "- ES-20 (MUST) is broken", "| es/proxy/two | ES-20 | the event &lt;one&gt; &amp; no other in the journal | nothing at all |",
		"announced: issue 12 of the library", "| es/frontend/four |  | the kit to do its part | the kit panicked: nil |", "| Event sourced entities | 0 of ",
		"6 cases: 1 passed, 2 failed, 1 announced, 1 in error, 1 not applicable, 1 not run.",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, b.String())
		}
	}
	if regexp.MustCompile("<[a-z]").MatchString(b.String()) {
		t.Errorf("HTML in the Markdown:\n%s", b.String())
	}
	for range 2 * maxSummary {
		r.Cases = append(r.Cases, r.Cases[1])
	}
	b.Reset()
	if err := Summary(&b, r); err != nil || strings.Count(b.String(), "| es/proxy/two |") >= maxSummary || !strings.Contains(b.String(), "And 103 more.") {
		t.Errorf("%v: many failures are not cut short", err)
	}
}

func TestBadge(t *testing.T) {
	r, _ := sample(t)
	render := func() string {
		t.Helper()
		var b bytes.Buffer
		if err := Badge(&b, r); err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		return b.String()
	}
	must := r.Summary.Requirements.Must
	if got, want := render(), fmt.Sprintf("failed, 1 of %d MUST, 1 known", must.Applicable-must.Untestable); !strings.Contains(got, want) || !strings.Contains(got, "#c4302b") {
		t.Errorf("want %q in red: %s", want, got)
	}
	r.Selection.Partial = true
	if got := render(); !strings.Contains(got, "a selection, 1 of 4 cases") || !strings.Contains(got, badgeGrey) {
		t.Errorf("a selection: %s", got)
	}
	r.Selection.Partial, r.Summary.Conclusion, r.Spec.Version = false, verdict.Conforms, "<0>"
	if got := render(); !strings.Contains(got, "passed, ") || !strings.Contains(got, "#1a7f45") || strings.Contains(got, "<0>") {
		t.Errorf("a run that conforms: %s", got)
	}
}

func TestTextWidth(t *testing.T) {
	for text, want := range map[string]int{"": 0, " ": 4, "iii": 10, "MMM": 29, "~": 10, "…": 11} {
		if got := textWidth(text); got != want {
			t.Errorf("%q is %d wide, want %d", text, got, want)
		}
	}
	if len(advances) != '~'-' '+1 {
		t.Errorf("%d advances", len(advances))
	}
}

func TestWriteReplacesWholeFiles(t *testing.T) {
	r, _ := sample(t)
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		paths, err := Write(dir, r)
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) != 5 {
			t.Fatalf("wrote %v", paths)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 5 {
		t.Errorf("%d files, want the five reports and nothing temporary", len(files))
	}
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(blocked, r); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("a file in the way of the directory gives %v, want an error that names --out", err)
	}
}

func TestWrapKeepsIndentedLines(t *testing.T) {
	got := wrap("one\n  - two three\n", "    ")
	if want := "one\n      - two three"; got != want {
		t.Errorf("wrap = %q, want %q", got, want)
	}
	long := wrap(strings.Repeat("word ", 60), "  ")
	for _, line := range strings.Split(long, "\n") {
		if len(line) > width {
			t.Errorf("a line of %d characters: %q", len(line), line)
		}
	}
}
