package selftest

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatIsNotCaughtIsJudgedAgain(t *testing.T) {
	results := []Result{
		{ID: "caught", Status: Killed},
		{ID: "late", Status: Survived, Detail: "did not fail: a"},
		{ID: "elsewhere", Status: Elsewhere},
		{ID: "toothless", Status: Noisy, Detail: "broke b"},
	}
	var judged []int
	again(results, func(i int) Result {
		judged = append(judged, i)
		return Result{ID: results[i].ID, Status: map[int]Status{1: Killed, 3: Survived}[i]}
	})
	if !slices.Equal(judged, []int{1, 3}) {
		t.Errorf("judged %v again", judged)
	}
	if results[1].AtFirst != "survived: did not fail: a" || results[3].AtFirst != "noisy: broke b" || results[0].AtFirst != "" {
		t.Errorf("results %+v", results)
	}
	report := Report{Mutants: results}
	report.summarize()
	if s := report.Summary; s.Killed != 2 || s.Again != 1 || s.Survived != 1 || s.Proven {
		t.Errorf("summary %+v", s)
	}
	var text strings.Builder
	report.Print(&text)
	for _, want := range []string{"late was judged again, alone: killed", "survived: did not fail: a", "1 only when judged again"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &text)
		}
	}
}

func TestManyThatAreNotCaughtAreNotJudgedAgain(t *testing.T) {
	results := make([]Result, mostAgain+1)
	for i := range results {
		results[i].Status = Survived
	}
	again(results, func(i int) Result { t.Errorf("%d judged again", i); return results[i] })
}
