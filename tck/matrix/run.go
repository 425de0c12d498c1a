package matrix

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Judge judges one cell in a directory of its own, which exists and is empty, and says what came of it. It is called from several goroutines at a time, and
// returns soon after ctx ends. Digest returns that of everything that the outcome will depend on.
type Judge interface {
	Judge(ctx context.Context, cell Cell, dir string) Outcome
	Digest(cell Cell) (string, error)
}

// Events is told what happens, from one goroutine at a time.
type Events interface {
	Began(cell Cell)
	Ended(result CellResult)
}

// Run is how a matrix is run.
type Run struct {
	// Out is the directory of matrix.json and the cells.
	Out string
	// Jobs is how much weight may run at a time; at least 1.
	Jobs int
	// Resume keeps the outcomes in Out of cells that are done and whose inputs have not changed.
	Resume bool
	// Kit names this program, Seed is handed to each cell, Pairwise says how the combinations were chosen; for the record.
	Kit      string
	Seed     int64
	Pairwise bool
	Judge    Judge
	Events   Events
}

// cellsDir holds the cells' directories; outcomeFile is what each is resumed by.
const (
	cellsDir    = "cells"
	outcomeFile = "outcome.json"
)

// All judges the cells, heavier ones first, and returns what came of them, in their order. matrix.json is written at the start, after each cell and at the
// end. When ctx ends, what has not begun is not run. The error says that the results cannot be written; without a result nothing was judged.
func (r Run) All(ctx context.Context, cells []Cell, combinations []Combination) (*Result, error) {
	begun := time.Now()
	result := &Result{
		Schema: SchemaVersion, Kit: r.Kit, Started: begun.UTC().Truncate(time.Millisecond), Seed: r.Seed, Pairwise: r.Pairwise, Note: note,
		Combinations: combinations, Cells: make([]CellResult, len(cells)),
	}
	for i, cell := range cells {
		result.Cells[i] = CellResult{
			Name: cell.Name, Labels: cell.Labels, Suites: cell.Suites, Outcome: Outcome{State: NotRun, Reason: "the matrix was interrupted before it"},
		}
	}
	if err := os.MkdirAll(filepath.Join(r.Out, cellsDir), 0o755); err != nil { //nolint:gosec // reports are for others to read
		return nil, fmt.Errorf("--out: %w", err)
	}
	keeper := &keeper{run: r, result: result, begun: begun}
	if err := keeper.save(); err != nil {
		return nil, err
	}
	order := make([]int, len(cells))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cells[b].Weight, cells[a].Weight) })
	jobs := int64(max(r.Jobs, 1))
	room := semaphore.NewWeighted(jobs)
	var running sync.WaitGroup
	for _, i := range order {
		weight := min(int64(cells[i].Weight), jobs)
		if err := room.Acquire(ctx, weight); err != nil {
			break
		}
		if ctx.Err() != nil {
			room.Release(weight)
			break
		}
		running.Go(func() {
			defer room.Release(weight)
			r.one(ctx, keeper, i, cells[i])
		})
	}
	running.Wait()
	return result, keeper.save()
}

// one judges one cell, unless its outcome can be kept.
func (r Run) one(ctx context.Context, keeper *keeper, index int, cell Cell) {
	dir := filepath.Join(r.Out, cellsDir, cell.Name)
	digest, err := r.Judge.Digest(cell)
	if err == nil && r.Resume {
		if outcome, ok := kept(dir, digest); ok {
			keeper.ended(index, outcome, true)
			return
		}
	}
	keeper.began(cell)
	begun := time.Now()
	var outcome Outcome
	if err == nil {
		err = empty(dir)
	}
	if err != nil {
		outcome = Outcome{State: Error, Reason: err.Error()}
	} else {
		outcome = r.Judge.Judge(ctx, cell, dir)
	}
	outcome.Digest = digest
	outcome.DurationMS = time.Since(begun).Milliseconds()
	if outcome.State == Done && ctx.Err() == nil {
		if err := writeJSON(filepath.Join(dir, outcomeFile), outcome); err != nil {
			outcome.Reason = "it cannot be resumed: " + err.Error()
		}
	}
	keeper.ended(index, outcome, false)
}

// kept returns the outcome in dir, if it is done and rests on the same inputs.
func kept(dir, digest string) (Outcome, bool) {
	var outcome Outcome
	text, err := os.ReadFile(filepath.Join(dir, outcomeFile))
	if err != nil || json.Unmarshal(text, &outcome) != nil {
		return outcome, false
	}
	return outcome, outcome.State == Done && outcome.Digest == digest
}

// empty makes dir anew.
func empty(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755) //nolint:gosec // reports are for others to read
}

// keeper keeps the result up to date, on disk too, and tells of it.
type keeper struct {
	run   Run
	begun time.Time

	mu     sync.Mutex
	result *Result
}

func (k *keeper) began(cell Cell) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.run.Events.Began(cell)
}

func (k *keeper) ended(index int, outcome Outcome, again bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	cell := &k.result.Cells[index]
	cell.Outcome, cell.Kept = outcome, again
	_ = k.write() // the last one is told of
	k.run.Events.Ended(*cell)
}

func (k *keeper) save() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.write()
}

func (k *keeper) write() error {
	k.result.conclude()
	k.result.DurationMS = time.Since(k.begun).Milliseconds()
	return k.result.write(k.run.Out)
}
