package spec

import (
	"slices"
	"strings"
)

// Level is how binding a requirement is, in the words of RFC 2119.
type Level string

// The levels. MUST and MUST NOT bind everyone who claims the requirement's profile; the others bind nobody, but a target that does
// otherwise should know why.
const (
	Must      Level = "MUST"
	MustNot   Level = "MUST NOT"
	Should    Level = "SHOULD"
	ShouldNot Level = "SHOULD NOT"
	May       Level = "MAY"
)

// Mandatory tells whether breaking the requirement breaks a claim of conformance: MUST and MUST NOT.
func (l Level) Mandatory() bool { return l == Must || l == MustNot }

// Class is the level without its negation: MUST, SHOULD or MAY. Reports count by it.
func (l Level) Class() Level {
	first, _, _ := strings.Cut(string(l), " ")
	return Level(first)
}

// Party is who a requirement binds.
type Party string

// The parties. Frontend is the user function's side: a support library with the code on it. Both means proxy and frontend.
const (
	Proxy    Party = "proxy"
	Frontend Party = "frontend"
	Both     Party = "both"
	Store    Party = "store"
	Operator Party = "operator"
)

// Binds tells whether a requirement of party p binds target, which is any party but Both.
func (p Party) Binds(target Party) bool {
	return p == target || p == Both && (target == Proxy || target == Frontend)
}

// Requirement is one sentence of SPEC.md that can be tested. Of a withdrawn one only ID, Area, Number, Withdrawn, Gaps and
// Line are set.
type Requirement struct {
	ID        string   // area and number, for ever: "ES-20"
	Area      string   // "ES"
	Number    int      // 20; numbers of an area start at 1 and have no gaps
	Level     Level    // how binding
	Party     Party    // who is bound
	Profile   string   // the unit of applicability: a name in Catalogue.Profiles
	Text      string   // the sentence, level word included, on one line of Markdown: "MUST persist …"
	Since     string   // the specification version that brought it, "0.2.0"
	Withdrawn string   // why it no longer holds; empty while it does
	NotTested string   // why no case can prove it; empty when one can
	Gaps      []string // the gaps that it settles: "GAP-34"; may be empty
	Line      int      // where it begins in SPEC.md, counted from 1
}

// InForce tells whether the requirement holds, that is, was not withdrawn.
func (r Requirement) InForce() bool { return r.Withdrawn == "" }

// Area is one subject of the standard.
type Area struct {
	Code     string // "ES"
	Title    string // "Event sourced entities"
	Reserved bool   // announced, with no requirements in this version
	Line     int
}

// Profile is a set of requirements that a target claims or does not claim as a whole.
type Profile struct {
	Name     string // "event-sourced"
	Applies  string // to whom, in words
	Reserved bool   // announced, nobody can claim it in this version
	Line     int
}

// Gap is an open question of the original system and how SPEC.md settles it.
type Gap struct {
	ID       string // "GAP-34"
	Question string // what was open, in Markdown
	Decision string // what was decided and why, in Markdown
	Line     int
}

// Decision says what became of a row of the inventory that the standard was made from.
type Decision struct {
	ID     string // of the row, and of the requirement while it is in force
	Kind   string // "kept", "changed" or "dropped"
	Reason string // in Markdown
	Line   int
}

// Catalogue is everything that package spec reads from one SPEC.md, in the order of the text. It is immutable by agreement:
// many share one, so nobody changes its slices. All methods are safe for concurrent use.
type Catalogue struct {
	Version      string // of the specification: "0.2.0"
	Protocol     string // of the protocol on the wire: "0.2"
	Areas        []Area
	Profiles     []Profile
	Requirements []Requirement
	Gaps         []Gap
	Decisions    []Decision

	byID map[string]int // index into Requirements
}

// Lookup returns the requirement with that id, withdrawn ones included.
func (c *Catalogue) Lookup(id string) (Requirement, bool) {
	i, ok := c.byID[id]
	if !ok {
		return Requirement{}, false
	}
	return c.Requirements[i], true
}

// Area returns the area with that code.
func (c *Catalogue) Area(code string) (Area, bool) {
	i := slices.IndexFunc(c.Areas, func(a Area) bool { return a.Code == code })
	if i < 0 {
		return Area{}, false
	}
	return c.Areas[i], true
}

// Profile returns the profile with that name.
func (c *Catalogue) Profile(name string) (Profile, bool) {
	i := slices.IndexFunc(c.Profiles, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return c.Profiles[i], true
}

// InArea returns the requirements of one area, in order, withdrawn ones included.
func (c *Catalogue) InArea(code string) []Requirement {
	var found []Requirement
	for _, r := range c.Requirements {
		if r.Area == code {
			found = append(found, r)
		}
	}
	return found
}

// Nearest returns the id in the catalogue that looks most like id, for error messages: the same area, the number with the smallest
// difference. It returns "" when the area is unknown too.
func (c *Catalogue) Nearest(id string) string {
	area, number, err := splitID(id)
	if err != nil {
		return ""
	}
	best, distance := "", 0
	for _, r := range c.Requirements {
		if r.Area != area {
			continue
		}
		d := max(r.Number-number, number-r.Number)
		if best == "" || d < distance {
			best, distance = r.ID, d
		}
	}
	return best
}
