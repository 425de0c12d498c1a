package journaltest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// contestWhere, in the environment, makes a test binary the process that make bench measures.
const contestWhere = "CLOUDSTATE_JOURNALTEST_CONTEST"

// Contender must be called first in the TestMain of a package whose store make bench measures. In most processes it does
// nothing. In one that make bench started it opens the contest on the server that where names, takes orders on standard input
// until that ends, and never returns.
//
// The first line on standard output is {"settings": …}. Then each order, a line, is answered by one:
//
//	append store 64 1s     64 callers append for a second through the store
//	append driver 64 1s    … by the driver
//	replay store           the journal of 100,000 events is read once
//	replay driver
//
// The answer tells how many events there were and how long it took: {"events": …, "seconds": …, "p50_us": …, "p99_us": …}.
func Contender(open func(ctx context.Context, where string) (*Contest, error)) {
	where, is := os.LookupEnv(contestWhere)
	if !is {
		return
	}
	err := contend(context.Background(), where, open, os.Stdin, os.Stdout)
	if err == nil {
		os.Exit(0) //nolint:forbidigo // this process is no test
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1) //nolint:forbidigo // nor here
}

// measured is the answer to an order.
type measured struct {
	Events  int     `json:"events"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
}

func contend(ctx context.Context, where string, open func(context.Context, string) (*Contest, error), in io.Reader, out io.Writer) (err error) {
	c, err := open(ctx, where)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	answers := json.NewEncoder(out)
	if err := answers.Encode(map[string]any{"settings": c.Settings}); err != nil {
		return err
	}
	orders := bufio.NewScanner(in)
	for orders.Scan() {
		m, err := c.obey(ctx, orders.Text())
		if err == nil {
			err = answers.Encode(m)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", orders.Text(), err)
		}
	}
	return orders.Err()
}

var errOrder = errors.New("journaltest: no such order")

// obey carries an order out.
func (c *Contest) obey(ctx context.Context, order string) (measured, error) {
	var what, who, length string
	var callers int
	_, _ = fmt.Sscan(order, &what, &who, &callers, &length) // what is missing is looked at below
	by := byStore
	switch who {
	case byStore.String():
	case byDriver.String():
		by = byDriver
	default:
		return measured{}, errOrder
	}
	switch d, err := time.ParseDuration(length); {
	case what == "append" && err == nil && callers > 0:
		if err := c.begin(ctx); err != nil {
			return measured{}, err
		}
		start := time.Now()
		took, err := c.append(ctx, by, callers, func() bool { return time.Since(start) < d })
		return summed(took, time.Since(start)), err
	case what == "replay":
		start := time.Now()
		err := c.replay(ctx, by)
		return measured{Events: contestEvents, Seconds: time.Since(start).Seconds()}, err
	}
	return measured{}, errOrder
}

func summed(took []time.Duration, all time.Duration) measured {
	slices.Sort(took)
	at := func(share float64) float64 {
		if len(took) == 0 {
			return 0
		}
		return float64(took[int(share*float64(len(took)-1))].Nanoseconds()) / 1e3
	}
	return measured{Events: len(took), Seconds: all.Seconds(), P50: at(0.5), P99: at(0.99)}
}
