package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// patience bounds the judgement of one entity's order.
const patience = time.Minute

// Judge holds the operations and sightings of any number of entities of one kind against what a correct proxy could have done. Each entity's last
// operation must be an acknowledged read that was called when all others had ended.
func Judge(kind Kind, operations []Operation, sightings []Sighting) Result {
	var result Result
	byEntity := map[string][]Operation{}
	for _, o := range operations {
		byEntity[o.Entity] = append(byEntity[o.Entity], o)
		result.Operations++
		switch o.Outcome {
		case Acknowledged:
			result.Acknowledged++
		case Refused:
			result.Refused++
		case Unknown:
			result.Unknown++
		}
	}
	shown := map[string][]Sighting{}
	for _, s := range sightings {
		shown[s.Entity] = append(shown[s.Entity], s)
	}
	result.Entities = len(byEntity)
	for _, name := range slices.Sorted(maps.Keys(byEntity)) {
		j := &entity{name: name, operations: byEntity[name], sightings: shown[name], result: &result}
		slices.SortStableFunc(j.operations, func(a, b Operation) int { return cmp.Compare(a.Called, b.Called) })
		last := j.operations[len(j.operations)-1]
		if !last.reads() || last.Outcome != Acknowledged {
			j.undecided("it was not read at the end")
			continue
		}
		if kind == Log {
			j.log(last.Answer)
		} else {
			j.value()
		}
	}
	return result
}

// entity is one entity's history under judgement.
type entity struct {
	name       string
	operations []Operation // in the order of their calls
	sightings  []Sighting
	result     *Result
}

func (e *entity) violation(rule Rule, format string, args ...any) {
	e.result.Violations = append(e.result.Violations, Violation{rule, e.name, fmt.Sprintf(format, args...)})
}

func (e *entity) undecided(format string, args ...any) {
	e.result.Undecided = append(e.result.Undecided, e.name+": "+fmt.Sprintf(format, args...))
}

// linear asks porcupine whether the history has an order that the model admits.
func (e *entity) linear(model porcupine.Model, history []porcupine.Operation) {
	switch porcupine.CheckOperationsTimeout(model, history, patience) {
	case porcupine.Ok:
	case porcupine.Illegal:
		e.violation(Reordered, "no order of its %d operations explains all answers; %s", len(history), e.suspect())
	case porcupine.Unknown:
		e.undecided("the order of its %d operations could not be judged within %s", len(history), patience)
	}
}

// suspect names the first answer that forgets an earlier one, for people.
func (e *entity) suspect() string {
	for i, o := range e.operations {
		if o.Outcome != Acknowledged || !o.Answered {
			continue
		}
		for _, before := range e.operations[:i] {
			if before.Outcome == Acknowledged && before.Answered && before.Ended < o.Called && len(before.Answer) > len(o.Answer) {
				return fmt.Sprintf("client %d, at %v to %v, was told %q; %q had been told before that, at %v",
					o.Client, o.Called, o.Ended, clip(o.Answer), clip(before.Answer), before.Ended)
			}
		}
	}
	return "no single answer shows it"
}
