package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		{hundred, 0.50, 50}, {hundred, 0.99, 99}, {hundred, 1, 100},
		{hundred[:1], 0.99, 1}, {hundred[:3], 0.5, 2}, {nil, 0.5, 0},
	} {
		if got := quantile(c.of, c.q); got != c.want {
			t.Errorf("quantile %v of %d values: got %v, want %v", c.q, len(c.of), got, c.want)
		}
	}
}

// Two things in a row are as fast as the sum of their times.
func TestSum(t *testing.T) {
	if got := sum(sample{PerSecond: 3000, P50: 1}, sample{PerSecond: 6000, P50: 2}); math.Abs(got.PerSecond-2000) > 1e-9 || got.P50 != 3 {
		t.Errorf("got %+v", got)
	}
}

// A ratio is that of one round, not of two medians.
func TestVersusIsByRounds(t *testing.T) {
	v := newVersus([]paired{
		{sample{PerSecond: 80}, sample{PerSecond: 100}}, {sample{PerSecond: 7}, sample{PerSecond: 10}}, {sample{PerSecond: 900}, sample{PerSecond: 1000}},
	})
	if v.Ratio != 0.8 || v.Lowest != 0.7 || v.Highest != 0.9 || v.Got.PerSecond != 80 || v.Against.PerSecond != 100 {
		t.Errorf("got %+v", v)
	}
}

// A ratio is to the floor's two rounds beside it, not to the floor's over all: a machine that becomes slower halfway
// changes nothing.
func TestRatioIsToTheFloorBeside(t *testing.T) {
	rounds := []round{
		{sample{PerSecond: 800}, sample{PerSecond: 1000}},
		{sample{PerSecond: 90}, sample{PerSecond: 100}},
		{sample{PerSecond: 70}, sample{PerSecond: 100}},
	}
	res := newResult(rows[0], 64, rounds)
	if math.Abs(res.Ratio-0.8) > 1e-9 || math.Abs(res.Lowest-0.7) > 1e-9 || math.Abs(res.Highest-0.9) > 1e-9 {
		t.Errorf("got %v from %v to %v, want 0.8 from 0.7 to 0.9", res.Ratio, res.Lowest, res.Highest)
	}
	if got := mean(sample{PerSecond: 100, P99: 2}, sample{PerSecond: 300, P99: 4}); got.PerSecond != 200 || got.P99 != 3 {
		t.Errorf("mean: got %+v", got)
	}
}

func TestTargetsAreJudged(t *testing.T) {
	good := &footprint{Added: 16 << 10, ReadyWorst: 300, Resident: 60 << 20}
	results := func(read, write float64) []result {
		return []result{{Row: floorName, Callers: 64}, {Row: "read", Callers: 64, Ratio: read}, {Row: "write-memory", Callers: 64, Ratio: write}}
	}
	s, err := parseSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	stores := func(appends, commands float64) []storeResult {
		return []storeResult{{Store: "postgres", least: 0.7, Writes: []writeResult{
			{Callers: 64, Append: versus{Ratio: appends}, Command: versus{Ratio: commands}},
			{Callers: 256, Append: versus{Ratio: 0.7}, Command: versus{Ratio: 0.8}},
		}}}
	}
	for name, c := range map[string]struct {
		results []result
		stores  []storeResult
		foot    *footprint
		missed  int
	}{
		"all met":          {results(0.8, 0.8), stores(0.7, 0.8), good, 0},
		"read":             {results(0.79, 1), nil, good, 1},
		"write":            {results(1, 0.79), nil, good, 1},
		"append":           {nil, stores(0.69, 0.8), nil, 1},
		"command":          {nil, stores(0.7, 0.79), nil, 1},
		"instance":         {results(1, 1), nil, &footprint{Added: 16<<10 + 1}, 1},
		"ready":            {results(1, 1), nil, &footprint{ReadyWorst: 301}, 1},
		"resident":         {results(1, 1), nil, &footprint{Resident: 60<<20 + 1}, 1},
		"nothing to judge": {nil, nil, nil, 0},
	} {
		r := newReport(s, machine{}, time.Now(), c.results, c.stores, c.foot)
		if got := r.missed(); got != c.missed {
			t.Errorf("%s: %d missed, want %d: %+v", name, got, c.missed, r.Targets)
		}
	}
}

func TestSettingsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-callers", "1,x"}, {"-callers", "0"}, {"-rounds", "0"}, {"-only", "nothing"}, {"more"}, {"-stores", "oracle"}, {"-store-callers", "64,"}} {
		if _, err := parseSettings(args); err == nil {
			t.Errorf("%v: accepted", args)
		}
	}
}

// TestRun measures a short run of the real programs, from flags to report.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, pkg := range map[string]string{
		"bench": ".", "cloudstate-proxy": "../../reference-proxy/cmd/cloudstate-proxy", "bench-function": "../../fixtures/bench/bench-function",
		"testserver": "../../fixtures/servers/cmd/testserver",
	} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), pkg)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, filepath.Join(dir, "bench"), "-proxy", filepath.Join(dir, "cloudstate-proxy"),
		"-function", filepath.Join(dir, "bench-function"), "-out", filepath.Join(dir, "out"),
		"-testserver", filepath.Join(dir, "testserver"), "-stores", "postgres", "-store-callers", "2,3", "-store-warm-up", "100ms",
		"-rounds", "1", "-round", "20ms", "-callers", "1,2", "-entities", "10", "-instances", "50", "-starts", "1")
	var stdout, stderr bytes.Buffer
	run.Dir = "../.." // where the stores' tests are
	run.Stdout, run.Stderr = &stdout, &stderr
	if err := run.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	report, err := os.ReadFile(filepath.Join(dir, "out", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if want := `"` + r.name + `@2": `; !strings.Contains(string(report), want) {
			t.Errorf("the report has no ratio %s", want)
		}
		if !strings.Contains(stdout.String(), r.title) {
			t.Errorf("the table has no row %q:\n%s", r.title, &stdout)
		}
	}
	for _, name := range []string{"store-append-postgres@3", "es-write-postgres@2", "store-replay-postgres"} {
		if want := `"` + name + `": `; !strings.Contains(string(report), want) {
			t.Errorf("the report has no ratio %s", want)
		}
	}
	for _, say := range []string{"PostgreSQL: ", "synchronous_commit on", "events/s"} {
		if !strings.Contains(stdout.String(), say) {
			t.Errorf("the table lacks %q:\n%s", say, &stdout)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "out")); err != nil || len(left) != 1 {
		t.Errorf("beside the report there is left: %v %v", left, err)
	}
}
