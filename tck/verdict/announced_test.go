package verdict

import (
	"errors"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func TestParseAnnounced(t *testing.T) {
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	cases := []suite.Case{{ID: "es/frontend/one"}, {ID: "es/frontend/two"}}
	for _, tt := range []struct {
		name, text, want string
		entries          int
	}{
		{"empty file", "", "", 0},
		{"comment only", "# nothing yet\n", "", 0},
		{"good", "- case: es/frontend/one\n  reason: a bug\n- requirement: ES-20\n  reason: another\n", "", 2},
		{"no list", "case: es/frontend/one\n", "write a list of entries", 0},
		{"no YAML", "- [\n", "known.yaml", 0},
		{"no reason", "- case: es/frontend/one\n", "known.yaml:1: case es/frontend/one has no reason", 0},
		{"blank reason", "- case: es/frontend/one\n  reason: '  '\n", "has no reason", 0},
		{"unknown case", "- case: es/frontend/ten\n  reason: x\n", `no case "es/frontend/ten"; ` + "`cloudstate-tck list`", 0},
		{"unknown requirement", "- requirement: ES-999\n  reason: x\n", `no requirement "ES-999" in force; did you mean ES-`, 0},
		{"both", "- case: es/frontend/one\n  requirement: ES-20\n  reason: x\n", "either a case or a requirement", 0},
		{"neither", "- reason: x\n", "either a case or a requirement", 0},
		{"unknown key", "- case: es/frontend/one\n  reson: x\n", `unknown key "reson"`, 0},
		{"scalar entry", "- es/frontend/one\n", "an entry is a mapping", 0},
		{"twice", "- case: es/frontend/one\n  reason: x\n- case: es/frontend/one\n  reason: y\n", "known.yaml:3: case es/frontend/one was announced in line 1 already", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			entries, err := ParseAnnounced("known.yaml", []byte(tt.text), catalogue, cases)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if err != nil && !errors.Is(err, ErrAnnounced) {
				t.Errorf("%v is no ErrAnnounced", err)
			}
			if len(entries) != tt.entries {
				t.Errorf("%d entries, want %d", len(entries), tt.entries)
			}
		})
	}
	if _, err := ParseAnnounced("known.yaml", make([]byte, maxAnnounced+1), catalogue, cases); !errors.Is(err, ErrAnnounced) {
		t.Errorf("a huge file: %v", err)
	}
}

func FuzzParseAnnounced(f *testing.F) {
	catalogue, err := spec.Load()
	if err != nil {
		f.Fatal(err)
	}
	cases := []suite.Case{{ID: "es/frontend/one"}}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := ParseAnnounced("fuzz", text, catalogue, cases)
		if err != nil {
			return
		}
		for _, e := range entries {
			if strings.TrimSpace(e.Reason) == "" || (e.Case == "") == (e.Requirement == "") {
				t.Errorf("accepted %+v", e)
			}
		}
	})
}
