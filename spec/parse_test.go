package spec

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// small is a text with one of everything; the tests below break it in one place each.
const small = `# A standard

Specification version: **0.2.0**. Protocol version: **0.2**.

### Profiles

| profile | applies to | state |
|---|---|---|
| ` + "`core`" + ` | everybody | in force |
| ` + "`event-sourced`" + ` | some | in force |
| ` + "`crdt`" + ` | nobody yet | reserved |

## Event sourced entities (ES)

Explanation, with a **bold** word.

` + "```text\n- **ES-20** (proxy, core) is an example. And no requirement.\n```" + `

- **ES-01** (proxy, event-sourced) MUST refuse ` + "`a. B`" + ` and
  go on here. [GAP-01, GAP-34]
- **ES-02** WITHDRAWN: said by ES-01. [GAP-34]
- **ES-03** (both, core) {since 0.3.0} MUST NOT do it.
  - Not tested: nobody
    can see it.

**A group**

- **ES-04** (frontend, core) MAY do it.

## Replicated data (CRDT, reserved)

## Appendix

| GAP-01 | what? | that. |
| GAP-34 | how? | so. |
| ES-01 | kept | good |
| ES-02 | dropped | bad |
`

func TestParseReadsOneOfEverything(t *testing.T) {
	c, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != "0.2.0" || c.Protocol != "0.2" || len(c.Areas) != 2 || len(c.Profiles) != 3 || len(c.Gaps) != 2 || len(c.Decisions) != 2 {
		t.Fatalf("read %+v", c)
	}
	want := []Requirement{
		{ID: "ES-01", Area: "ES", Number: 1, Level: Must, Party: Proxy, Profile: "event-sourced", Since: "0.2.0", Line: 21,
			Text: "MUST refuse `a. B` and go on here.", Gaps: []string{"GAP-01", "GAP-34"}},
		{ID: "ES-02", Area: "ES", Number: 2, Withdrawn: "said by ES-01.", Gaps: []string{"GAP-34"}, Line: 23},
		{ID: "ES-03", Area: "ES", Number: 3, Level: MustNot, Party: Both, Profile: "core", Since: "0.3.0", Line: 24,
			Text: "MUST NOT do it.", NotTested: "nobody can see it."},
		{ID: "ES-04", Area: "ES", Number: 4, Level: May, Party: Frontend, Profile: "core", Since: "0.2.0", Line: 30, Text: "MAY do it."},
	}
	equal := func(a, b Requirement) bool {
		gaps := slices.Equal(a.Gaps, b.Gaps)
		a.Gaps, b.Gaps = nil, nil
		return gaps && a.ID == b.ID && a.Area == b.Area && a.Number == b.Number && a.Level == b.Level && a.Party == b.Party &&
			a.Profile == b.Profile && a.Text == b.Text && a.Since == b.Since && a.Withdrawn == b.Withdrawn && a.NotTested == b.NotTested && a.Line == b.Line
	}
	for i, w := range want {
		if got := c.Requirements[i]; !equal(got, w) {
			t.Errorf("requirement %d\n got %+v\nwant %+v", i, got, w)
		}
	}
	if len(c.Requirements) != len(want) {
		t.Errorf("%d requirements instead of %d", len(c.Requirements), len(want))
	}
	if g := c.Gaps[1]; g.ID != "GAP-34" || g.Question != "how?" || g.Decision != "so." {
		t.Errorf("gap %+v", g)
	}
	if p, ok := c.Profile("crdt"); !ok || !p.Reserved || p.Applies != "nobody yet" {
		t.Errorf("profile %+v", p)
	}
}

func TestParseNamesEachFault(t *testing.T) {
	const es04 = "- **ES-04** (frontend, core) MAY do it.\n"
	for name, test := range map[string]struct {
		old, new string // the change to the small text
		line     int
		want     string // in the fault's text
	}{
		"no version":             {"Specification version: **0.2.0**. Protocol version: **0.2**.\n", "\n", 0, "there is no version line"},
		"bad version":            {"**0.2.0**", "0.2.0", 3, "the version line cannot be read"},
		"version twice":          {"### Profiles", "Specification version: **0.3.0**. Protocol version: **0.2**.\n### Profiles", 5, "the version is stated twice"},
		"bad profile":            {"| `crdt` | nobody yet | reserved |", "| `crdt` | nobody yet | soon |", 11, "the profile cannot be read"},
		"profile twice":          {"| `crdt` | nobody yet", "| `core` | nobody yet", 11, "the profile core is listed twice"},
		"unknown profile":        {"(frontend, core)", "(frontend, cores)", 30, `unknown profile "cores"`},
		"unknown party":          {"(frontend, core)", "(fronted, core)", 30, `unknown party "fronted"`},
		"no party":               {"(frontend, core) ", "", 30, "names no party and profile"},
		"one word for two":       {"(frontend, core)", "(frontend)", 30, "names no party and profile"},
		"no level":               {"MAY do it", "does it", 30, "has no level"},
		"level in lower case":    {"MAY do it", "may do it", 30, "has no level"},
		"two sentences":          {"MAY do it.", "MAY do it. It MUST say so.", 30, "is more than one sentence"},
		"no full stop":           {"MAY do it.", "MAY do it", 30, "does not end in a full stop"},
		"bad since":              {"{since 0.3.0}", "{since 0.3}", 24, "braces that cannot be read"},
		"no dash":                {"**ES-04**", "**ES04**", 30, `"ES04" is no requirement id`},
		"one digit":              {"**ES-04**", "**ES-4**", 30, `"ES-4" is no requirement id`},
		"leading zero":           {"**ES-04**", "**ES-004**", 30, `"ES-004" is no requirement id`},
		"number nought":          {"**ES-04**", "**ES-00**", 30, `"ES-00" is no requirement id`},
		"bold without end":       {"**ES-04**", "**ES-04", 30, "has no end"},
		"twice":                  {es04, es04 + es04, 31, "ES-04 is already on line 30"},
		"other area":             {es04, es04 + "- **VE-01** (proxy, core) MUST do it.\n", 31, "VE-01 stands in the area ES"},
		"reserved area":          {"(CRDT, reserved)\n", "(CRDT, reserved)\n\n- **CRDT-01** (proxy, core) MUST do it.\n", 34, "stands in the reserved area CRDT"},
		"outside an area":        {"## Appendix\n", "## Appendix\n\n- **ES-05** (proxy, core) MUST do it.\n", 36, "ES-05 stands outside an area"},
		"area twice":             {"## Appendix", "## Again (ES)", 34, "the area ES has two headings"},
		"area without rows":      {"(CRDT, reserved)", "(CRDT)", 32, "the area CRDT has no requirements"},
		"left out":               {"- **ES-02** WITHDRAWN: said by ES-01. [GAP-34]\n", "", 13, "ES-02 is missing"},
		"withdrawn for nothing":  {"WITHDRAWN: said by ES-01. [GAP-34]", "WITHDRAWN:", 23, "ES-02 is withdrawn without a reason"},
		"unknown sub-item":       {"- Not tested: nobody", "- Untested: nobody", 24, "has a sub-item that cannot be read"},
		"not tested for nothing": {"- Not tested: nobody\n    can see it.", "- Not tested:", 24, "is not tested without a reason"},
		"two reasons":            {"    can see it.", "  - Not tested: cannot", 24, "says twice why it is not tested"},
		"unsettled gap":          {"[GAP-01, GAP-34]", "[GAP-01, GAP-35]", 21, "names GAP-35, which no row settles"},
		"gap twice":              {"| GAP-34 | how? |", "| GAP-01 | how? |", 37, "GAP-01 is settled twice"},
		"unreadable gap":         {"| GAP-34 | how? | so. |", "| GAP-34 | so. |", 37, "the decision cannot be read"},
		"unreadable decision":    {"| ES-01 | kept |", "| ES-01 | keep |", 38, "the decision cannot be read"},
		"decided twice":          {"| ES-02 | dropped |", "| ES-01 | kept |", 39, "ES-01 is decided twice"},
		"decided and unknown":    {"| ES-02 | dropped |", "| ES-22 | dropped |", 39, "ES-22 is decided but is no requirement"},
		"kept and withdrawn":     {"| ES-02 | dropped |", "| ES-02 | kept |", 39, "ES-02 is kept, but its requirement on line 23 says otherwise"},
		"dropped and in force":   {"| ES-01 | kept |", "| ES-01 | dropped |", 38, "ES-01 is dropped, but its requirement on line 21 says otherwise"},
		"open code block":        {"## Appendix", "```\n## Appendix", 0, "a code block has no end"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(small, test.old, test.new, 1)
			if text == small {
				t.Fatal("the change changes nothing")
			}
			c, err := Parse([]byte(text))
			if err == nil {
				t.Fatalf("parsed: %+v", c)
			}
			if c != nil {
				t.Error("a catalogue besides the error")
			}
			for _, fault := range faults(err) {
				if fault.Line == test.line && strings.Contains(fault.What, test.want) && fault.Remedy != "" {
					return
				}
			}
			t.Errorf("no fault on line %d with %q and a remedy in:\n%v", test.line, test.want, err)
		})
	}
}

// faults takes the joined error of Parse apart.
func faults(err error) []*FaultError {
	var all []*FaultError
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, e := range joined.Unwrap() {
		var f *FaultError
		if errors.As(e, &f) {
			all = append(all, f)
		}
	}
	return all
}

func TestParseFindsAllFaultsInOrder(t *testing.T) {
	text := strings.NewReplacer("MAY do it", "may do it", "**0.2.0**", "0.2.0", "| kept |", "| keep |").Replace(small)
	_, err := Parse([]byte(text))
	var lines []int
	for _, f := range faults(err) {
		lines = append(lines, f.Line)
	}
	if !slices.Equal(lines, []int{0, 3, 30, 38}) {
		t.Errorf("faults on lines %v:\n%v", lines, err)
	}
	if !strings.HasPrefix(err.Error(), "SPEC.md: there is no version line; write") {
		t.Errorf("the error reads %q", err)
	}
}

func TestParseRefusesATextWithoutRequirements(t *testing.T) {
	_, err := Parse([]byte("Specification version: **0.2.0**. Protocol version: **0.2**.\n"))
	if len(faults(err)) != 1 || !strings.Contains(err.Error(), "there are no requirements") {
		t.Errorf("the error reads %v", err)
	}
}

func TestParseTakesWindowsLineEnds(t *testing.T) {
	if _, err := Parse([]byte(strings.ReplaceAll(small, "\n", "\r\n"))); err != nil {
		t.Error(err)
	}
}
