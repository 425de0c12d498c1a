package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// The measures of a sequence diagram, in units of its own coordinates (pixels at full size).
const (
	sequenceWidth = 1000
	lifelineLeft  = 80 // where the first lifeline stands; left of it are the times
	lifelineRight = 946
	labelInset    = 12
	charWidth     = 6.65 // of the diagram's monospace font at 11 px: the widest of those that browsers come with
	lineHeight    = 14
	bodyLines     = 3 // of a message's text; the table beside the diagram has all of it
	pauseMS       = 1000
	streamHues    = 6 // classes q-0 to q-5 of the page
)

// sequence is a recorded conversation, laid out to be drawn as a sequence diagram.
type sequence struct {
	Height    int
	Lifelines []lifeline
	Steps     []sequenceStep
	// End says how the case ended, below the last message; nil when it passed.
	End *sequenceEnd
}

type lifeline struct {
	Name string
	X    int
}

// sequenceStep is one message: an arrow with the call above and what was carried below.
type sequenceStep struct {
	Class                string // of its call and of its kind
	From, To, Y          int    // the arrow
	Tip                  string // the arrow head's points
	Label, LabelX, BodyX int
	At                   string
	Call, Kind           string
	Body                 []sequenceLine
	Full                 string // everything, for who points at it
	Pause                string // how long nothing was seen before it; empty when that was not long
	PauseY               int
	Lost                 bool // the call ended by cancellation, or by loss of the connection
}

type sequenceLine struct {
	Y    int
	Text string
}

type sequenceEnd struct {
	Y, Width, Height int
	Lines            []sequenceLine
}

// draw lays the messages of a case out. Parties that said nothing and heard nothing get no lifeline.
func draw(messages []verdict.Message, failure *suite.Failure) *sequence {
	s := &sequence{}
	var names []string
	for _, name := range []string{"client", "proxy", "frontend"} {
		if slices.ContainsFunc(messages, func(m verdict.Message) bool { return m.From == name || m.To == name }) {
			names = append(names, name)
		}
	}
	at := map[string]int{}
	for i, name := range names {
		x := lifelineLeft + (lifelineRight-lifelineLeft)*i/max(len(names)-1, 1)
		at[name] = x
		s.Lifelines = append(s.Lifelines, lifeline{Name: name, X: x})
	}
	hues := map[uint64]int{}
	y := 8
	for i, m := range messages {
		if _, known := hues[m.Stream]; !known {
			hues[m.Stream] = len(hues) % streamHues
		}
		step := sequenceStep{From: at[m.From], To: at[m.To], At: milliseconds(m.AtMS), Call: fmt.Sprintf("%s #%d", shortMethod(m.Method), m.Stream), Full: WireLine(m)}
		step.Class = fmt.Sprintf("q-%d k-%s", hues[m.Stream], m.Kind)
		if m.Kind == "status" && m.Body != "OK" && !strings.HasPrefix(m.Body, "OK ") {
			step.Class += " k-bad"
		}
		if m.Kind != "message" {
			step.Kind = m.Kind
		}
		step.Lost = m.Kind == "cancel"
		if i > 0 && m.AtMS-messages[i-1].AtMS >= pauseMS {
			step.Pause, step.PauseY = fmt.Sprintf("%.1f s of silence", (m.AtMS-messages[i-1].AtMS)/1000), y+16
			y += 24
		}
		y = step.place(y, m.Body)
		s.Steps = append(s.Steps, step)
	}
	s.Height = y + 6
	if failure != nil {
		s.end(failure)
	}
	return s
}

// place sets the step's vertical measures from y on, and returns where the next one may begin.
func (s *sequenceStep) place(y int, body string) int {
	left, right := min(s.From, s.To), max(s.From, s.To)
	s.LabelX, s.BodyX = left+labelInset, left+labelInset
	s.Label = y + lineHeight
	s.Y = s.Label + 6
	head := s.To - 9
	if s.To < s.From {
		head = s.To + 9
	}
	s.Tip = fmt.Sprintf("%d,%d %d,%d %d,%d", s.To, s.Y, head, s.Y-4, head, s.Y+4)
	y = s.Y + 4
	for _, line := range cutLines(body, int(float64(right-left-2*labelInset)/charWidth), bodyLines) {
		y += lineHeight
		s.Body = append(s.Body, sequenceLine{Y: y - 1, Text: line})
	}
	return y + 8
}

// end adds the note that says what was missing.
func (s *sequence) end(failure *suite.Failure) {
	const left = 16
	s.End = &sequenceEnd{Y: s.Height, Width: sequenceWidth - 2*left}
	columns := int(float64(s.End.Width-2*labelInset) / charWidth)
	y := s.Height + 6
	for _, text := range []string{"✗ " + failure.Requirement + "  expected  " + failure.Expected, strings.Repeat(" ", len(failure.Requirement)+4) + "got       " + failure.Got} {
		for _, line := range cutLines(text, columns, 2) {
			y += lineHeight
			s.End.Lines = append(s.End.Lines, sequenceLine{Y: y - 2, Text: line})
		}
	}
	s.End.Height = y + 8 - s.End.Y
	s.Height = y + 16
}

// cutLines breaks text, its line breaks taken as spaces, after every columns characters into at most most lines; what does not fit ends with "…".
func cutLines(text string, columns, most int) []string {
	runes := []rune(strings.NewReplacer("\r", " ", "\n", " ", "\t", " ").Replace(text))
	columns = max(columns, 2)
	var lines []string
	for len(runes) > 0 {
		n := min(columns, len(runes))
		if len(lines) == most-1 && n < len(runes) {
			return append(lines, string(runes[:n-1])+"…")
		}
		lines = append(lines, string(runes[:n]))
		runes = runes[n:]
	}
	return lines
}
