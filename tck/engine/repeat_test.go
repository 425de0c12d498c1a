package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// scripted is a case whose runs end as the script says, one letter a run: p passes, f fails, e is the kit's fault, n does not apply.
func scripted(id, script string, ids *[]string) suite.Case {
	run := 0
	return proof(id, suite.Proxy, func(_ context.Context, t *suite.T) {
		*ids = append(*ids, t.ID("x"))
		letter := script[run]
		run++
		switch letter {
		case 'f':
			t.Fail(suite.Failure{Expected: "a", Got: fmt.Sprintf("run %d", run)})
		case 'e':
			t.KitFault(errors.New("no disk"))
		case 'n':
			t.NotApplicable("no such branch")
		}
	})
}

func TestRunsUntilAVerdict(t *testing.T) {
	for _, tt := range []struct {
		script string // as long as the runs that must take place
		most   int
		want   verdict.Verdict
		got    string
	}{
		{"p", 5, verdict.Passed, ""},
		{"f", 1, verdict.Failed, "run 1"},
		{"ff", 5, verdict.Failed, "run 1"},
		{"fpp", 5, verdict.Flaky, "run 1"},
		{"fpf", 5, verdict.Flaky, "run 1"},
		{"fp", 2, verdict.Flaky, "run 1"},
		{"epp", 5, verdict.Passed, ""},
		{"epfp", 5, verdict.Flaky, "run 3"},
		{"eff", 5, verdict.Failed, "run 2"},
		{"ef", 2, verdict.Failed, "run 2"},
		{"ep", 2, verdict.Error, ""},
		{"ee", 5, verdict.Error, ""},
		{"fn", 5, verdict.Failed, "run 1"},
		{"n", 5, verdict.NotApplicable, ""},
	} {
		t.Run(tt.script, func(t *testing.T) {
			var ids []string
			c := config(scripted("es/proxy/scripted", tt.script, &ids))
			c.MostRuns = tt.most
			got := result(t, run1(t, c), "es/proxy/scripted")
			if got.Verdict != tt.want || len(ids) != len(tt.script) {
				t.Errorf("%s after %d runs, want %s after %d", got.Verdict, len(ids), tt.want, len(tt.script))
			}
			if (got.Failure != nil) != tt.want.Broken() || got.Failure != nil && got.Failure.Got != tt.got {
				t.Errorf("the failure is %+v", got.Failure)
			}
			if tt.script[1:] != "" && (len(got.Attempts) != len(tt.script) || len(got.Notes) == 0) || len(tt.script) == 1 && got.Attempts != nil {
				t.Errorf("attempts %+v, notes %v", got.Attempts, got.Notes)
			}
			if slices.Sort(ids); len(slices.Compact(ids)) != len(tt.script) {
				t.Errorf("two runs used the same entities: %v", ids)
			}
		})
	}
}
