package discovery

import (
	"fmt"
	"strings"
	"unicode"
)

// Problem is one reason why a user function's answer cannot be served, told so that its author can mend it.
type Problem struct {
	// Code is the requirement of SPEC.md that the answer does not meet, for example SERV-17.
	Code string
	// Text says what is wrong and where, in one line.
	Text string
	// Remedy says how to mend it, in one line.
	Remedy string
}

// String is the problem in one line: text, remedy and code.
func (p Problem) String() string {
	text := p.Text
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "!") {
		text += "." // the original's fixed texts end without one
	}
	return fmt.Sprintf("%s %s [%s]", text, p.Remedy, p.Code)
}

// Limits on what is told: a hostile or generated answer may have any number of problems and names of any length.
const (
	maxProblems  = 50
	maxTextShown = 300
)

// findings collects problems and warnings while an answer is checked.
type findings struct {
	problems []Problem
	left     int
	warnings []string
}

func (f *findings) problem(code, remedy, format string, args ...any) {
	if len(f.problems) >= maxProblems {
		f.left++
		return
	}
	f.problems = append(f.problems, Problem{Code: code, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (f *findings) warn(format string, args ...any) {
	if len(f.warnings) < maxProblems {
		f.warnings = append(f.warnings, fmt.Sprintf(format, args...))
	}
}

// bad tells whether anything was found that forbids serving.
func (f *findings) bad() bool { return len(f.problems) > 0 }

// result is the list of problems, with a last line for those that did not fit.
func (f *findings) result() []Problem {
	if f.left == 0 {
		return f.problems
	}
	return append(f.problems, Problem{
		Code:   "DISC-19",
		Text:   fmt.Sprintf("%d more problems were found.", f.left),
		Remedy: "Mend the ones listed first.",
	})
}

// shown is text from the user function as it may stand in a message: bounded, and nothing in it that a terminal would obey.
func shown(text string) string {
	cut := len(text) > maxTextShown
	if cut {
		text = text[:maxTextShown]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
	if cut {
		text += "…"
	}
	return text
}
