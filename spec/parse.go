package spec

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	versionLine  = regexp.MustCompile(`^Specification version: \*\*(\d+\.\d+\.\d+)\*\*\. Protocol version: \*\*(\d+\.\d+)\*\*\.$`)
	areaHeading  = regexp.MustCompile(`^## (.+) \(([A-Z]{2,5})(, reserved)?\)$`)
	anyHeading   = regexp.MustCompile(`^#{1,6} `)
	profileRow   = regexp.MustCompile("^\\| `([a-z][a-z-]*)` \\| (.+) \\| (in force|reserved) \\|$")
	gapRow       = regexp.MustCompile(`^\| (GAP-\d{2,3}) \| ([^|]+) \| ([^|]+) \|$`)
	decisionRow  = regexp.MustCompile(`^\| ([A-Z]{2,5}-\d{2,3}) \| (kept|changed|dropped) \| ([^|]+) \|$`)
	decisionLike = regexp.MustCompile(`^\| [A-Z]{2,5}-\d+ \|`)
)

// Parse reads the text of a SPEC.md. It never panics, whatever the text is. When something is wrong it returns no catalogue and all
// faults, joined in the order of their lines; each is a *FaultError.
func Parse(text []byte) (*Catalogue, error) {
	p := &parser{catalogue: &Catalogue{byID: map[string]int{}}}
	lines := strings.Split(string(text), "\n")
	for at := 0; at < len(lines); {
		at = p.line(lines, at)
	}
	p.check()
	if len(p.faults) > 0 {
		return nil, joined(p.faults)
	}
	return p.catalogue, nil
}

// parser is the state of one pass over the text.
type parser struct {
	catalogue *Catalogue
	faults    []*FaultError
	area      int  // 1 + index of the area that the line is in; 0 outside
	profiles  bool // inside the section "Profiles"
	fenced    bool // inside a code block
}

func (p *parser) fault(line int, what, remedy string) {
	p.faults = append(p.faults, &FaultError{Line: line, What: what, Remedy: remedy})
}

// line reads what begins at lines[at] and returns the index of the line after it.
func (p *parser) line(lines []string, at int) int {
	line, number := strings.TrimRight(lines[at], " \r"), at+1
	switch {
	case strings.HasPrefix(strings.TrimLeft(line, " "), "```"):
		p.fenced = !p.fenced
	case p.fenced:
	case anyHeading.MatchString(line):
		p.heading(line, number)
	case strings.HasPrefix(line, "Specification version:"):
		p.version(line, number)
	case strings.HasPrefix(line, "- **"):
		item := takeItem(lines, at)
		p.requirement(item)
		return at + item.lines
	case strings.HasPrefix(line, "| "):
		p.row(line, number)
	}
	return at + 1
}

func (p *parser) version(line string, number int) {
	m := versionLine.FindStringSubmatch(line)
	if m == nil {
		p.fault(number, "the version line cannot be read", "write: Specification version: **0.2.0**. Protocol version: **0.2**.")
		return
	}
	if p.catalogue.Version != "" {
		p.fault(number, "the version is stated twice", "keep the first version line only")
		return
	}
	p.catalogue.Version, p.catalogue.Protocol = m[1], m[2]
}

func (p *parser) heading(line string, number int) {
	p.profiles = strings.TrimLeft(line, "# ") == "Profiles"
	if !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "## ") {
		return // a part of the section it is in
	}
	p.area = 0
	m := areaHeading.FindStringSubmatch(line)
	if m == nil {
		return
	}
	if _, twice := p.catalogue.Area(m[2]); twice {
		p.fault(number, fmt.Sprintf("the area %s has two headings", m[2]), "put its requirements under one heading, or use another code")
		return
	}
	p.catalogue.Areas = append(p.catalogue.Areas, Area{Code: m[2], Title: m[1], Reserved: m[3] != "", Line: number})
	p.area = len(p.catalogue.Areas)
}

func (p *parser) row(line string, number int) {
	c := p.catalogue
	if p.profiles {
		if m := profileRow.FindStringSubmatch(line); m != nil {
			c.Profiles = append(c.Profiles, Profile{Name: m[1], Applies: m[2], Reserved: m[3] == "reserved", Line: number})
		} else if strings.HasPrefix(line, "| `") {
			p.fault(number, "the profile cannot be read", "write: | `name` | to whom it applies | in force | (or: reserved)")
		}
		return
	}
	if m := gapRow.FindStringSubmatch(line); m != nil {
		c.Gaps = append(c.Gaps, Gap{ID: m[1], Question: m[2], Decision: m[3], Line: number})
		return
	}
	if m := decisionRow.FindStringSubmatch(line); m != nil {
		c.Decisions = append(c.Decisions, Decision{ID: m[1], Kind: m[2], Reason: m[3], Line: number})
		return
	}
	if decisionLike.MatchString(line) {
		p.fault(number, "the decision cannot be read", "write: | ES-20 | kept | reason | (or: changed, dropped; a gap: | GAP-34 | question | decision |)")
	}
}
