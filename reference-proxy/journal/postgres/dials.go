package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/backoff"
)

// The bounds of the rest after a connection could not be made.
const (
	shortestRest = 20 * time.Millisecond
	longestRest  = 500 * time.Millisecond
)

// dials spaces the tries to connect. The pool has no memory of them: each caller that finds no connection makes a try at
// once, so that a server that starts would be met by those of all proxies at the same time.
type dials struct {
	backoff.Backoff
	last atomic.Pointer[error] // why the last try failed
}

func newDials() *dials {
	return &dials{Backoff: backoff.Backoff{Shortest: shortestRest, Longest: longestRest}}
}

// restingError is why no try was made: the last one failed a moment ago.
type restingError struct {
	last error
	rest time.Duration
}

func (e *restingError) Error() string {
	return fmt.Sprintf("%v; connecting is tried again in %v", e.last, e.rest.Round(time.Millisecond))
}

func (e *restingError) Unwrap() error { return e.last }

// before is asked by the pool before it connects with config, a copy for one connection.
func (d *dials) before(_ context.Context, config *pgx.ConnConfig) error {
	if last, rest := d.last.Load(), d.Rest(); last != nil && rest > 0 {
		return &restingError{*last, rest}
	}
	guardCancels(config)
	return nil
}

// after is called by the pool with each new connection.
func (d *dials) after(ctx context.Context, conn *pgx.Conn) error {
	if err := prepare(ctx, conn); err != nil {
		return err
	}
	d.Succeeded()
	return nil
}

// failed takes why the pool gave no connection. That a caller had no time to wait for one is no failure of the server.
func (d *dials) failed(ctx context.Context, err error) {
	if ctx.Err() != nil || errors.As(err, new(*restingError)) {
		return
	}
	d.last.Store(&err)
	d.Failed()
}
