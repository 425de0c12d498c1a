package oracle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var kinds = map[string]Kind{"log": Log, "value": Value}

// TestCorrectHistoriesAreAccepted: whatever clients learned of a correct proxy, nothing is held against it.
func TestCorrectHistoriesAreAccepted(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			w := run(t, kind)
			w.replay(true)
			w.replay(false)
			w.read()
			r := w.judge()
			if len(r.Violations) > 0 || len(r.Undecided) > 0 {
				t.Fatalf("%v, undecided %v", r.Violations, r.Undecided)
			}
			if r.Operations != r.Acknowledged+r.Refused+r.Unknown || r.Operations != len(w.operations) || r.Entities != 1 || r.CarriedOut > r.Unknown {
				t.Fatalf("counted %+v of %d operations", r, len(w.operations))
			}
		}))
	}
}

// planted are faults of a proxy, put into a correct history just before its end; each must be found by one of its rules.
var planted = map[string]struct {
	kinds []Kind
	rules []Rule
	plant func(w *world)
}{
	"an acknowledged write is lost": {[]Kind{Log, Value}, []Rule{Lost, Reordered}, func(w *world) {
		state, events := w.state, len(w.events)
		w.write()
		w.state, w.events = state, w.events[:events]
	}},
	"one is lost under a later one": {[]Kind{Log}, []Rule{Lost}, func(w *world) {
		first := w.write()
		w.state = strings.Replace(w.state, first.Writes[0], "", 1)
		w.write()
	}},
	"a write is there twice": {[]Kind{Log}, []Rule{Duplicate}, func(w *world) {
		o := w.write()
		w.apply(o)
	}},
	"a write is carried out again, over a later one": {[]Kind{Log, Value}, []Rule{Duplicate, Reordered}, func(w *world) {
		o := w.write()
		w.write()
		w.apply(o)
	}},
	"two writes change places": {[]Kind{Log}, []Rule{Reordered}, func(w *world) {
		before := w.state
		first, second := w.write(), w.write()
		w.state = before + second.Writes[0] + first.Writes[0]
	}},
	"a reader is told what was there before": {[]Kind{Log, Value}, []Rule{Reordered}, func(w *world) {
		stale := w.state
		w.write()
		now := w.state
		w.state = stale
		w.read()
		w.state = now
	}},
	"what was refused is there": {[]Kind{Log, Value}, []Rule{Resurrected}, func(w *world) {
		w.write()
		at := &w.operations[len(w.operations)-1]
		at.Outcome, at.Answered, at.Answer = Refused, false, ""
	}},
	"an old value comes back": {[]Kind{Value}, []Rule{Reordered}, func(w *world) {
		w.write()
		old := w.state
		w.write()
		w.read()
		w.state = old
	}},
	"what nobody sent is there": {[]Kind{Log, Value}, []Rule{Phantom}, func(w *world) {
		w.apply(Operation{Writes: w.fresh(1)})
	}},
	"the half of a command is there": {[]Kind{Log}, []Rule{Torn}, func(w *world) {
		o := w.write()
		w.operations[len(w.operations)-1].Writes = append(o.Writes, "the rest"+Stop)
	}},
	"a command's events have another between them": {[]Kind{Log}, []Rule{Reordered}, func(w *world) {
		w.write()
		w.write()
		last := w.write()
		at := &w.operations[len(w.operations)-3]
		at.Writes = append(at.Writes, last.Writes...)
		w.operations = slices.Delete(w.operations, len(w.operations)-1, len(w.operations))
	}},
	"what a reader saw of an unknown write is gone": {[]Kind{Log, Value}, []Rule{Lost, Reordered}, func(w *world) {
		state := w.state
		w.write()
		at := &w.operations[len(w.operations)-1]
		at.Outcome, at.Answered = Unknown, false
		w.read()
		w.state = state
		w.now += time.Second
	}},
	"two events have one number": {[]Kind{Log}, []Rule{Lost, Reordered}, func(w *world) {
		w.write()
		w.sightings = append(w.sightings, Sighting{Entity: "e", Seq: int64(len(w.events)), Text: "another" + Stop})
	}},
	"a snapshot says what was never there": {[]Kind{Log}, []Rule{Reordered}, func(w *world) {
		w.write()
		w.sightings = append(w.sightings, Sighting{Entity: "e", Seq: int64(len(w.events)), Snapshot: true, Text: w.state + "more" + Stop})
	}},
	"the user function is shown a refused value": {[]Kind{Value}, []Rule{Resurrected}, func(w *world) {
		w.operations = append(w.operations, Operation{Entity: "e", Called: w.now, Ended: w.now, Writes: w.fresh(1), Outcome: Refused})
		w.sightings = append(w.sightings, Sighting{Entity: "e", Text: w.operations[len(w.operations)-1].Writes[0]})
	}},
}

// TestPlantedViolationsAreFound: in whatever history, each fault is found, and called by its name.
func TestPlantedViolationsAreFound(t *testing.T) {
	for name, p := range planted {
		for kindName, kind := range kinds {
			if !slices.Contains(p.kinds, kind) {
				continue
			}
			t.Run(name+", "+kindName, rapid.MakeCheck(func(t *rapid.T) {
				w := run(t, kind)
				w.write() // whose outcome is known: what is unknown of the history before it explains nothing after it
				p.plant(w)
				w.read()
				r := w.judge()
				if !slices.ContainsFunc(r.Violations, func(v Violation) bool { return slices.Contains(p.rules, v.Rule) && v.Entity == "e" }) {
					t.Fatalf("not found as one of %v; found were %v, undecided %v", p.rules, r.Violations, r.Undecided)
				}
			}))
		}
	}
}

func TestWhatWasNotReadAtTheEndIsUndecided(t *testing.T) {
	w := &world{kind: Log}
	w.write()
	r := w.judge()
	if len(r.Undecided) != 1 || !strings.Contains(r.Undecided[0], "not read at the end") {
		t.Errorf("%+v", r)
	}
}

// TestTheSameHistoryIsJudgedTheSame: the first violation decides what requirement is said to be broken.
func TestTheSameHistoryIsJudgedTheSame(t *testing.T) {
	w := &world{kind: Value}
	w.write()
	for _, text := range []string{"d", "b", "a", "c"} {
		w.sightings = append(w.sightings, Sighting{Entity: "e", Text: text})
	}
	w.read()
	for range 20 {
		var found []string
		for _, v := range w.judge().Violations {
			found = append(found, v.Text[len("it held "):][:3])
		}
		if strings.Join(found, " ") != `"a" "b" "c" "d"` {
			t.Fatalf("found %v", found)
		}
	}
}

func TestViolationsReadWell(t *testing.T) {
	w := &world{kind: Log}
	lost := w.write()
	w.state, w.events = "", nil
	w.read()
	text := w.judge().Violations[0].String()
	if text != `e: lost: ["`+lost.Writes[0]+`"] was acknowledged at 1.01s and is gone` {
		t.Error(text)
	}
}
