package suite

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// Result is how an execution ended.
type Result string

// The results of an execution. A case that was never executed has none: that is the engine's to report.
const (
	Passed        Result = "passed"
	Failed        Result = "failed"
	Errored       Result = "error"
	NotApplicable Result = "not_applicable"
)

// Outcome is what one execution of a case came to.
type Outcome struct {
	// Result is never empty after [Execute].
	Result Result
	// Failure is set when Result is Failed.
	Failure *Failure
	// Reason explains Errored and NotApplicable.
	Reason string
	// Panicked is set when the kit panicked: nothing else that happened can turn this into a verdict on the target.
	Panicked bool
	// Notes are the lines of [T.Notef].
	Notes []string
	// Trace is what the recorder held when Run returned: the conversation without what the clean-ups add to it.
	Trace []trace.Message
	// Duration is how long Run took, clean-ups included.
	Duration time.Duration
}

// grace is how long a case may take to return after its context ended, before the kit is at fault for ignoring it.
const grace = 5 * time.Second

// Execute runs c once and reports how it ended. It returns when the case has returned and its clean-ups are done, or when the
// case ignores the end of its context. ctx's end before the time limit is an interruption, hence an error, not a failure.
func Execute(ctx context.Context, c Case, env Env, limit time.Duration) Outcome {
	start := time.Now()
	if c.Timeout > 0 {
		limit = c.Timeout
	}
	caseCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := &T{c: c, env: env}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.guard(func() { c.Run(caseCtx, t) })
		t.keepTrace()
		cancel()
		t.cleanUp()
	}()
	returned := wait(caseCtx, done)

	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.outcome
	timedOut := errors.Is(context.Cause(caseCtx), context.DeadlineExceeded)
	switch {
	case o.Panicked:
	case !returned:
		o = Outcome{Result: Errored, Reason: fmt.Sprintf("the case did not return within %s of the end of its context", grace)}
	case ctx.Err() != nil: // whatever failed in the meantime may have failed by the interruption
		o = Outcome{Result: Errored, Reason: "interrupted: " + context.Cause(ctx).Error()}
	case timedOut && o.Result == "":
		o = Outcome{Result: Failed, Failure: &Failure{
			Requirement: first(c.Requirements),
			Expected:    fmt.Sprintf("the exchange to end within %s", limit),
			Got:         "nothing more: the target left the case waiting (see the recorded messages for how far it came)",
			Remedy:      "find out what the target waits for; a slow machine may need a longer --timeout",
		}}
	case o.Result == "":
		o.Result = Passed
	}
	o.Notes = append([]string(nil), t.notes...)
	if o.Trace = t.trace; !returned {
		o.Trace = env.Trace.Messages()
	}
	o.Duration = time.Since(start)
	return o
}

// wait reports whether done was closed before ctx and the grace after it ended.
func wait(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// guard runs f on a goroutine of its own, so that the ending methods of T end f and not the caller, and turns a panic into an error.
func (t *T) guard(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				t.mu.Lock()
				t.outcome = Outcome{Result: Errored, Panicked: true, Reason: fmt.Sprintf("the kit panicked: %v\n%s", p, debug.Stack())}
				t.mu.Unlock()
			}
		}()
		f()
	}()
	<-done
}

func (t *T) keepTrace() {
	messages := t.env.Trace.Messages()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trace = messages
}

// cleanUp runs the registered functions, newest first, each contained.
func (t *T) cleanUp() {
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.mu.Unlock()
			return
		}
		f := t.cleanups[n-1]
		t.cleanups = t.cleanups[:n-1]
		t.mu.Unlock()
		t.guard(f)
	}
}

func first(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}
