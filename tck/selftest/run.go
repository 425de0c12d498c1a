package selftest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stateful-serverless/cloudstate/spec"
)

// Config says what to prove and how.
type Config struct {
	// Root is the repository.
	Root string
	// Out is the folder for the reports: its own, and one of the TCK's for each mutant.
	Out string
	// Only are the ids of the mutants to judge; none means all.
	Only []string
	// Parallel is how many mutants are judged at once, at least 1.
	Parallel int
	// Sample is how many other cases each mutant is judged by.
	Sample int
	// AtLeast is the part, in percent, of the MUSTs with a case for which a mutant must be killed; judged when Only is empty.
	AtLeast float64
	// Seed determines the samples and the order of the cases.
	Seed uint64
}

// Run judges the mutants. The error says why they could not be judged; that one survived is in the report. A run that ctx ends returns
// both: what it found until then, with the rest broken.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	began := time.Now()
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, err
	}
	out, err := filepath.Abs(cfg.Out)
	if err != nil {
		return nil, err
	}
	mutants, err := Load(filepath.Join(root, "fixtures", "mutants"))
	if err != nil {
		return nil, err
	}
	exempt, err := loadExemptions(filepath.Join(root, "fixtures", "mutants", "exempt.yaml"))
	if err != nil {
		return nil, err
	}
	catalogue, err := spec.Load()
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "tck-mutants-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the builds: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left lies in the system's folder for such
	r := &runner{config: cfg, root: root, out: out, work: work, kit: kit{filepath.Join(work, "cloudstate-tck"), cfg.Seed}, faulty: map[setup]map[string]bool{}, programs: map[Target]*programs{}}
	if err := build(ctx, root, kitPackage, r.kit.program, ""); err != nil {
		return nil, err
	}
	if r.cases, err = r.kit.list(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(checkRequirements(mutants, catalogue), checkCases(mutants, r.cases), checkExemptions(exempt, mutants, catalogue, r.cases)); err != nil {
		return nil, err
	}
	if mutants, err = chosen(mutants, cfg.Only); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(mutants, func(m Mutant) bool { return m.Store == postgres }) {
		r.server = filepath.Join(work, "testserver")
		if err := build(ctx, root, serverPackage, r.server, ""); err != nil {
			return nil, err
		}
	}
	report := &Report{Seed: cfg.Seed}
	for _, target := range []Target{Proxy, Frontend} {
		if r.programs[target], err = r.combine(ctx, target, mutants); err != nil {
			return nil, err
		}
	}
	if report.Controls, err = r.controls(ctx, mutants); err != nil {
		return nil, err
	}
	report.Mutants = judgeAll(len(mutants), cfg.Parallel, func(i int) Result { return r.judge(ctx, mutants[i]) })
	report.DurationMS = time.Since(began).Milliseconds()
	if len(cfg.Only) == 0 {
		report.Coverage = cover(catalogue, r.cases, exempt, report.Mutants, cfg.AtLeast)
	}
	report.summarize()
	return report, ctx.Err()
}

// mostAgain is how many mutants may be judged twice: when more are not caught it is not by chance.
const mostAgain = 5

// judgeAll judges n mutants, parallel at once, and then alone what was not caught beside others. That a machine was too busy for a case says
// nothing against the case; that it was needed is in the results.
func judgeAll(n, parallel int, judge func(i int) Result) []Result {
	results := make([]Result, n)
	workers := errgroup.Group{}
	workers.SetLimit(max(1, parallel))
	for i := range results {
		workers.Go(func() error { results[i] = judge(i); return nil })
	}
	_ = workers.Wait() // what goes wrong is in the results
	var missed []int
	for i := range results {
		if s := results[i].Status; s != Killed && s != Elsewhere {
			missed = append(missed, i)
		}
	}
	if len(missed) > mostAgain {
		return results
	}
	for _, i := range missed {
		first := results[i]
		results[i] = judge(i)
		results[i].AtFirst = fmt.Sprintf("%s: %s", first.Status, first.Detail)
	}
	return results
}

// chosen returns the mutants with the ids, all when none is given.
func chosen(mutants []Mutant, ids []string) ([]Mutant, error) {
	if len(ids) == 0 {
		return mutants, nil
	}
	var out []Mutant
	for _, id := range ids {
		at := slices.IndexFunc(mutants, func(m Mutant) bool { return m.ID == id })
		if at < 0 {
			return nil, fmt.Errorf("%w: there is none with the id %q", ErrMutant, id)
		}
		out = append(out, mutants[at])
	}
	return out, nil
}

type runner struct {
	config          Config
	root, out, work string
	server          string // the program that runs databases; built when a mutant needs one
	kit             kit
	cases           []Case
	programs        map[Target]*programs
	building        sync.Mutex
	faulty          map[setup]map[string]bool // cases that the unmutated programs did not pass either
}

// setup is what programs are judged with.
type setup struct {
	target Target
	store  string
}

// controls judges the unmutated programs by all the cases that any mutant is judged by.
func (r *runner) controls(ctx context.Context, mutants []Mutant) ([]Control, error) {
	needed := map[setup][]string{}
	var order []setup
	for _, m := range mutants {
		if m.ProvenBy != "" {
			continue
		}
		s := setup{m.Target, m.Store}
		if needed[s] == nil {
			order = append(order, s)
		}
		needed[s] = slices.Concat(needed[s], m.AllCases(), sample(m, r.cases, r.config.Sample, r.config.Seed))
	}
	out := make([]Control, len(order))
	faulty := make([]map[string]bool, len(order))
	var group errgroup.Group
	for i, s := range order {
		group.Go(func() error {
			cases := needed[s]
			slices.Sort(cases)
			cases = slices.Compact(cases)
			report, err := r.run(ctx, s, r.programs[s.target].control, filepath.Join(r.out, "control-"+string(s.target)+"-"+s.store), cases)
			if err != nil {
				return fmt.Errorf("the control of the %s: %w", s.target, err)
			}
			out[i], faulty[i] = control(s, cases, mutants, report)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, s := range order {
		r.faulty[s] = faulty[i]
	}
	return out, nil
}

// control says what is wrong with an unmutated program, and by which cases. A mapped case that does not apply to it could never catch
// anything.
func control(s setup, cases []string, mutants []Mutant, report *judgement) (found Control, faulty map[string]bool) {
	found = Control{Target: s.target, Store: s.store, Cases: len(cases), Faults: []string{}}
	faulty = map[string]bool{}
	mapped := map[string]bool{}
	for _, m := range mutants {
		for _, id := range m.AllCases() {
			mapped[id] = mapped[id] || setup{m.Target, m.Store} == s
		}
	}
	byID := index(report)
	for _, id := range cases {
		if c := byID[id]; c.Verdict != passed && (mapped[id] || c.Verdict != notApplicable) {
			found.Faults = append(found.Faults, c.describe(id))
			faulty[id] = true
		}
	}
	return found, faulty
}

// patience bounds building and judging one mutant. The TCK bounds its cases itself: this is for a mutant that hangs it.
const patience = 5 * time.Minute

// judge builds and judges one mutant.
func (r *runner) judge(ctx context.Context, m Mutant) Result {
	result := Result{ID: m.ID, Target: m.Target, Requirement: m.Requirement, Twins: m.Requirements()[1:], Description: m.Description, Status: Broken, CaughtBy: []string{}, Sample: []string{}}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dir := filepath.Join(r.work, m.ID)
	began := time.Now()
	p, err := r.program(ctx, m, dir)
	result.BuildMS = time.Since(began).Milliseconds()
	// A program has some 20 MB: each goes as soon as it is judged.
	defer func() { _ = os.RemoveAll(dir) }()
	switch {
	case err != nil:
		result.Detail = err.Error()
		return result
	case m.ProvenBy != "":
		result.Status, result.Detail = Elsewhere, m.ProvenBy
		return result
	}
	result.Sample = sample(m, r.cases, r.config.Sample, r.config.Seed)
	// What the unmutated program does not pass is the control's finding, and says nothing about the mutant.
	faulty := r.faulty[setup{m.Target, m.Store}]
	result.Sample = slices.DeleteFunc(result.Sample, func(id string) bool { return faulty[id] })
	began = time.Now()
	report, err := r.run(ctx, setup{m.Target, m.Store}, p, filepath.Join(r.out, m.ID), slices.Concat(m.AllCases(), result.Sample))
	result.JudgeMS = time.Since(began).Milliseconds()
	if err != nil {
		result.Detail = err.Error()
		return result
	}
	result.Status, result.CaughtBy, result.Detail = decide(m, result.Sample, report)
	if m.Fuzz && result.Status == Killed {
		found, err := r.kit.fuzz(ctx, storage{name: m.Store}, map[Target]program{m.Target: p}, filepath.Join(r.out, m.ID))
		switch {
		case err != nil:
			result.Status, result.Detail = Broken, err.Error()
		case !found:
			result.Status, result.Detail = Survived, "the protocol fuzzer did not find it"
		}
	}
	return result
}

// run judges a program by the cases. What judges a pair gets the other party's program as well, with nothing broken.
func (r *runner) run(ctx context.Context, s setup, p program, dir string, cases []string) (*judgement, error) {
	programs := map[Target]program{s.target: p}
	if slices.ContainsFunc(r.cases, func(c Case) bool { return c.Suite == pair && slices.Contains(cases, c.ID) }) {
		peer := s.target.peer()
		programs[peer] = r.programs[peer].control
	}
	place, release, err := r.storage(ctx, s.store)
	if err != nil {
		return nil, err
	}
	defer release()
	return r.kit.run(ctx, place, programs, dir, cases)
}

// program returns the mutant's program, which is built now if it could not share one.
func (r *runner) program(ctx context.Context, m Mutant, dir string) (program, error) {
	built := r.programs[m.Target]
	if err := built.broken[m.ID]; err != nil {
		return program{}, err
	}
	if p, ok := built.combined[m.ID]; ok {
		return p, nil
	}
	r.building.Lock() // it takes all processors
	defer r.building.Unlock()
	return r.alone(ctx, m, dir)
}
