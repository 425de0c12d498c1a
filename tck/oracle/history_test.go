package oracle

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// world is a correct proxy with clients that do not learn everything, and one entity on it: each operation takes effect at a moment of its own.
type world struct {
	kind       Kind
	state      string
	events     []string
	operations []Operation
	sightings  []Sighting
	now        time.Duration
	writes     int
}

// step is how far apart two operations take effect; calls last longer, so that they overlap.
const step = 10 * time.Millisecond

// run draws a history of a correct proxy under faults, without the read at its end.
func run(t *rapid.T, kind Kind) *world {
	w := &world{kind: kind}
	for range rapid.IntRange(3, 40).Draw(t, "operations") {
		w.one(t)
	}
	return w
}

func (w *world) one(t *rapid.T) {
	w.now += step
	o := Operation{Entity: "e", Client: len(w.operations)}
	o.Called = w.now - time.Duration(rapid.IntRange(0, 50).Draw(t, "before"))*time.Millisecond
	o.Ended = w.now + time.Duration(rapid.IntRange(0, 50).Draw(t, "after"))*time.Millisecond
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
	case what < 3: // a read
	case what == 3 && w.kind == Value:
		o.Delete = true
	default:
		o.Writes = w.fresh(rapid.IntRange(1, 2).Draw(t, "events"))
	}
	o.Outcome = rapid.SampledFrom([]Outcome{Acknowledged, Acknowledged, Acknowledged, Refused, Unknown}).Draw(t, "outcome")
	if o.Outcome == Unknown && !o.reads() {
		o.Ended = o.Called + time.Duration(rapid.IntRange(0, 100).Draw(t, "patience"))*time.Millisecond // sooner than it takes effect, or later
	}
	if o.Outcome == Acknowledged || o.Outcome == Unknown && rapid.Bool().Draw(t, "carried out") {
		w.apply(o)
	}
	if o.Outcome == Acknowledged {
		o.Answered = o.reads() || rapid.IntRange(0, 9).Draw(t, "answered") > 0
		o.Answer = w.state
	}
	w.operations = append(w.operations, o)
	if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
		w.replay(rapid.Bool().Draw(t, "snapshot"))
	}
}

func (w *world) fresh(n int) []string {
	w.writes++
	if w.kind == Value {
		return []string{fmt.Sprint(w.writes)}
	}
	var texts []string
	for i := range n {
		texts = append(texts, fmt.Sprintf("%d.%d%s", w.writes, i, Stop))
	}
	return texts
}

func (w *world) apply(o Operation) {
	switch {
	case o.Delete:
		w.state = ""
	case w.kind == Value && len(o.Writes) > 0:
		w.state = o.Writes[0]
	default:
		w.events = append(w.events, o.Writes...)
		w.state += strings.Join(o.Writes, "")
	}
}

// replay shows the user function what is stored.
func (w *world) replay(snapshot bool) {
	switch {
	case w.kind == Value:
		if w.state != "" {
			w.sightings = append(w.sightings, Sighting{Entity: "e", Text: w.state})
		}
	case snapshot && len(w.events) > 0:
		w.sightings = append(w.sightings, Sighting{Entity: "e", Seq: int64(len(w.events)), Snapshot: true, Text: w.state})
	default:
		for i, text := range w.events {
			w.sightings = append(w.sightings, Sighting{Entity: "e", Seq: int64(i + 1), Text: text})
		}
	}
}

// read adds an acknowledged read of what is there now, when all is over.
func (w *world) read() {
	w.now += time.Second
	w.operations = append(w.operations, Operation{Entity: "e", Client: len(w.operations), Called: w.now, Ended: w.now + step, Answered: true, Answer: w.state})
}

// write adds an acknowledged write, with nothing else at the same time.
func (w *world) write() Operation {
	w.now += time.Second
	o := Operation{Entity: "e", Client: len(w.operations), Called: w.now, Ended: w.now + step, Writes: w.fresh(1), Answered: true}
	w.apply(o)
	o.Answer = w.state
	w.now += step
	w.operations = append(w.operations, o)
	return o
}

func (w *world) judge() Result { return Judge(w.kind, w.operations, w.sightings) }
