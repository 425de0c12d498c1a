package matrix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

func TestMain(m *testing.M) {
	if os.Getenv("FAKE_KIT") != "" {
		os.Exit(fakeKit())
	}
	goleak.VerifyTestMain(m)
}

// fake judges by a function, and keeps count of what runs.
type fake struct {
	judge  func(ctx context.Context, cell Cell) Outcome
	digest func(cell Cell) (string, error)

	mu      sync.Mutex
	weight  int
	highest int
	order   []string
}

func (f *fake) Judge(ctx context.Context, cell Cell, _ string) Outcome {
	f.add(cell.Weight, cell.Name)
	defer f.add(-cell.Weight, "")
	return f.judge(ctx, cell)
}

func (f *fake) add(weight int, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.weight += weight
	f.highest = max(f.highest, f.weight)
	if name != "" {
		f.order = append(f.order, name)
	}
}

func (f *fake) Digest(cell Cell) (string, error) {
	if f.digest != nil {
		return f.digest(cell)
	}
	return "same", nil
}

// silent is the Events of a test that does not look.
type silent struct{}

func (silent) Began(Cell)       {}
func (silent) Ended(CellResult) {}

// passes lets others run meanwhile.
func passes(context.Context, Cell) Outcome {
	for range 50 {
		runtime.Gosched()
	}
	return Outcome{State: Done, Verdict: verdict.Conforms}
}

func cells(weights ...int) []Cell {
	var out []Cell
	for i, weight := range weights {
		out = append(out, Cell{Name: fmt.Sprintf("cell-%d", i), Weight: weight})
	}
	return out
}

// No more weight runs than there are jobs (a cell that weighs more runs alone), every cell runs once, and heavier ones begin first.
func TestJobsAreNotExceeded(t *testing.T) {
	root, round := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		jobs := rapid.IntRange(1, 4).Draw(t, "jobs")
		weights := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 12).Draw(t, "weights")
		f := &fake{judge: passes}
		round++
		dir := filepath.Join(root, strconv.Itoa(round))
		result, err := Run{Out: dir, Jobs: jobs, Judge: f, Events: silent{}}.All(context.Background(), cells(weights...), nil)
		if err != nil || result.Verdict != verdict.Conforms {
			t.Fatal(result, err)
		}
		if heaviest := slices.Max(weights); f.highest > max(jobs, heaviest) || f.highest > jobs && f.highest != heaviest {
			t.Errorf("%d jobs' weight at a time, with %d jobs and weights %v", f.highest, jobs, weights)
		}
		if len(slices.Compact(slices.Sorted(slices.Values(f.order)))) != len(weights) || len(f.order) != len(weights) {
			t.Errorf("%v ran, of %d cells", f.order, len(weights))
		}
	})
}

func TestVerdictIsTheWorst(t *testing.T) {
	for _, tt := range []struct {
		outcomes []Outcome
		want     verdict.Conclusion
	}{
		{[]Outcome{{State: Done, Verdict: verdict.Conforms}}, verdict.Conforms},
		{[]Outcome{{State: Done, Verdict: verdict.Conforms}, {State: Done, Verdict: verdict.Incomplete}}, verdict.Incomplete},
		{[]Outcome{{State: Error, Reason: "x"}, {State: Done, Verdict: verdict.Conforms}}, verdict.Incomplete},
		{[]Outcome{{State: NotRun}}, verdict.Incomplete},
		{[]Outcome{{State: Error}, {State: Done, Verdict: verdict.Breaks}, {State: Done, Verdict: verdict.Conforms}}, verdict.Breaks},
	} {
		f := &fake{judge: func(_ context.Context, cell Cell) Outcome {
			return tt.outcomes[int(cell.Name[len(cell.Name)-1]-'0')]
		}}
		result, err := Run{Out: t.TempDir(), Jobs: 2, Judge: f, Events: silent{}}.All(t.Context(), cells(make([]int, len(tt.outcomes))...), nil)
		if err != nil || result.Verdict != tt.want {
			t.Errorf("%+v: %s %v, want %s", tt.outcomes, result.Verdict, err, tt.want)
		}
	}
}

// An interrupted matrix says of the cells that had not begun that they did not run, and one that is resumed judges those and no others.
func TestInterruptAndResume(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	f := &fake{judge: func(_ context.Context, cell Cell) Outcome {
		if cell.Name == "cell-1" {
			interrupt()
			return Outcome{State: NotRun, Reason: "interrupted"}
		}
		return Outcome{State: Done, Verdict: verdict.Conforms}
	}}
	result, err := Run{Out: dir, Jobs: 1, Judge: f, Events: silent{}}.All(ctx, cells(1, 1, 1, 1), nil)
	if err != nil || result.Cells[0].State != Done || result.Cells[2].State != NotRun || result.Verdict != verdict.Incomplete {
		t.Fatalf("%+v %v", result, err)
	}
	f = &fake{judge: passes}
	result, err = Run{Out: dir, Jobs: 1, Resume: true, Judge: f, Events: silent{}}.All(t.Context(), cells(1, 1, 1, 1), nil)
	if err != nil || !slices.Equal(f.order, []string{"cell-1", "cell-2", "cell-3"}) || !result.Cells[0].Kept || result.Verdict != verdict.Conforms {
		t.Errorf("%v ran, %+v %v", f.order, result, err)
	}
	f = &fake{judge: passes, digest: func(cell Cell) (string, error) { return cell.Name[:5] + "other", nil }}
	if _, err = (Run{Out: dir, Jobs: 1, Resume: true, Judge: f, Events: silent{}}).All(t.Context(), cells(1, 1), nil); err != nil || len(f.order) != 2 {
		t.Errorf("other inputs: %v ran, %v", f.order, err)
	}
	f = &fake{judge: passes, digest: func(Cell) (string, error) { return "", errors.New("no such program") }}
	result, err = Run{Out: dir, Jobs: 1, Judge: f, Events: silent{}}.All(t.Context(), cells(1), nil)
	if err != nil || len(f.order) != 0 || result.Cells[0].State != Error || result.Cells[0].Reason != "no such program" {
		t.Errorf("no digest: %+v %v", result.Cells[0], err)
	}
}

// matrix.json is there from the start, and says what the result says.
func TestMatrixFile(t *testing.T) {
	dir := t.TempDir()
	read := func() *Result {
		r, err := Read(filepath.Join(dir, FileName))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	f := &fake{judge: func(context.Context, Cell) Outcome {
		if during := read(); during.Cells[0].State != NotRun || during.Verdict != verdict.Incomplete {
			t.Errorf("while it runs the file says %+v", during)
		}
		return Outcome{State: Done, Verdict: verdict.Breaks, Reason: "ES-01 (MUST) is broken", Report: "cells/a/report.json", Cases: &verdict.CaseCounts{Passed: 1, Failed: 2, Announced: 1}}
	}}
	cell := Cell{Name: "a", Labels: Labels{Frontend: "go"}, Weight: 1}
	combination := Combination{Labels: Labels{Proxy: "p", Frontend: "go"}, Cells: []string{"a"}}
	result, err := Run{Out: dir, Judge: f, Events: silent{}, Kit: "kit 1", Seed: 7}.All(t.Context(), []Cell{cell}, []Combination{combination})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(); got.Verdict != verdict.Breaks || got.Cells[0].Labels != cell.Labels || got.Cells[0].Report != "cells/a/report.json" || got.Note == "" || got.Seed != 7 {
		t.Errorf("the file says %+v", got)
	}
	var table bytes.Buffer
	if err := Table(&table, result, dir); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAILED  a: ES-01 (MUST) is broken", "FAILED  1 combinations in 1 cells: 0 passed, 1 failed, 0 incomplete, 0 in error, 0 not run", "1 (+1 expected)"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, table.String())
		}
	}
}

func TestFilesThatAreNoMatrix(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	for text, want := range map[string]string{
		"{": "unexpected end", `{"schema_version": "2.0", "cells": [{"name": "a"}]}`: "this kit reads 1.x", `{"schema_version": "1.7"}`: "no cells",
		strings.Repeat(" ", maxFile+1): "more than",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
	if _, err := Read(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		terminal bool
		want     string
	}{
		{false, "began a\nbegan b\n1/2 a: passed, 1.5s\n2/2 b: error, kept from an earlier matrix: it hung\n"},
		{true, "\r\x1b[2Ka\r\x1b[2Ka  b\r\x1b[2K1/2 a: passed, 1.5s\n\r\x1b[2Kb\r\x1b[2K2/2 b: error, kept from an earlier matrix: it hung\n\r\x1b[2K\r\x1b[2K"},
	} {
		var out bytes.Buffer
		p := NewProgress(&out, tt.terminal, 2)
		p.Began(Cell{Name: "a"})
		p.Began(Cell{Name: "b"})
		p.Ended(CellResult{Name: "a", Outcome: Outcome{State: Done, Verdict: verdict.Conforms, DurationMS: 1500}})
		p.Ended(CellResult{Name: "b", Kept: true, Outcome: Outcome{State: Error, Reason: "it hung"}})
		if out.String() != tt.want {
			t.Errorf("terminal %v: %q, want %q", tt.terminal, out.String(), tt.want)
		}
	}
}

func TestJobsByMachine(t *testing.T) {
	for _, tt := range []struct {
		processors int
		memory     uint64
		want       int
	}{{8, 0, 8}, {8, 3 << 30, 3}, {2, 64 << 30, 2}, {2, 1 << 20, 1}, {0, 0, 1}} {
		if got := Jobs(tt.processors, tt.memory); got != tt.want {
			t.Errorf("%d processors, %d bytes: %d jobs, want %d", tt.processors, tt.memory, got, tt.want)
		}
	}
}
