package storm

import (
	"fmt"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/oracle"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// told is how many violations a failure lists.
const told = 5

// judge has the oracle look at the history.
func (s *storm) judge(witness *oracle.Witness) {
	var violations []oracle.Violation
	var undecided []string
	carriedOut := 0
	for _, k := range s.mix.kinds {
		var operations []oracle.Operation
		mine := map[string]bool{}
		for _, e := range s.entities {
			mine[e.id] = e.kind.name == k.name
		}
		for _, o := range s.history {
			if mine[o.Entity] {
				operations = append(operations, o)
			}
		}
		result := oracle.Judge(k.judged, operations, witness.Sightings())
		violations = append(violations, result.Violations...)
		undecided = append(undecided, result.Undecided...)
		carriedOut += result.CarriedOut
	}
	violations = append(violations, witness.Gaps()...)
	s.t.Notef("of the unknown, %d were carried out; %d violations", carriedOut, len(violations)+len(s.odd))
	if len(violations) > 0 {
		s.t.Fail(suite.Failure{
			Requirement: s.requirement(violations[0]),
			Expected:    "every command's outcome to be what its client was told: what was acknowledged is there, once and in order, and nothing else",
			Got:         listed(violations),
			Remedy:      "make durable before you answer, write only over what you have read, and read what is stored before you answer from it; the note of this case has the seed",
		})
	}
	s.t.Require(len(s.odd) == 0, suite.Failure{Expected: "only answers that a proxy may give", Got: strings.Join(s.odd[:min(told, len(s.odd))], "\n")})
	if len(undecided) > 0 {
		s.t.KitFault(fmt.Errorf("the oracle could not decide: %s", strings.Join(undecided[:min(told, len(undecided))], "; ")))
	}
}

// requirement is the one that a violation breaks first of all.
func (s *storm) requirement(v oracle.Violation) string {
	log := strings.HasPrefix(v.Entity, eventSourced.name+"-")
	switch {
	case s.mix.keyed:
		return "IDEM-07"
	case log && v.Rule == oracle.Resurrected:
		return "ES-36"
	case log && v.Rule == oracle.Duplicate:
		return "ES-07"
	case log:
		return "ES-20"
	case v.Rule == oracle.Resurrected:
		return "VE-20"
	}
	return "VE-13"
}

func listed(violations []oracle.Violation) string {
	lines := make([]string, 0, told+1)
	for _, v := range violations[:min(told, len(violations))] {
		lines = append(lines, v.String())
	}
	if more := len(violations) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}
