package oracle

import (
	"strings"
	"time"
)

// Kind says what an entity's state is.
type Kind int

// The kinds.
const (
	// Log: the state is a text that only grows: the texts of all events, joined. Each ends in [Stop] and has none before that.
	Log Kind = iota
	// Value: the state is the text that was written last; none after a delete.
	Value
)

// Stop ends the text of each event of a [Log].
const Stop = ";"

// Outcome is what the client of an operation knows of it.
type Outcome int

// The outcomes.
const (
	// Acknowledged: it took effect, once, between Called and Ended.
	Acknowledged Outcome = iota
	// Refused: it did not take effect and never will.
	Refused
	// Unknown: it took effect once, at any time after Called, or never.
	Unknown
)

// Operation is one command to one entity, with all the tries that its client made under one idempotency key.
type Operation struct {
	// Entity is the entity's id, unique over all kinds.
	Entity string
	// Client tells callers apart, for reports.
	Client int
	// Called and Ended are when it was first sent and when its client ceased to wait, since any fixed moment.
	Called, Ended time.Duration
	// Writes are the texts that it adds as events to a [Log], in order; or the one text that it makes a [Value]. Each is unique among all operations.
	// None: the operation reads, or it deletes.
	Writes []string
	// Delete is set when it deletes a [Value].
	Delete  bool
	Outcome Outcome
	// Answer is the state after the operation, as the answer said; meaningless unless Answered.
	Answer string
	// Answered is set when an acknowledged operation's answer told the state. A read that is acknowledged is always answered.
	Answered bool
}

func (o Operation) reads() bool { return len(o.Writes) == 0 && !o.Delete }

// Sighting is a piece of an entity's stored state that its user function was shown.
type Sighting struct {
	Entity string
	// Seq is the event's number, or the number of the last event that a snapshot covers; 0 for a [Value].
	Seq int64
	// Snapshot is set when Text is the whole state of a [Log] up to Seq.
	Snapshot bool
	// Text is the event's text, the snapshot's or the value's.
	Text string
}

// Rule is what a [Violation] broke.
type Rule string

// The rules, by what breaks them.
const (
	// Lost: what was acknowledged, or what somebody was shown, is gone.
	Lost Rule = "lost"
	// Duplicate: what was sent once is there more than once.
	Duplicate Rule = "duplicate"
	// Reordered: the answers contradict each other, their times, or the order in which things are there.
	Reordered Rule = "reordered"
	// Resurrected: what was surely refused is there, or was shown.
	Resurrected Rule = "resurrected"
	// Phantom: what nobody sent is there, or was shown.
	Phantom Rule = "phantom"
	// Torn: a part of a command's events is there without the rest.
	Torn Rule = "torn"
)

// Violation is one way in which an entity's history is impossible.
type Violation struct {
	Rule   Rule
	Entity string
	// Text says what is wrong, for people.
	Text string
}

// String is the violation as one line.
func (v Violation) String() string { return v.Entity + ": " + string(v.Rule) + ": " + v.Text }

// Result is what [Judge] found.
type Result struct {
	Violations []Violation
	// Undecided says of which entities something could not be judged, and why.
	Undecided []string
	// Operations, Acknowledged, Refused and Unknown count operations; CarriedOut those of Unknown that took effect, as far as it shows.
	Operations, Acknowledged, Refused, Unknown, CarriedOut int
	// Entities is how many there were.
	Entities int
}

// clip shortens a long text to its end.
func clip(text string) string {
	const shown = 60
	if len(text) <= shown {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-shown:], "")
}
