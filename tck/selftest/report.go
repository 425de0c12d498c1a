package selftest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// Report is the whole result.
type Report struct {
	// Seed chose the samples and the order of the cases.
	Seed uint64 `json:"seed"`
	// DurationMS is the time of it all, in milliseconds.
	DurationMS int64   `json:"duration_ms"`
	Summary    Summary `json:"summary"`
	// Coverage says for how many of the MUSTs that have a case a mutant was killed; nil when only some of the mutants were judged.
	Coverage *Coverage `json:"coverage,omitempty"`
	Controls []Control `json:"controls"`
	Mutants  []Result  `json:"mutants"`
}

// Summary counts the mutants by status.
type Summary struct {
	Total     int `json:"total"`
	Killed    int `json:"killed"`
	Survived  int `json:"survived"`
	Noisy     int `json:"noisy"`
	Broken    int `json:"broken"`
	Elsewhere int `json:"elsewhere"`
	// Again is how many of Killed were so only when they were judged again, alone.
	Again int `json:"again"`
	// KillRate is Killed of those that cases can catch (Total less Elsewhere), from 0 to 1.
	KillRate float64 `json:"kill_rate"`
	// Proven says that the TCK bites: all killed, the controls passed, and there are mutants for enough of the MUSTs.
	Proven bool `json:"proven"`
}

// Control is a run of an unmutated program.
type Control struct {
	Target Target `json:"target"`
	Store  string `json:"store,omitempty"`
	Cases  int    `json:"cases"`
	// Faults are the cases that did not pass, and what else went wrong.
	Faults []string `json:"faults"`
}

// Result is what became of one mutant.
type Result struct {
	ID          string `json:"id"`
	Target      Target `json:"target"`
	Requirement string `json:"requirement"`
	// Twins are the other requirements that it breaks.
	Twins       []string `json:"twins,omitempty"`
	Description string   `json:"description"`
	Status      Status   `json:"status"`
	// CaughtBy are the cases that failed for the requirement.
	CaughtBy []string `json:"caught_by"`
	// Sample are the other cases that it was judged by.
	Sample []string `json:"sample"`
	Detail string   `json:"detail,omitempty"`
	// AtFirst is what it came to beside others, if that was not enough and it was judged again, alone: the rest is from then.
	AtFirst string `json:"at_first,omitempty"`
	// BuildMS and JudgeMS are milliseconds.
	BuildMS int64 `json:"build_ms"`
	JudgeMS int64 `json:"judge_ms"`
}

func (r *Report) summarize() {
	s := Summary{Total: len(r.Mutants), Proven: true}
	for _, m := range r.Mutants {
		switch m.Status {
		case Killed:
			s.Killed++
			if m.AtFirst != "" {
				s.Again++
			}
		case Survived:
			s.Survived++
		case Noisy:
			s.Noisy++
		case Broken:
			s.Broken++
		case Elsewhere:
			s.Elsewhere++
		}
	}
	if judged := s.Total - s.Elsewhere; judged > 0 {
		s.KillRate = float64(s.Killed) / float64(judged)
	}
	s.Proven = s.Killed > 0 && s.Killed+s.Elsewhere == s.Total
	for _, c := range r.Controls {
		s.Proven = s.Proven && len(c.Faults) == 0
	}
	if c := r.Coverage; c != nil {
		s.Proven = s.Proven && c.Percent >= c.AtLeast
	}
	r.Summary = s
}

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) {
	for _, c := range r.Controls {
		fmt.Fprintf(w, "control  %-8s %s: %d cases, %d faults\n", c.Target, c.Store, c.Cases, len(c.Faults))
		for _, fault := range c.Faults {
			fmt.Fprintf(w, "         %s\n", fault)
		}
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "STATUS\tTARGET\tREQUIREMENT\tMUTANT\tCAUGHT BY")
	for _, m := range r.Mutants {
		by := "-"
		if len(m.CaughtBy) > 0 {
			by = m.CaughtBy[0]
		}
		if n := len(m.CaughtBy) - 1; n > 0 {
			by += fmt.Sprintf(" and %d more", n)
		}
		if m.Status == Elsewhere {
			by = m.Detail
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", m.Status, m.Target, m.Requirement, m.ID, by)
	}
	_ = table.Flush() // text for a person
	for _, m := range r.Mutants {
		if m.Status != Killed && m.Status != Elsewhere {
			fmt.Fprintf(w, "\n%s %s (%s): %s\n  %s\n", m.Status, m.ID, m.Requirement, m.Description, m.Detail)
		}
		if m.AtFirst != "" {
			fmt.Fprintf(w, "\n%s was judged again, alone: %s; beside others it had\n  %s\n", m.ID, m.Status, m.AtFirst)
		}
	}
	if r.Coverage != nil {
		r.Coverage.print(w)
	}
	s := r.Summary
	fmt.Fprintf(w, "\n%d of %d mutants killed (%.0f %%), %d survived, %d noisy, %d broken, %d caught elsewhere, %d only when judged again, in %.0f s\n",
		s.Killed, s.Total-s.Elsewhere, 100*s.KillRate, s.Survived, s.Noisy, s.Broken, s.Elsewhere, s.Again, float64(r.DurationMS)/1000)
}

// Write puts the report as report.json into dir.
func (r *Report) Write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "report.json"), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
