package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/driver"
	"github.com/stateful-serverless/cloudstate/reference-proxy/userfunction"
)

// streams lets the driver open streams without knowing the pool.
type streams struct{ pool *userfunction.Pool }

func (s streams) EntityStream(ctx context.Context, method string) (driver.Stream, error) {
	stream, err := s.pool.EntityStream(ctx, method)
	if err != nil {
		return nil, err
	}
	return stream, nil
}

// reporter passes what the user function did wrong on to it, in the background and in
// order: whoever reports never waits, and a user function that fails or ignores
// reports changes nothing (DISC-58).
type reporter struct {
	pool  *userfunction.Pool
	log   *slog.Logger
	texts chan string
	stop  context.CancelFunc
	done  sync.WaitGroup
}

const (
	// reportQueue is how many reports may wait; more are only logged.
	reportQueue = 64
	// reportTimeout bounds one report.
	reportTimeout = 5 * time.Second
)

func newReporter(pool *userfunction.Pool, log *slog.Logger) *reporter {
	ctx, stop := context.WithCancel(context.Background())
	r := &reporter{pool: pool, log: log, texts: make(chan string, reportQueue), stop: stop}
	r.done.Go(func() { r.run(ctx) })
	return r
}

func (r *reporter) report(text string) {
	select {
	case r.texts <- text:
	default:
		r.log.Warn("a report was not passed on to the user function: too many are waiting", "report", text)
	}
}

func (r *reporter) run(ctx context.Context) {
	for {
		select {
		case text := <-r.texts:
			one, cancel := context.WithTimeout(ctx, reportTimeout)
			if err := r.pool.ReportError(one, text); err != nil && ctx.Err() == nil {
				r.log.Info("the user function did not take a report", "report", text, "error", err)
			}
			cancel()
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) close() {
	r.stop()
	r.done.Wait()
}
