package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/backoff"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/postgres"
)

// errSetting is a setting that turns out to be wrong when it is used.
var errSetting = errors.New("setting")

// The pauses between tries to open a database, a half more or less, so that proxies that wait for one do not all come at once.
const (
	shortestPause = 250 * time.Millisecond
	longestPause  = 10 * time.Second
	// sameAgain is how often one and the same reason is logged.
	sameAgain = time.Minute
)

// waiting is what the proxy waits for while it opens its store.
type waiting struct{ err atomic.Pointer[error] }

func (w *waiting) set(err error) { w.err.Store(&err) }

// reason is nil when there is nothing to wait for.
func (w *waiting) reason() error {
	if err := w.err.Load(); err != nil {
		return *err
	}
	return errOpening
}

var errOpening = errors.New("it is being opened")

// awaitStore opens the store. A database that is away, has no tables yet or does not let the proxy in may be mended while
// the proxy waits: it tries again for as long as the settings say, and logs why. What waiting does not mend ends the wait at once.
func awaitStore(ctx context.Context, cfg *config.Config, log *slog.Logger, m *metrics, w *waiting) (journal.Store, error) {
	w.set(errOpening)
	patience, cancel := context.WithTimeout(ctx, cfg.StoreStartTimeout)
	defer cancel()
	var told string
	var toldAt time.Time
	pauses := backoff.Backoff{Shortest: shortestPause, Longest: longestPause}
	for {
		store, err := openStore(ctx, cfg, log, m) // one try may outlast the patience, and is bounded by itself, but for the work of an upgrade
		if err == nil || !mendable(cfg, err) || ctx.Err() != nil {
			if err == nil {
				w.set(nil)
				if told != "" {
					log.Info("the store can be used")
				}
			}
			return store, err
		}
		w.set(err)
		if told != err.Error() || time.Since(toldAt) > sameAgain {
			told, toldAt = err.Error(), time.Now()
			log.Error("the store cannot be used; the proxy is not ready and tries again", "error", err, "for", cfg.StoreStartTimeout)
		}
		timer := time.NewTimer(pauses.Failed())
		select {
		case <-timer.C:
		case <-patience.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("%w; tried for %v (--store-start-timeout)", err, cfg.StoreStartTimeout)
		}
	}
}

// mendable tells whether somebody else may mend what err says while the proxy waits.
func mendable(cfg *config.Config, err error) bool {
	if cfg.Store != config.StorePostgres && cfg.Store != config.StoreCassandra {
		return false
	}
	return !wrongSetting(err) && !errors.Is(err, journal.ErrFormat)
}

// wrongSetting tells whether err is about a setting that cannot be used.
func wrongSetting(err error) bool {
	return errors.Is(err, errSetting) || errors.Is(err, postgres.ErrSettings) || errors.Is(err, cassandra.ErrOptions)
}
