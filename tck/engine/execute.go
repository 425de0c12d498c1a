package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

const (
	keptMessages = 300 // of a case's conversation, in the report
	keptOfPassed = 60  // of the conversation of a case that passed
	keptLines    = 40  // of a target's log, in the report
)

// execute runs one case on its rig and judges what came of it. number and attempt tell cases, and runs of one, apart in entity ids.
func (r *run) execute(ctx context.Context, c suite.Case, number, attempt int) verdict.Case {
	rig := r.rigs[c.Kind]
	if c.OwnTarget {
		var err error
		if rig, err = r.own(ctx, c.Kind); rig != nil {
			defer rig.close(ctx, true)
		}
		if err != nil {
			return r.unrun(c, verdict.Error, "preparing the case's own target: "+err.Error(), false)
		}
	}
	if rig.down != "" {
		return r.unrun(c, verdict.NotRun, rig.down, false)
	}
	if !c.OwnTarget && rig.driver != nil {
		if err := rig.driver.Between(ctx); err != nil {
			r.heal(context.WithoutCancel(ctx), rig)
			return r.between(c, err)
		}
	}
	rig.recorder.Reset()
	begun := time.Now()
	patience := r.config.Timeout
	if c.Timeout > 0 {
		patience = c.Timeout
	}
	nonce := r.nonce + "." + strconv.Itoa(number)
	if attempt > 0 {
		nonce += "." + strconv.Itoa(attempt)
	}
	env := rig.env(r.name, nonce)
	env.Patience = patience
	if r.store != nil {
		env.Store = r.store
	}
	outcome := suite.Execute(ctx, c, env, r.config.Timeout)
	result := r.unrun(c, verdict.Passed, "", false)
	result.DurationMS = outcome.Duration.Milliseconds()
	result.Notes = outcome.Notes
	settle(&result, outcome, rig.crashes(), c)
	if ctx.Err() != nil && result.Verdict == verdict.Error {
		result.Verdict = verdict.NotRun
	}
	bad := result.Verdict == verdict.Failed || result.Verdict == verdict.Error
	if bad {
		result.Trace = messages(outcome.Trace, begun, keptMessages)
		result.Logs = rig.logs(keptLines)
	} else if r.config.KeepTraces {
		result.Trace = messages(outcome.Trace, begun, keptOfPassed)
	}
	if r.config.Conversation != nil {
		r.config.Conversation(result, begun, outcome.Trace)
	}
	if !c.OwnTarget && ctx.Err() == nil {
		r.heal(ctx, rig)
	}
	if r.store != nil && slices.Contains(c.Needs, suite.NeedStoreControl) {
		r.settleStore(context.WithoutCancel(ctx))
	}
	return result
}

// settle turns an outcome, and the crash of a target if there was one, into a verdict.
func settle(result *verdict.Case, outcome suite.Outcome, crash string, c suite.Case) {
	switch outcome.Result {
	case suite.Passed:
		result.Verdict = verdict.Passed
	case suite.Failed:
		result.Verdict, result.Failure = verdict.Failed, outcome.Failure
	case suite.NotApplicable:
		result.Verdict, result.Reason = verdict.NotApplicable, outcome.Reason
	default:
		result.Verdict, result.Reason = verdict.Error, outcome.Reason
	}
	if crash == "" || outcome.Panicked {
		return
	}
	// A target that dies has failed, whatever the case made of the silence after it.
	if result.Verdict == verdict.Failed {
		result.Failure.Got += "\nand " + crash
		return
	}
	result.Verdict, result.Reason = verdict.Failed, ""
	result.Failure = &suite.Failure{
		Requirement: c.Requirements[0],
		Expected:    "the target to stay up",
		Got:         crash,
		Remedy:      "nothing that a peer sends may end the process: find out what in this case's conversation did",
	}
}

// own makes targets for one case alone; they are not started.
func (r *run) own(ctx context.Context, kind suite.Kind) (*rig, error) {
	switch kind {
	case suite.Frontend:
		return r.builder.frontendRig(ctx, nil, nil)
	case suite.Proxy:
		return r.builder.proxyRig(ctx, true)
	default:
		return r.builder.pairRig(ctx, nil, nil)
	}
}

func (r *run) heal(ctx context.Context, rig *rig) {
	healCtx, cancel := context.WithTimeout(ctx, r.config.StartTimeout)
	defer cancel()
	if err := rig.heal(healCtx); err != nil {
		rig.down = err.Error()
		r.faults = append(r.faults, fmt.Sprintf("%s: %v", r.name, err))
	}
}

// messages renders the last recorded messages, at most most, for the report.
func messages(recorded []trace.Message, begun time.Time, most int) []verdict.Message {
	recorded = recorded[max(len(recorded)-most, 0):]
	out := make([]verdict.Message, 0, len(recorded))
	for _, m := range recorded {
		out = append(out, verdict.Message{
			Seq: m.Seq, AtMS: float64(m.Time.Sub(begun).Microseconds()) / 1000,
			From: string(m.From), To: string(m.To), Stream: uint64(m.Stream), Method: m.Method, Kind: m.Kind.String(), Body: m.Body(),
		})
	}
	return out
}
