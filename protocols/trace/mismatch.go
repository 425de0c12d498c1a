package trace

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
)

// Mismatch is the error for an expectation about the wire that was not met.
type Mismatch struct {
	// Where names the call, such as "stream 3, EventSourced/handle".
	Where string
	// Expected says what should have come: a message's rendering, or words such as "the end of the stream".
	Expected string
	// Got says what came instead, in the same form; "nothing within 10s" if nothing did.
	Got string
	// Diff shows both over several lines, "-" before what only the expectation has and "+" before what only came; empty if
	// either of the two is no message.
	Diff string
	// Cause is what the expectation failed on (the end of the stream, a deadline); nil for a message that differs.
	Cause error
}

// Error says where, what was expected and what came, on one line, followed by the difference.
func (m *Mismatch) Error() string {
	text := fmt.Sprintf("%s: expected %s, got %s", m.Where, m.Expected, m.Got)
	if m.Diff != "" {
		text += "\n" + m.Diff
	}
	return text
}

// Unwrap returns the cause.
func (m *Mismatch) Unwrap() error { return m.Cause }

// Compare returns nil if got equals want field by field (unset and default are the same where the proto says so), and the
// mismatch otherwise.
func Compare(where string, want, got proto.Message) error {
	if proto.Equal(want, got) {
		return nil
	}
	diff := Diff(want, got)
	if diff == "" {
		diff = "(they differ in a part that is too long to show)\n"
	}
	return &Mismatch{Where: where, Expected: Text(want), Got: Text(got), Diff: diff}
}

// Diff shows how got differs from want, line by line over their renderings; empty if the renderings are equal.
func Diff(want, got proto.Message) string {
	return DiffLines(Indented(want), Indented(got))
}

// DiffLines shows how got differs from want, line by line; empty if they are equal.
func DiffLines(want, got string) string {
	return lineDiff(strings.Split(want, "\n"), strings.Split(got, "\n"))
}

// maxDiffLines bounds the quadratic comparison below; longer renderings are shown one after the other.
const maxDiffLines = 400

// lineDiff marks the lines outside the longest common subsequence of a and b.
func lineDiff(a, b []string) string {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	if len(a) <= maxDiffLines && len(b) <= maxDiffLines {
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					common[i][j] = common[i+1][j+1] + 1
				} else {
					common[i][j] = max(common[i+1][j], common[i][j+1])
				}
			}
		}
	}
	var out strings.Builder
	changed := false
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString("  " + a[i] + "\n")
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			out.WriteString("- " + a[i] + "\n")
			i, changed = i+1, true
		default:
			out.WriteString("+ " + b[j] + "\n")
			j, changed = j+1, true
		}
	}
	if !changed {
		return ""
	}
	return out.String()
}
