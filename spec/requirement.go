package spec

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// maxNumber bounds the numbers of an area, so that a slip of the pen is no reason to look for thousands of missing ids.
const maxNumber = 999

var (
	idForm    = regexp.MustCompile(`^([A-Z]{2,5})-(\d{2,3})$`)
	itemForm  = regexp.MustCompile(`^- \*\*([^*]*)\*\* ?(.*)$`)
	bindForm  = regexp.MustCompile(`^\(([^(),]*), ([^(),]*)\) ?(.*)$`)
	sinceForm = regexp.MustCompile(`^\{since (\d+\.\d+\.\d+)\} (.*)$`)
	levelForm = regexp.MustCompile(`^(MUST NOT|MUST|SHOULD NOT|SHOULD|MAY),? (.+)$`)
	gapsForm  = regexp.MustCompile(`^\[(GAP-\d{2,3}(?:, GAP-\d{2,3})*)\]$`)
	codeSpan  = regexp.MustCompile("`[^`]*`")
	nextStart = regexp.MustCompile(`[.!?]\s+\p{Lu}`)
)

// item is one list item with what is indented below it.
type item struct {
	head  string   // its own text on one line
	subs  []string // its sub-items, each on one line without the leading "- "
	line  int      // where it begins, counted from 1
	lines int      // how many lines it takes
}

// takeItem collects the item that begins at lines[at]: the lines that are indented by two spaces belong to it.
func takeItem(lines []string, at int) item {
	it := item{head: strings.TrimRight(lines[at], " \r"), line: at + 1, lines: 1}
	for _, raw := range lines[at+1:] {
		line := strings.TrimRight(raw, " \r")
		if !strings.HasPrefix(line, "  ") {
			break
		}
		it.lines++
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "  - "):
			it.subs = append(it.subs, strings.TrimSpace(text[1:]))
		case len(it.subs) > 0:
			it.subs[len(it.subs)-1] += " " + text
		default:
			it.head += " " + text
		}
	}
	return it
}

// requirement reads an item that begins with bold text. Within an area every such item is a requirement.
func (p *parser) requirement(it item) {
	m := itemForm.FindStringSubmatch(it.head)
	if m == nil {
		if p.area != 0 {
			p.fault(it.line, "the bold text at the start of the item has no end", "write: - **ES-20** (party, profile) MUST …")
		}
		return
	}
	id, rest := m[1], m[2]
	if p.area == 0 {
		if idForm.MatchString(id) {
			p.fault(it.line, id+" stands outside an area", "put it under a heading such as: ## Event sourced entities (ES)")
		}
		return
	}
	area := p.catalogue.Areas[p.area-1]
	code, number, err := splitID(id)
	if err != nil {
		p.fault(it.line, err.Error(), fmt.Sprintf("write the area and at least two digits, such as %s-01", area.Code))
		return
	}
	if code != area.Code {
		p.fault(it.line, fmt.Sprintf("%s stands in the area %s", id, area.Code), "move it to the area that its id names, or give it this area's next number")
		return
	}
	if area.Reserved {
		p.fault(it.line, fmt.Sprintf("%s stands in the reserved area %s", id, area.Code), "take \", reserved\" out of the area's heading")
	}
	if first, twice := p.catalogue.Lookup(id); twice {
		p.fault(it.line, fmt.Sprintf("%s is already on line %d", id, first.Line), "give the newer one the area's next free number; ids are never reused")
		return
	}
	r := Requirement{ID: id, Area: code, Number: number, Line: it.line}
	p.body(&r, rest)
	p.subs(&r, it.subs)
	p.catalogue.byID[id] = len(p.catalogue.Requirements)
	p.catalogue.Requirements = append(p.catalogue.Requirements, r)
}

// splitID takes an id apart.
func splitID(id string) (area string, number int, err error) {
	m := idForm.FindStringSubmatch(id)
	if m == nil {
		return "", 0, fmt.Errorf("%q is no requirement id", id)
	}
	number, _ = strconv.Atoi(m[2]) // two or three digits
	if number < 1 || number > maxNumber || fmt.Sprintf("%s-%02d", m[1], number) != id {
		return "", 0, fmt.Errorf("%q is no requirement id: numbers are 01 to %d without further leading zeros", id, maxNumber)
	}
	return m[1], number, nil
}

// body reads what follows the id: a withdrawal, or party, profile, version and sentence.
func (p *parser) body(r *Requirement, rest string) {
	if reason, ok := strings.CutPrefix(rest, "WITHDRAWN:"); ok {
		r.Withdrawn = strings.TrimSpace(reason)
		r.Withdrawn, r.Gaps = cutGaps(r.Withdrawn)
		if r.Withdrawn == "" {
			p.fault(r.Line, r.ID+" is withdrawn without a reason", "write why after WITHDRAWN:, and what took its place")
		}
		return
	}
	m := bindForm.FindStringSubmatch(rest)
	if m == nil {
		p.fault(r.Line, r.ID+" names no party and profile", "write them after the id: (proxy, event-sourced), or WITHDRAWN: and the reason")
		return
	}
	r.Party, r.Profile, rest = Party(m[1]), m[2], m[3]
	switch r.Party {
	case Proxy, Frontend, Both, Store, Operator:
	default:
		p.fault(r.Line, fmt.Sprintf("%s binds the unknown party %q", r.ID, m[1]), "use proxy, frontend, both, store or operator")
	}
	if m := sinceForm.FindStringSubmatch(rest); m != nil {
		r.Since, rest = m[1], m[2]
	} else if strings.HasPrefix(rest, "{") {
		p.fault(r.Line, r.ID+" has braces that cannot be read", "write {since 0.3.0} before the level, or nothing")
		return
	}
	rest, r.Gaps = cutGaps(rest)
	if m := levelForm.FindStringSubmatch(rest); m != nil {
		r.Level = Level(m[1])
	} else {
		p.fault(r.Line, r.ID+" has no level", "begin its sentence with MUST, MUST NOT, SHOULD, SHOULD NOT or MAY, in capitals")
	}
	r.Text = rest
	p.sentence(r)
}

// cutGaps takes the gaps in brackets off the end of a text; there may be none.
func cutGaps(text string) (rest string, gaps []string) {
	at := strings.LastIndex(text, " [")
	if at < 0 {
		return text, nil
	}
	m := gapsForm.FindStringSubmatch(text[at+1:])
	if m == nil {
		return text, nil
	}
	return strings.TrimSpace(text[:at]), strings.Split(m[1], ", ")
}

// sentence holds the text to one sentence, which is what one id can prove.
func (p *parser) sentence(r *Requirement) {
	plain := codeSpan.ReplaceAllString(r.Text, "x")
	if !strings.HasSuffix(plain, ".") {
		p.fault(r.Line, r.ID+" does not end in a full stop", "end the sentence with one, before the gaps in brackets")
	}
	if nextStart.MatchString(plain) {
		p.fault(r.Line, r.ID+" is more than one sentence", "split it into requirements with an id each, or move the explanation into the area's text")
	}
}

// subs reads the items below a requirement.
func (p *parser) subs(r *Requirement, subs []string) {
	for _, sub := range subs {
		reason, ok := strings.CutPrefix(sub, "Not tested:")
		reason = strings.TrimSpace(reason)
		switch {
		case !ok:
			p.fault(r.Line, fmt.Sprintf("%s has a sub-item that cannot be read: %q", r.ID, sub), "begin it with \"Not tested:\", or move it out of the list")
		case reason == "":
			p.fault(r.Line, r.ID+" is not tested without a reason", "write after \"Not tested:\" why no case can prove it")
		case r.NotTested != "":
			p.fault(r.Line, r.ID+" says twice why it is not tested", "join the reasons")
		default:
			r.NotTested = reason
		}
	}
}
