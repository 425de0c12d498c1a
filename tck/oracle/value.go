package oracle

import (
	"maps"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
)

// change is what an operation does to a value.
type change struct {
	writes bool
	text   string // of a write; "" deletes
}

// told is what an operation's answer says of the value after it.
type told struct {
	known bool
	text  string
}

// value judges a value entity: every value that anybody saw was written by somebody, and one order of the operations explains all answers.
func (e *entity) value() {
	seen := map[string]bool{}
	for _, o := range e.operations {
		if o.Outcome == Acknowledged && o.Answered {
			seen[o.Answer] = true
		}
	}
	for _, s := range e.sightings {
		seen[s.Text] = true
	}
	sent := map[string]Outcome{}
	for _, o := range e.operations {
		for _, text := range o.Writes {
			sent[text] = o.Outcome
		}
	}
	for _, text := range slices.Sorted(maps.Keys(seen)) {
		switch outcome, ok := sent[text]; {
		case text == "":
		case !ok:
			e.violation(Phantom, "it held %q, which nobody sent to it", text)
		case outcome == Refused:
			e.violation(Resurrected, "it held %q, which was surely refused", text)
		}
	}
	var history []porcupine.Operation
	for _, o := range e.operations {
		step := porcupine.Operation{ClientId: o.Client, Call: int64(o.Called), Return: int64(o.Ended), Output: told{o.Answered, o.Answer}}
		made := change{writes: !o.reads()}
		if len(o.Writes) > 0 {
			made.text = o.Writes[0]
		}
		step.Input = made
		switch o.Outcome {
		case Refused:
			continue
		case Unknown:
			// A read of unknown outcome says nothing, and a value that nobody saw need not have been written. A delete leaves nothing to be seen.
			if o.reads() || !o.Delete && !seen[made.text] {
				continue
			}
			if !o.Delete {
				e.result.CarriedOut++
			}
			step.Output, step.Return = told{}, math.MaxInt64
		case Acknowledged:
		}
		history = append(history, step)
	}
	e.linear(replaced, history)
}

// replaced is a value that is written, deleted and read; an answer is the value after the operation.
var replaced = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		held, _ := state.(string)
		made, _ := input.(change)
		answer, _ := output.(told)
		if made.writes {
			held = made.text
		}
		return !answer.known || answer.text == held, held
	},
	Equal: func(a, b any) bool { return a == b },
}
