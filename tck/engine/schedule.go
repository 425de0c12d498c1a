package engine

import (
	"context"
	"io"
	"math/rand/v2"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/formatter"
)

// Step is one case to run.
type Step struct {
	// Name is the case's id.
	Name   string
	Labels []string
	// Run runs the case and reports whether the schedule may call it passed.
	Run func(ctx context.Context) bool
}

// Schedule runs every step once, one after the other, in an order that only depends on seed. When ctx ends, the steps that are
// left need not be run. Description names the whole.
type Schedule func(ctx context.Context, description string, seed int64, steps []Step)

// Ginkgo is the schedule that runs each step as a spec of Ginkgo's. Ginkgo can run one suite in the life of a process.
//
// Ginkgo's own report is discarded: it knows passed and failed, and we know more.
func Ginkgo(ctx context.Context, description string, seed int64, steps []Step) {
	formatter.ColorableStdOut = io.Discard
	suiteConfig, reporterConfig := ginkgo.GinkgoConfiguration()
	suiteConfig.RandomSeed = seed
	suiteConfig.RandomizeAllSpecs = true
	suiteConfig.Timeout = 24 * time.Hour // each case has a limit of its own
	suiteConfig.LabelFilter = ""         // the selection was made before: it must be known for the cases that do not run, too
	reporterConfig.Succinct = true
	reporterConfig.NoColor = true
	ginkgo.Describe(description, func() {
		for _, step := range steps {
			ginkgo.It(step.Name, ginkgo.Label(step.Labels...), func(specCtx ginkgo.SpecContext) {
				merged, cancel := context.WithCancelCause(specCtx)
				defer cancel(nil)
				defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
				if !step.Run(merged) {
					ginkgo.Fail("see the report")
				}
			})
		}
	})
	ginkgo.RunSpecs(ignored{}, description, suiteConfig, reporterConfig)
}

// ignored is the testing.T of a run outside go test; the verdict comes from the report.
type ignored struct{}

func (ignored) Fail() {}

// InOrder is the schedule without Ginkgo, for tests and for programs that run several combinations in one process.
func InOrder(ctx context.Context, _ string, seed int64, steps []Step) {
	for _, i := range rand.New(rand.NewPCG(uint64(seed), 0)).Perm(len(steps)) {
		if ctx.Err() != nil {
			return
		}
		steps[i].Run(ctx)
	}
}
