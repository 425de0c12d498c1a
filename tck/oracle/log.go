package oracle

import (
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// log judges an event sourced entity whose text was final in the end. A log only grows, so the final text has every earlier one as a prefix, and
// each answer is the number of events that it tells.
func (e *entity) log(final string) {
	events := split(final)
	number := map[string]int{} // of an event, from 1
	for i, text := range events {
		if number[text] != 0 {
			e.violation(Duplicate, "%q is there as event %d and as event %d", text, number[text], i+1)
			continue
		}
		number[text] = i + 1
	}
	e.strangers(events)
	var history []porcupine.Operation
	for _, o := range e.operations {
		if o.Outcome == Refused {
			e.unwanted(o, number)
			continue
		}
		there := e.whole(o, number)
		if o.Outcome == Unknown && !there {
			continue // it never happened; of a read nobody knows the answer
		}
		if o.Outcome == Unknown {
			e.result.CarriedOut++
		}
		step := porcupine.Operation{ClientId: o.Client, Call: int64(o.Called), Return: int64(o.Ended), Input: len(o.Writes)}
		switch {
		case o.Outcome == Acknowledged && o.Answered:
			told, ok := e.prefix(o, events)
			if !ok {
				continue
			}
			step.Output = told
		case there:
			// What it made is known, though nobody was told.
			step.Output = number[o.Writes[len(o.Writes)-1]]
		default:
			continue // acknowledged and lost: said already
		}
		if o.Outcome == Unknown {
			step.Return = math.MaxInt64 // it may have taken effect after its client had ceased to wait
		}
		history = append(history, step)
	}
	for _, s := range e.sightings {
		e.shown(s, events, number)
	}
	e.linear(growing, history)
}

// strangers finds events that nobody sent.
func (e *entity) strangers(events []string) {
	sent := map[string]bool{}
	for _, o := range e.operations {
		for _, text := range o.Writes {
			sent[text] = true
		}
	}
	for i, text := range events {
		if !sent[text] {
			e.violation(Phantom, "event %d is %q, which nobody sent to it", i+1, text)
		}
	}
}

// unwanted holds a refused operation against what is there.
func (e *entity) unwanted(o Operation, number map[string]int) {
	for _, text := range o.Writes {
		if number[text] != 0 {
			e.violation(Resurrected, "%q was surely refused, and is there as event %d", text, number[text])
		}
	}
}

// whole tells whether the operation's events are there, all or none of them, side by side.
func (e *entity) whole(o Operation, number map[string]int) bool {
	present := 0
	for _, text := range o.Writes {
		if number[text] != 0 {
			present++
		}
	}
	switch {
	case present == 0:
		if len(o.Writes) > 0 && o.Outcome == Acknowledged {
			e.violation(Lost, "%q was acknowledged at %v and is gone", o.Writes, o.Ended)
		}
		return false
	case present < len(o.Writes):
		e.violation(Torn, "of the events %q of one command only %d are there", o.Writes, present)
		return false
	}
	for i, text := range o.Writes {
		if number[text] != number[o.Writes[0]]+i {
			e.violation(Reordered, "the events %q of one command are not there side by side", o.Writes)
			return false
		}
	}
	return true
}

// prefix returns how many events an answer tells of.
func (e *entity) prefix(o Operation, events []string) (int, bool) {
	told := split(o.Answer)
	if len(told) <= len(events) && slices.Equal(told, events[:len(told)]) {
		return len(told), true
	}
	for _, text := range told {
		if !slices.Contains(events, text) {
			e.violation(Lost, "client %d was told of %q at %v, and it is gone", o.Client, text, o.Ended)
			return 0, false
		}
	}
	e.violation(Reordered, "client %d was told %q at %v, and the events are there in another order", o.Client, clip(o.Answer), o.Ended)
	return 0, false
}

// shown holds what the user function was shown against what is there.
func (e *entity) shown(s Sighting, events []string, number map[string]int) {
	n := int(s.Seq)
	switch {
	case s.Snapshot:
		if n > len(events) || strings.Join(events[:max(n, 0)], "") != s.Text {
			e.violation(Reordered, "the user function got a snapshot at event %d that says %q; the first %d events are others", n, clip(s.Text), n)
		}
	case n >= 1 && n <= len(events) && events[n-1] == s.Text:
	case number[s.Text] == 0:
		e.violation(Lost, "the user function was shown %q as event %d, and it is gone", s.Text, n)
	default:
		e.violation(Reordered, "the user function was shown %q as event %d, and it is there as event %d", s.Text, n, number[s.Text])
	}
}

// split cuts a text into events. What does not end as events do is kept as it is.
func split(text string) []string {
	parts := strings.SplitAfter(text, Stop)
	if parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// growing is a log by the number of its events: an operation adds some and answers how many there are.
var growing = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		before, _ := state.(int)
		adds, _ := input.(int)
		return output == any(before+adds), before + adds
	},
	Equal: func(a, b any) bool { return a == b },
}
