package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
)

const standard = `# A standard

Specification version: **0.2.0**. Protocol version: **0.2**.

### Profiles

| profile | applies to | state |
|---|---|---|
| ` + "`core`" + ` | everybody | in force |

## Event sourced entities (ES)

- **ES-01** (proxy, core) MUST do it.
- **ES-02** WITHDRAWN: said by ES-01.
- **ES-03** (frontend, core) MUST NOT do it.
  - Not tested: nobody can see it.
- **ES-04** (both, core) MAY do it.

## Replicated data (CRDT, reserved)
`

const standardIDs = "# a remark\n\nES-01\nES-02\nES-03\nES-04\n"

const fullCases = `{"version": 1, "cases": [
	{"id": "es/proxy/do", "title": "does it", "kind": "proxy", "suite": "proxy", "requirements": ["ES-01", "ES-04"]}
]}`

// setup writes the three inputs and returns the flags that name them.
func setup(t *testing.T, standard, ids, cases string) []string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{"-spec", write("SPEC.md", standard), "-ids", write("ids.txt", ids)}
	if catalogue, err := spec.Parse([]byte(standard)); err == nil {
		if err := os.Mkdir(filepath.Join(dir, "profiles"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(filepath.Join("profiles", catalogue.Version+".txt"), profileTable(catalogue))
	}
	if cases != "" {
		args = append(args, "-cases", write("cases.json", cases))
	}
	return args
}

// command runs the command and returns its exit status and what it wrote.
func command(stdin string, args ...string) (status int, stdout, stderr string) {
	var out, err strings.Builder
	status = run(args, strings.NewReader(stdin), &out, &err)
	return status, out.String(), err.String()
}

func TestNothingWrong(t *testing.T) {
	status, out, errs := command("", setup(t, standard, standardIDs, fullCases)...)
	if status != exitClean || errs != "" || !strings.HasSuffix(out, "speccheck: nothing wrong\n") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestCasesFromStandardInput(t *testing.T) {
	args := append(setup(t, standard, standardIDs, ""), "-cases", "-")
	if status, out, errs := command(fullCases, args...); status != exitClean {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if status, out, _ := command(`{"cases": []}`, args...); status != exitFindings || !strings.Contains(out, "ES-01") {
		t.Errorf("status %d without cases\n%s", status, out)
	}
}

func TestFindings(t *testing.T) {
	for name, test := range map[string]struct {
		standard, ids, cases [2]string // what is replaced by what
		status               int
		want                 string
	}{
		"a MUST without a case": {
			cases:  [2]string{`["ES-01", "ES-04"]`, `["ES-04"]`},
			status: exitFindings, want: "error: SPEC.md:13: ES-01: is a MUST of the proxy without a case; write a case that names it, or state below it",
		},
		"a MUST NOT without reason": {
			standard: [2]string{"  - Not tested: nobody can see it.\n", ""},
			status:   exitFindings, want: "error: SPEC.md:15: ES-03: is a MUST NOT of the frontend without a case",
		},
		"an unknown id": {
			cases:  [2]string{`"ES-04"`, `"ES-40"`},
			status: exitFindings, want: "error: case es/proxy/do: names ES-40, which SPEC.md does not have; use an id of SPEC.md, such as ES-04",
		},
		"an unknown area": {
			cases:  [2]string{`"ES-04"`, `"XX-40"`},
			status: exitFindings, want: "names XX-40, which SPEC.md does not have; use an id of SPEC.md\n",
		},
		"a withdrawn id": {
			cases:  [2]string{`"ES-04"`, `"ES-02"`},
			status: exitFindings, want: "error: case es/proxy/do: names ES-02, which is withdrawn (said by ES-01.); name the requirement that took its place",
		},
		"the other party's id": {
			cases:  [2]string{`"ES-04"`, `"ES-03"`},
			status: exitFindings, want: "error: case es/proxy/do: judges a proxy, but ES-03 binds the frontend",
		},
		"a case that proves nothing": {
			cases:  [2]string{`"requirements": ["ES-01", "ES-04"]`, `"requirements": []`},
			status: exitFindings, want: "error: case es/proxy/do: proves no requirement",
		},
		"a reason that a case refutes": {
			cases:  [2]string{`"kind": "proxy", "suite": "proxy", "requirements": ["ES-01", "ES-04"]`, `"kind": "pair", "requirements": ["ES-01", "ES-03"]`},
			status: exitFindings, want: "error: SPEC.md:15: ES-03: says why it is not tested, but es/proxy/do names it",
		},
		"an id that vanished": {
			ids:    [2]string{"ES-04\n", "ES-04\nES-05\n"},
			status: exitFindings, want: "ES-05: was published and is no longer in SPEC.md; put it back; if it no longer holds: - **ES-05** WITHDRAWN: reason",
		},
		"an id that is not published": {
			ids:    [2]string{"ES-04\n", ""},
			status: exitFindings, want: "error: SPEC.md:17: ES-04: is not among the published ids; run:",
		},
		"a faulty standard": {
			standard: [2]string{"MAY do it", "does it"},
			status:   exitFindings, want: "SPEC.md:17: ES-04 has no level; begin",
		},
		"cases that are no JSON": {
			cases:  [2]string{`{"version"`, `version`},
			status: exitTrouble, want: "the cases are no JSON",
		},
		"cases of another kind": {
			cases:  [2]string{`"cases"`, `"tests"`},
			status: exitTrouble, want: `the JSON has no member "cases"; give the output of: cloudstate-tck list --json`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := setup(t,
				strings.Replace(standard, test.standard[0], test.standard[1], 1),
				strings.Replace(standardIDs, test.ids[0], test.ids[1], 1),
				strings.Replace(fullCases, test.cases[0], test.cases[1], 1))
			status, out, errs := command("", args...)
			if status != test.status || !strings.Contains(out+errs, test.want) {
				t.Errorf("status %d, want %d and %q in:\n%s%s", status, test.status, test.want, out, errs)
			}
		})
	}
}

func TestUpdatePublishesNewIDs(t *testing.T) {
	args := setup(t, standard, "ES-01\n", "")
	if status, out, errs := command("", append(args, "-update-ids")...); status != exitClean {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if status, out, errs := command("", args...); status != exitClean {
		t.Errorf("after the update: status %d\n%s%s", status, out, errs)
	}
	text, err := os.ReadFile(args[3])
	if err != nil || !strings.HasSuffix(string(text), "\nES-01\nES-02\nES-03\nES-04\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestUpdateWritesTheFirstFile(t *testing.T) {
	args := setup(t, standard, "", "")
	if err := os.Remove(args[3]); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := command("", args...); status != exitTrouble || !strings.Contains(errs, "-update-ids writes it") {
		t.Errorf("without the file: status %d, %s", status, errs)
	}
	if status, out, errs := command("", append(args, "-update-ids")...); status != exitClean {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func TestUpdateForgetsNoID(t *testing.T) {
	args := setup(t, standard, standardIDs+"ES-05\n", "")
	status, out, _ := command("", append(args, "-update-ids")...)
	if status != exitFindings || !strings.Contains(out, "ES-05: was published") {
		t.Errorf("status %d\n%s", status, out)
	}
	if text, err := os.ReadFile(args[3]); err != nil || string(text) != standardIDs+"ES-05\n" {
		t.Errorf("the file changed: %v\n%s", err, text)
	}
}

func TestCoverageCounts(t *testing.T) {
	_, out, _ := command("", setup(t, standard, standardIDs, fullCases)...)
	for _, row := range []string{"ES 2 1 1 0 1 1", "total 2 1 1 0 1 1", "1 cases"} {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.Join(strings.Fields(line), " ") == row
		}
		if !found {
			t.Errorf("no row %q in\n%s", row, out)
		}
	}
	if strings.Contains(out, "CRDT") {
		t.Errorf("a reserved area is counted:\n%s", out)
	}
}

func TestTrouble(t *testing.T) {
	args := setup(t, standard, standardIDs, "")
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag": {[]string{"-cover"}, "flag provided but not defined: -cover"},
		"argument":     {append(args, "cases.json"), `unexpected argument "cases.json"; files are given by flags, see -help`},
		"no standard":  {[]string{"-spec", missing}, "the standard cannot be read"},
		"no cases":     {append(args, "-cases", missing), "the cases cannot be read"},
		"unwritable":   {[]string{"-spec", args[1], "-ids", filepath.Join(missing, "ids.txt"), "-update-ids"}, "the published ids cannot be written"},
	} {
		t.Run(name, func(t *testing.T) {
			if status, out, errs := command("", test.args...); status != exitTrouble || !strings.Contains(errs, test.want) {
				t.Errorf("status %d, want %q in:\n%s%s", status, test.want, out, errs)
			}
		})
	}
}

func TestHelpTeaches(t *testing.T) {
	status, _, errs := command("", "-help")
	if status != exitClean || !strings.Contains(errs, "cloudstate-tck list --json | speccheck -cases -") {
		t.Errorf("status %d\n%s", status, errs)
	}
}

// TestPublishedIDs holds the checked-in list against the embedded SPEC.md: nothing vanished, nothing is unpublished.
func TestPublishedIDs(t *testing.T) {
	if status, out, errs := command("", "-ids", filepath.FromSlash("../../ids.txt")); status != exitClean {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}
