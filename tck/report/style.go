package report

import "strings"

// style colours text for a terminal. The zero style leaves it as it is.
type style struct{ colour bool }

// The colours are the terminal's own sixteen, so that they fit its theme.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "36"
)

func (s style) paint(text string, codes ...string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + strings.Join(codes, ";") + "m" + text + "\x1b[0m"
}

// width is how wide the summary may get, in characters.
const width = 110

// wrap breaks text into lines of at most width characters behind indent; the first line follows what is written already. Line
// breaks in text stay.
func wrap(text, indent string) string {
	var out []string
	for _, paragraph := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		line := ""
		lead := paragraph[:len(paragraph)-len(strings.TrimLeft(paragraph, " "))]
		for _, word := range strings.Fields(paragraph) {
			if line != "" && len(indent)+len(line)+1+len(word) > width {
				out = append(out, line)
				line = lead + word
				continue
			}
			if line == "" {
				line = lead + word
			} else {
				line += " " + word
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n"+indent)
}
