package fuzz

import (
	"fmt"
	"strings"
)

// Violation is what a target did wrong in a conversation.
type Violation struct {
	// Requirements are those of SPEC.md that it broke.
	Requirements []string
	// Text says what was expected and what came.
	Text string
}

// Error implements error.
func (v *Violation) Error() string {
	if len(v.Requirements) == 0 {
		return v.Text
	}
	return strings.Join(v.Requirements, ", ") + ": " + v.Text
}

// broken is a violation of requirements that are given by their ids with spaces between, which may be none.
func broken(requirements, format string, args ...any) error {
	return &Violation{Requirements: strings.Fields(requirements), Text: fmt.Sprintf(format, args...)}
}
