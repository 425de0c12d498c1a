package selftest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestWhatIsNotCaughtIsJudgedAgain(t *testing.T) {
	atFirst := []Result{
		{ID: "caught", Status: Killed},
		{ID: "late", Status: Survived, Detail: "did not fail: a"},
		{ID: "elsewhere", Status: Elsewhere},
		{ID: "toothless", Status: Noisy, Detail: "broke b"},
	}
	var mu sync.Mutex
	var judged []int
	results := judgeAll(len(atFirst), 2, func(i int) Result {
		mu.Lock()
		defer mu.Unlock()
		if judged = append(judged, i); len(judged) <= len(atFirst) {
			return atFirst[i]
		}
		return Result{ID: atFirst[i].ID, Status: map[int]Status{1: Killed, 3: Survived}[i]}
	})
	if len(judged) != 6 || !slices.Equal(judged[4:], []int{1, 3}) {
		t.Errorf("judged %v", judged)
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
	var judged atomic.Int64
	for _, r := range judgeAll(mostAgain+1, 1, func(int) Result { judged.Add(1); return Result{Status: Survived} }) {
		if r.Status != Survived || r.AtFirst != "" {
			t.Errorf("%+v", r)
		}
	}
	if n := judged.Load(); n != mostAgain+1 {
		t.Errorf("%d were judged", n)
	}
}
