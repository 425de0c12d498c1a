package verdict

import (
	"slices"

	"github.com/stateful-serverless/cloudstate/spec"
)

// Change is one requirement or case of which two reports say different things.
type Change struct {
	ID string
	// Level is that of a requirement; empty for a case.
	Level spec.Level
	// Old and New are the verdicts; empty where the report does not have it.
	Old, New Verdict
	// Announced is why the new shortfall was expected; empty when it was not.
	Announced string
	// Failure is how the case failed in the new report, or the first case of the requirement that did; empty when none did.
	Failure string
}

// Changes are the differences of one sort, in the order of the reports.
type Changes struct {
	Requirements, Cases []Change
}

// Len is how many there are.
func (c Changes) Len() int { return len(c.Requirements) + len(c.Cases) }

// Comparison is what a newer report says other than an older one.
type Comparison struct {
	Old, New *Report
	// Regressions are worse for the target: what passed and does not any more, unless the newer run left it out by choice or the shortfall was
	// announced; and what is broken now and was not known to be.
	Regressions Changes
	// Improvements passed for the first time.
	Improvements Changes
	// Others are all other differences: announced, new, gone, of another reason.
	Others Changes
	// LeftOut counts the cases that passed and were left out of the newer run by choice; nothing is said of them, nor of their requirements.
	LeftOut int
}

// Compare compares two reports. They may be of different runs, targets, kits and versions of SPEC.md.
func Compare(older, newer *Report) Comparison {
	c := Comparison{Old: older, New: newer}
	failures := map[string]string{}
	before := map[string]Case{}
	for _, k := range older.Cases {
		before[k.ID] = k
	}
	after := map[string]bool{}
	for _, k := range newer.Cases {
		after[k.ID] = true
		if k.Failure != nil {
			failures[k.ID] = k.Failure.Error()
		}
		was := before[k.ID].Verdict
		if k.Skipped {
			if was == Passed {
				c.LeftOut++
			}
			continue
		}
		c.sort(Change{ID: k.ID, Old: was, New: k.Verdict, Announced: k.Announced, Failure: failures[k.ID]})
	}
	for _, k := range older.Cases {
		if !after[k.ID] {
			c.sort(Change{ID: k.ID, Old: k.Verdict})
		}
	}
	c.requirements(failures)
	return c
}

// requirements compares the requirements.
func (c *Comparison) requirements(failures map[string]string) {
	before := map[string]Requirement{}
	for _, r := range c.Old.Requirements {
		before[r.ID] = r
	}
	after := map[string]bool{}
	for _, r := range c.New.Requirements {
		after[r.ID] = true
		if c.New.LeftOut(r) {
			continue
		}
		change := Change{ID: r.ID, Level: r.Level, Old: before[r.ID].Verdict, New: r.Verdict, Announced: r.Announced}
		if i := slices.IndexFunc(r.Cases, func(id string) bool { return failures[id] != "" }); i >= 0 {
			change.Failure = r.Cases[i] + ": " + failures[r.Cases[i]]
		}
		c.sort(change)
	}
	for _, r := range c.Old.Requirements {
		if !after[r.ID] {
			c.sort(Change{ID: r.ID, Level: r.Level, Old: r.Verdict})
		}
	}
}

// sort puts a change where it belongs, if it is one.
func (c *Comparison) sort(change Change) {
	to := &c.Others
	switch {
	case change.Old == change.New:
		return
	case change.regression():
		to = &c.Regressions
	case change.New == Passed && change.Old != "":
		to = &c.Improvements
	}
	if change.Level == "" {
		to.Cases = append(to.Cases, change)
	} else {
		to.Requirements = append(to.Requirements, change)
	}
}

// regression tells whether the change is for the worse. What is in one report only is not: the kit or SPEC.md grew or shrank, not the target.
func (c Change) regression() bool {
	switch {
	case c.Old == "" || c.New == "" || c.Announced != "":
		return false
	case c.Old == Passed:
		return true
	}
	return c.New == Failed || c.New == Flaky && c.Old != Failed
}
