package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// untilVerdict runs a case, and again while it did not pass, until one verdict came twice or the most runs are done. A case that passed and failed is
// flaky, whichever of the two came twice.
func (r *run) untilVerdict(ctx context.Context, c suite.Case, number int) verdict.Case {
	results := []verdict.Case{r.execute(ctx, c, number, 0)}
	for len(results) < r.config.MostRuns && ctx.Err() == nil && !settled(results) {
		results = append(results, r.execute(ctx, c, number, len(results)))
	}
	return merge(results)
}

// settled tells whether another run would say nothing more: the first one needs no second, or a verdict came twice.
func settled(results []verdict.Case) bool {
	counts := map[verdict.Verdict]int{}
	for _, result := range results {
		counts[result.Verdict]++
		if counts[result.Verdict] == 2 || result.Verdict == verdict.NotRun || result.Verdict == verdict.NotApplicable {
			return true
		}
	}
	return len(results) == 1 && results[0].Verdict == verdict.Passed
}

// merge makes one result of several runs of a case. What is told of a case that did not pass is told of its first run that did not.
func merge(results []verdict.Case) verdict.Case {
	if len(results) == 1 {
		return results[0]
	}
	counts := map[verdict.Verdict]int{}
	first := map[verdict.Verdict]int{}
	for i, result := range results {
		if counts[result.Verdict]++; counts[result.Verdict] == 1 {
			first[result.Verdict] = i
		}
	}
	// Without a verdict that came twice, the one that says most of the target counts.
	best := verdict.Passed
	for _, v := range []verdict.Verdict{verdict.NotApplicable, verdict.NotRun, verdict.Error, verdict.Failed} {
		if counts[v] > 0 {
			best = v
		}
	}
	for v, n := range counts {
		if n == 2 {
			best = v
		}
	}
	flaky := counts[verdict.Passed] > 0 && counts[verdict.Failed] > 0
	if flaky {
		best = verdict.Failed
	}
	out := results[first[best]]
	if flaky {
		out.Verdict = verdict.Flaky
	}
	out.DurationMS, out.Attempts = 0, nil
	var words []string
	for _, result := range results {
		out.DurationMS += result.DurationMS
		attempt := verdict.Attempt{Verdict: result.Verdict, DurationMS: result.DurationMS, Reason: result.Reason}
		if result.Failure != nil {
			attempt.Reason = result.Failure.Error()
		}
		out.Attempts = append(out.Attempts, attempt)
		words = append(words, strings.ReplaceAll(string(result.Verdict), "_", " "))
	}
	out.Notes = append([]string{fmt.Sprintf("ran %d times: %s", len(results), strings.Join(words, ", "))}, out.Notes...)
	return out
}
