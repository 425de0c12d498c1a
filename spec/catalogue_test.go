package spec

import (
	"regexp"
	"strings"
	"testing"

	cloudstate "github.com/stateful-serverless/cloudstate"
)

func TestLookups(t *testing.T) {
	c, err := Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := c.Lookup("ES-03"); !ok || r.ID != "ES-03" || !r.InForce() {
		t.Errorf("ES-03: %+v, %v", r, ok)
	}
	if r, ok := c.Lookup("ES-02"); !ok || r.InForce() {
		t.Errorf("ES-02: %+v, %v", r, ok)
	}
	if r, ok := c.Lookup("ES-05"); ok {
		t.Errorf("ES-05: %+v", r)
	}
	if got := len(c.InArea("ES")); got != 4 {
		t.Errorf("%d requirements in ES", got)
	}
	if _, ok := c.Area("VE"); ok {
		t.Error("an area VE")
	}
	if _, ok := c.Profile("http"); ok {
		t.Error("a profile http")
	}
	for id, want := range map[string]string{"ES-99": "ES-04", "ES-2": "", "VE-01": "", "": ""} {
		if got := c.Nearest(id); got != want {
			t.Errorf("nearest to %q is %q, want %q", id, got, want)
		}
	}
}

func TestLevels(t *testing.T) {
	for level, want := range map[Level]struct {
		mandatory bool
		class     Level
	}{
		Must: {true, Must}, MustNot: {true, Must}, Should: {false, Should}, ShouldNot: {false, Should}, May: {false, May},
	} {
		if level.Mandatory() != want.mandatory || level.Class() != want.class {
			t.Errorf("%s: %v, %s", level, level.Mandatory(), level.Class())
		}
	}
}

func TestParties(t *testing.T) {
	for _, test := range []struct {
		party, target Party
		want          bool
	}{
		{Proxy, Proxy, true}, {Proxy, Frontend, false}, {Frontend, Frontend, true}, {Both, Proxy, true}, {Both, Frontend, true},
		{Both, Store, false}, {Store, Store, true}, {Operator, Proxy, false},
	} {
		if got := test.party.Binds(test.target); got != test.want {
			t.Errorf("%s binds %s: %v", test.party, test.target, got)
		}
	}
}

// TestReferencesLeadSomewhere holds every id that the text of SPEC.md mentions against the catalogue: a reader who follows it must
// find a requirement in force, or, from an appendix or a withdrawal, at least one that was.
func TestReferencesLeadSomewhere(t *testing.T) {
	c := load0(t)
	mention := regexp.MustCompile(`\b([A-Z]{2,5})-(\d{2,3})\b`)
	appendix := false
	for i, line := range strings.Split(cloudstate.Spec, "\n") {
		appendix = appendix || strings.HasPrefix(line, "## Appendix: from the inventory")
		for _, m := range mention.FindAllStringSubmatch(line, -1) {
			area, ok := c.Area(m[1])
			if !ok || area.Reserved {
				continue // GAP-34, UTF-8 and the like; rows of reserved areas
			}
			r, known := c.Lookup(m[0])
			if !known {
				t.Errorf("line %d mentions %s, which does not exist", i+1, m[0])
				continue
			}
			if !r.InForce() && !appendix && r.Line != i+1 {
				t.Errorf("line %d mentions %s, which is withdrawn", i+1, m[0])
			}
		}
	}
}

// TestReservedProfilesBindNobody: what cannot be claimed cannot be tested, and must say so.
func TestReservedProfilesBindNobody(t *testing.T) {
	c := load0(t)
	for _, r := range c.Requirements {
		p, _ := c.Profile(r.Profile)
		if r.InForce() && p.Reserved && r.Level.Mandatory() && r.NotTested == "" {
			t.Errorf("%s is mandatory in the reserved profile %s and does not say why it is not tested", r.ID, r.Profile)
		}
	}
}
