package fuzz

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// Config says what to fuzz and for how long.
type Config struct {
	// Target is the proxy or frontend.
	Target target.Ref
	// Store is what a proxy that the fuzzer starts keeps its state in (CLOUDSTATE_STORE).
	Store string
	// FunctionAddress is where a proxy that is an address looks for its user function.
	FunctionAddress string
	// Seed determines the conversations, and First the number of the first one.
	Seed, First uint64
	// Conversations is how many are held, unless For is over before; 0 of For is no limit.
	Conversations uint64
	For           time.Duration
	// Workers is how many are held at the same time.
	Workers int
	// Patience bounds each wait for the target.
	Patience time.Duration
	// StartTimeout bounds the start of the target.
	StartTimeout time.Duration
	// Shrink bounds the time spent on shortening one failure.
	Shrink time.Duration
	// MaxFailures ends the run.
	MaxFailures int
	// WarmUp is after how many conversations the target's memory is what later growth is held against; 0 is [DefaultWarmUp].
	WarmUp uint64

	run string // a name of this run's own, 7 characters
}

// Report is what a run found.
type Report struct {
	Seed uint64
	// Conversations is how many were held to their end, Mutated how many of them were not left as they had been made.
	Conversations, Mutated uint64
	Took                   time.Duration
	// Baseline and Peak are the target's memory after the warm-up and at most, in bytes; 0 for one that the fuzzer did not start.
	Baseline, Peak int64
	// Stored is about how many bytes the target was given to keep.
	Stored   int64
	Failures []Failure
}

// Failure is one thing that a target did wrong.
type Failure struct {
	Err error
	// Case makes it happen again, cut down; when it is not Stable, it is all that was going on.
	Case   Case
	Stable bool
}

// Run fuzzes a target until the budget is spent, ctx ends, or MaxFailures were found. The error says why it could not; what the target
// did wrong is in the report.
func Run(ctx context.Context, config Config) (Report, error) {
	config.run = newRun()
	if config.WarmUp == 0 {
		config.WarmUp = DefaultWarmUp
	}
	report := Report{Seed: config.Seed}
	began := time.Now()
	ctx, stop := stoppable(ctx, config.For)
	defer stop()
	var ids atomic.Uint64
	r, err := newRig(ctx, config, &ids)
	if err != nil {
		return report, err
	}
	defer r.close(ctx)
	next := config.First
	for next < config.First+config.Conversations && ctx.Err() == nil && len(report.Failures) < config.MaxFailures {
		round := newRound(r, next)
		round.hold(ctx)
		next = round.next.Load()
		report.add(round)
		if round.failed == nil {
			break
		}
		// The rest of the budget is not what a failure is shortened by.
		if round.grown {
			// No few conversations make a target grow.
			report.Failures = append(report.Failures, Failure{Err: round.failed, Case: Case{Failure: round.failed.Error(), Conversations: round.suspects}})
			break
		}
		failure, err := shrink(context.WithoutCancel(ctx), r, round.failed, round.suspects, round.all())
		report.Failures = append(report.Failures, failure)
		if err != nil {
			return report, err
		}
		if err := r.renew(context.WithoutCancel(ctx)); err != nil {
			return report, err
		}
	}
	report.Took = time.Since(began)
	return report, nil
}

// stoppable returns a context that is cancelled when parent ends or after that time, if it is not 0, and has no deadline: a deadline that
// passes in the course of a conversation is always that of its own bound.
func stoppable(parent context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	ended := context.AfterFunc(parent, cancel)
	over := func() bool { return true }
	if after > 0 {
		over = time.AfterFunc(after, cancel).Stop
	}
	return ctx, func() {
		ended()
		over()
		cancel()
	}
}

// newRun returns seven characters that no other run has.
func newRun() string { return strings.ToLower(rand.Text()[:7]) }

func (r *Report) add(round *round) {
	r.Conversations += round.held.Load()
	r.Mutated += round.mutated.Load()
	r.Stored += round.rig.side.stored()
	r.Baseline, r.Peak = max(r.Baseline, round.baseline), max(r.Peak, round.peak)
}

// batch is after how many conversations a worker asks its witness.
const batch = 16

// round holds conversations until the budget is spent or one thing is wrong.
type round struct {
	rig                 *rig
	next, held, mutated atomic.Uint64
	// alone is held for reading by each conversation, and for writing by one that disturbs others.
	alone sync.RWMutex
	stop  context.CancelFunc

	baseline, peak int64 // of the watch

	mu       sync.Mutex
	recent   map[int][]Conversation // by worker: since it asked its witness
	failed   error
	suspects []Conversation
	grown    bool // failed is that the target holds too much memory
}

func newRound(r *rig, first uint64) *round {
	round := &round{rig: r, recent: make(map[int][]Conversation)}
	round.next.Store(first)
	return round
}

func (r *round) hold(ctx context.Context) {
	ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()
	var workers, watch sync.WaitGroup
	watching, done := context.WithCancel(ctx)
	watch.Go(func() { r.watch(watching) })
	for i := range r.rig.config.Workers {
		workers.Go(func() { r.work(ctx, i) })
	}
	workers.Wait()
	done()
	watch.Wait()
	if err := r.rig.crashedSoon(r.failed); err != nil {
		// What a crash looks like from a stream says less than that it was one, and whose fault it was is not known.
		r.failed, r.suspects = err, r.all()
	}
}

// work holds one conversation after the other, and asks a witness after each batch.
func (r *round) work(ctx context.Context, worker int) {
	var beside witness
	defer func() {
		if beside != nil {
			beside.close()
		}
	}()
	end := r.rig.config.First + r.rig.config.Conversations
	for ctx.Err() == nil {
		var held []Conversation
		for len(held) < batch && ctx.Err() == nil {
			index := r.next.Add(1) - 1
			if index >= end {
				break
			}
			c, mutated := generate(r.rig.config.Target.Role, r.rig.config.Seed, index)
			held = append(held, c)
			r.note(worker, held)
			if err := r.one(ctx, c); err != nil {
				r.fail(ctx, err, []Conversation{c})
				return
			}
			r.held.Add(1)
			if mutated {
				r.mutated.Add(1)
			}
		}
		if len(held) == 0 {
			return
		}
		if err := r.ask(ctx, &beside); err != nil {
			r.fail(ctx, err, held)
			return
		}
	}
}

// ask asks the worker's witness, which it makes the first time.
func (r *round) ask(ctx context.Context, beside *witness) error {
	r.alone.RLock()
	defer r.alone.RUnlock()
	if *beside == nil {
		fresh, err := r.rig.side.witness(ctx, r.rig.entity())
		if err != nil {
			return err
		}
		*beside = fresh
	}
	return (*beside).ask(ctx)
}

func (r *round) one(ctx context.Context, c Conversation) error {
	if r.rig.side.exclusive(c) {
		r.alone.Lock()
		defer r.alone.Unlock()
	} else {
		r.alone.RLock()
		defer r.alone.RUnlock()
	}
	return r.rig.side.hold(ctx, c, r.rig.entity())
}

func (r *round) note(worker int, held []Conversation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent[worker] = held
}

// all returns what any worker held since it last asked its witness, the latest of each first.
func (r *round) all() []Conversation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var latest, earlier []Conversation
	for _, held := range r.recent {
		if n := len(held); n > 0 {
			latest, earlier = append(latest, held[n-1]), append(earlier, held[:n-1]...)
		}
	}
	return append(latest, earlier...)
}

// fail ends the round, unless it has ended already, which explains whatever is wrong after that.
func (r *round) fail(ctx context.Context, err error, suspects []Conversation) {
	r.end(ctx, err, suspects, false)
}

func (r *round) end(ctx context.Context, err error, suspects []Conversation, grown bool) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed, r.suspects, r.grown = err, suspects, grown
	}
	r.stop()
}

// Hold holds the conversations of a case with a target, one after the other, and returns what was wrong: a [Violation], or why it could not.
func Hold(ctx context.Context, config Config, c Case) error {
	config.run = newRun()
	ctx, stop := stoppable(ctx, 0)
	defer stop()
	var ids atomic.Uint64
	r, err := newRig(ctx, config, &ids)
	if err != nil {
		return err
	}
	defer r.close(ctx)
	return r.hold(ctx, c.Conversations)
}

// hold holds conversations one after the other, and asks a witness after each.
func (r *rig) hold(ctx context.Context, conversations []Conversation) error {
	beside, err := r.side.witness(ctx, r.entity())
	if err != nil {
		return err
	}
	defer beside.close()
	for i, c := range conversations {
		err := beside.ask(ctx)
		if err == nil {
			err = r.side.hold(ctx, c, r.entity())
		}
		if err == nil {
			err = beside.ask(ctx)
		}
		if crash := r.crashedSoon(err); crash != nil {
			err = crash
		}
		if err != nil {
			return fmt.Errorf("conversation %d: %w", i+1, err)
		}
	}
	return nil
}

// crashedSoon tells of a crash behind an error: the process may need a moment to be gone after its streams are.
func (r *rig) crashedSoon(err error) error {
	if err != nil && r.process.Controlled() {
		select {
		case <-r.process.Exited():
		case <-time.After(time.Second):
		}
	}
	return r.crashed()
}
