package spec

import "fmt"

// check looks at what no single line shows, once the whole text is read.
func (p *parser) check() {
	c := p.catalogue
	if p.fenced {
		p.fault(0, "a code block has no end", "close it with ```")
	}
	if c.Version == "" {
		p.fault(0, "there is no version line", "write: Specification version: **0.2.0**. Protocol version: **0.2**.")
	}
	if len(c.Requirements) == 0 {
		p.fault(0, "there are no requirements", "write them as list items below a heading such as: ## Event sourced entities (ES)")
	}
	p.checkProfiles()
	p.checkNumbers()
	p.checkGaps()
	p.checkDecisions()
}

// checkProfiles holds every requirement against the table of profiles and fills in the version that most came with.
func (p *parser) checkProfiles() {
	c := p.catalogue
	for i := range c.Requirements {
		r := &c.Requirements[i]
		if !r.InForce() || r.Profile == "" {
			continue
		}
		if _, known := c.Profile(r.Profile); !known {
			p.fault(r.Line, fmt.Sprintf("%s belongs to the unknown profile %q", r.ID, r.Profile), "use one of the table in the section Profiles, or add it there")
		}
		if r.Since == "" {
			r.Since = firstVersion
		}
	}
	seen := map[string]bool{}
	for _, profile := range c.Profiles {
		if seen[profile.Name] {
			p.fault(profile.Line, fmt.Sprintf("the profile %s is listed twice", profile.Name), "keep one of the two rows")
		}
		seen[profile.Name] = true
	}
}

// firstVersion is the version that brought every requirement which does not say otherwise.
const firstVersion = "0.2.0"

// checkNumbers finds ids that are left out: a withdrawn requirement stays in the text.
func (p *parser) checkNumbers() {
	for _, area := range p.catalogue.Areas {
		numbers := map[int]bool{}
		highest := 0
		for _, r := range p.catalogue.InArea(area.Code) {
			numbers[r.Number] = true
			highest = max(highest, r.Number)
		}
		for n := 1; n <= highest; n++ {
			if !numbers[n] {
				p.fault(area.Line, fmt.Sprintf("%s-%02d is missing though there are higher numbers", area.Code, n), "write it, or, if it was withdrawn: - **"+fmt.Sprintf("%s-%02d", area.Code, n)+"** WITHDRAWN: reason")
			}
		}
		if highest == 0 && !area.Reserved {
			p.fault(area.Line, fmt.Sprintf("the area %s has no requirements", area.Code), "write them, or mark the heading: ("+area.Code+", reserved)")
		}
	}
}

// checkGaps holds the gaps that requirements name against the appendix.
func (p *parser) checkGaps() {
	c := p.catalogue
	settled := map[string]bool{}
	for _, g := range c.Gaps {
		if settled[g.ID] {
			p.fault(g.Line, g.ID+" is settled twice", "join the two rows")
		}
		settled[g.ID] = true
	}
	for _, r := range c.Requirements {
		for _, g := range r.Gaps {
			if !settled[g] {
				p.fault(r.Line, fmt.Sprintf("%s names %s, which no row settles", r.ID, g), "add a row | "+g+" | question | decision | to the appendix, or take the name out")
			}
		}
	}
}

// checkDecisions holds the inventory's rows against the requirements that they became.
func (p *parser) checkDecisions() {
	c := p.catalogue
	seen := map[string]bool{}
	for _, d := range c.Decisions {
		if seen[d.ID] {
			p.fault(d.Line, d.ID+" is decided twice", "join the two rows")
		}
		seen[d.ID] = true
		r, known := c.Lookup(d.ID)
		switch {
		case !known:
			p.fault(d.Line, d.ID+" is decided but is no requirement", "write the requirement, withdrawn when the row was dropped")
		case r.InForce() == (d.Kind == "dropped"):
			p.fault(d.Line, fmt.Sprintf("%s is %s, but its requirement on line %d says otherwise", d.ID, d.Kind, r.Line), "a dropped row has a withdrawn requirement, a kept or changed one does not")
		}
	}
}
