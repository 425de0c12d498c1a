package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// operation is one call to a register, and what its caller knows of it.
type operation struct {
	register string
	// id is that of an increment; "" is a read.
	id            string
	caller        int
	called, ended time.Duration // since the trial began
	outcome       outcome
	held          string // what the answer said; of an acknowledged one
}

type outcome int

const (
	// acknowledged: carried out, once, between called and ended.
	acknowledged outcome = iota
	// turnedAway: the status says that it was not carried out, and never will be.
	turnedAway
	// unknown: carried out once, at any time after called, or never.
	unknown
)

// checkHistory holds the operations on all registers against the model of a counter that remembers, one register at a
// time. A register must have been read at the end. carriedOut is how many increments of unknown outcome took effect.
func checkHistory(all []operation) (faults []string, registers, carriedOut int) {
	byRegister := map[string][]operation{}
	for _, o := range all {
		byRegister[o.register] = append(byRegister[o.register], o)
	}
	for _, name := range slices.Sorted(maps.Keys(byRegister)) {
		found, unknownOnes := checkRegister(name, byRegister[name])
		faults = append(faults, found...)
		carriedOut += unknownOnes
	}
	return faults, len(byRegister), carriedOut
}

func checkRegister(name string, ops []operation) (faults []string, carriedOut int) {
	fault := func(format string, args ...any) { faults = append(faults, name+": "+fmt.Sprintf(format, args...)) }
	slices.SortFunc(ops, func(a, b operation) int { return int(a.called - b.called) })
	last := ops[len(ops)-1]
	if last.id != "" || last.outcome != acknowledged {
		fault("it was not read at the end")
		return faults, 0
	}
	// What was there after each increment, by the last read's word: registers only grow.
	after, held := map[string]string{}, ""
	for _, id := range strings.Fields(last.held) {
		held = with(held, id)
		if _, twice := after[id]; twice {
			fault("%s is there twice", id)
		}
		after[id] = held
	}
	sent := map[string]bool{}
	var history []porcupine.Operation
	for _, o := range ops {
		there := after[o.id] != ""
		sent[o.id] = true
		switch {
		case o.id != "" && o.outcome == acknowledged && !there:
			fault("%s was acknowledged and is gone", o.id)
		case o.id != "" && o.outcome == turnedAway && there:
			fault("%s was refused as not carried out, and is there", o.id)
		case o.id != "" && o.outcome == unknown && there:
			carriedOut++
			// It took effect when its caller had ceased to wait, for all that is known; what it made is known.
			history = append(history, porcupine.Operation{
				ClientId: o.caller, Input: o.id, Output: after[o.id], Call: int64(o.called), Return: math.MaxInt64,
			})
		}
		if o.outcome == acknowledged {
			history = append(history, porcupine.Operation{
				ClientId: o.caller, Input: o.id, Output: o.held, Call: int64(o.called), Return: int64(o.ended),
			})
		}
	}
	for id := range after {
		if !sent[id] {
			fault("%s is there, which nobody sent", id)
		}
	}
	switch porcupine.CheckOperationsTimeout(register, history, patience) {
	case porcupine.Ok:
	case porcupine.Illegal:
		fault("its history is not linearizable: %s", whyNot(ops, last.held))
	case porcupine.Unknown:
		fault("its history of %d operations could not be judged within %v", len(history), patience)
	}
	return faults, carriedOut
}

// register is a counter that remembers, one of its own: the state is what it holds.
var register = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		held, id, answer := state.(string), input.(string), output.(string)
		if id != "" {
			held = with(held, id)
		}
		return answer == held, held
	},
	Equal: func(a, b any) bool { return a == b },
}

// whyNot names the first operation that cannot be, for people.
func whyNot(ops []operation, final string) string {
	byEnd := slices.Clone(ops)
	slices.SortFunc(byEnd, func(a, b operation) int { return int(a.ended - b.ended) })
	newest, ended := "", 0
	for _, o := range ops { // in the order of their calls
		if o.outcome != acknowledged {
			continue
		}
		for ; byEnd[ended].ended < o.called; ended++ {
			if byEnd[ended].outcome == acknowledged && len(byEnd[ended].held) > len(newest) {
				newest = byEnd[ended].held
			}
		}
		what := "the read"
		if o.id != "" {
			what = "the increment " + o.id
		}
		switch {
		case !strings.HasPrefix(final+" ", o.held+" ") && o.held != "":
			return fmt.Sprintf("%s of caller %d, %v to %v, was answered with what does not stay: …%s", what, o.caller, o.called, o.ended, tail(o.held))
		case len(o.held) < len(newest):
			return fmt.Sprintf("%s of caller %d, %v to %v, was answered with %d increments; %d had been answered before it was called",
				what, o.caller, o.called, o.ended, len(strings.Fields(o.held)), len(strings.Fields(newest)))
		}
	}
	return "no single operation shows it"
}

func tail(s string) string { return s[max(0, len(s)-60):] }
