package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// database is a kind of server that the proxy keeps its state in. A real one is run for the length of its rows.
type database struct {
	name  store
	title string
	// tests are the package whose test program contends: its store against its driver (journaltest.Contender).
	tests string
	// flags are the proxy's, for the server that was started.
	flags func(where string) []string
	// where picks how to reach the server from the line that testserver prints.
	where func(line string) string
	// args of testserver.
	args []string
	// append is the least that the store's appends must be of the driver's.
	append float64
}

const (
	postgres  store = "postgres"
	cassandra store = "cassandra"
)

// leastOfSum is the least that commands through the proxy must be of 1/(1/store + 1/pass-through).
const leastOfSum = 0.8

var databases = []database{
	{
		name: postgres, title: "PostgreSQL", tests: "./reference-proxy/journal/postgres", append: 0.7,
		args:  []string{"postgres"},
		where: func(line string) string { return line },
		flags: func(where string) []string {
			return []string{"--store", "postgres", "--postgres-url", where}
		},
	},
	{
		name: cassandra, title: "Cassandra", tests: "./reference-proxy/journal/cassandra", append: 0.6,
		args: []string{"cassandra", "--heap-mb", "1024"},
		where: func(line string) string {
			var host string
			_, _ = fmt.Sscanf(line, "addresses: %s", &host) // "" is noticed by whoever connects
			return host
		},
		flags: func(where string) []string {
			return []string{"--store", "cassandra", "--cassandra-hosts", where, "--cassandra-replication", "1"}
		},
	},
}

// patient makes a proxy wait, on a machine that has other things to do, rather than take its database for dead.
var patient = []string{"--store-auto-migrate", "--store-timeout", "1m", "--lease-duration", "1m"}

func databaseNamed(name string) *database {
	for i := range databases {
		if string(databases[i].name) == name {
			return &databases[i]
		}
	}
	return nil
}

// contestant is the test program of a store, which writes and reads the same rows through the store and by the driver.
type contestant struct {
	process  *process
	settings map[string]string
}

// contestWhere is how a test program is told to contend (see journaltest.Contender).
const contestWhere = "CLOUDSTATE_JOURNALTEST_CONTEST"

// newContestant builds and starts the test program.
func (s *system) newContestant(ctx context.Context, d *database, where string) (*contestant, error) {
	path, err := filepath.Abs(filepath.Join(s.settings.Out, "data", "contest-"+string(d.name)))
	if err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", path, d.tests)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("building the tests of %s: %w; run bench in the repository's folder", d.tests, err)
	}
	p, err := s.spawn(ctx, "the contest of "+d.title, path, []string{contestWhere + "=" + where})
	if err != nil {
		return nil, err
	}
	c := &contestant{process: p}
	line, err := p.line()
	if err != nil {
		return nil, err
	}
	var first struct{ Settings map[string]string }
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		return nil, fmt.Errorf("%s said %q: %w", p.name, line, err)
	}
	c.settings = first.Settings
	return c, nil
}

// order has the program do something and returns what it measured; who is "store" or "driver".
func (c *contestant) order(format string, args ...any) (sample, error) {
	order := fmt.Sprintf(format, args...)
	before, err := c.process.cpu()
	if err != nil {
		return sample{}, err
	}
	if _, err := fmt.Fprintln(c.process.stdin, order); err != nil {
		return sample{}, fmt.Errorf("%s: %w", c.process.name, err)
	}
	line, err := c.process.line()
	if err != nil {
		return sample{}, fmt.Errorf("%s: %q: %w", c.process.name, order, err)
	}
	var m struct {
		Events  int
		Seconds float64
		P50     float64 `json:"p50_us"`
		P99     float64 `json:"p99_us"`
	}
	if err := json.Unmarshal([]byte(line), &m); err != nil || m.Seconds <= 0 {
		return sample{}, fmt.Errorf("%s answered %q with %q (%w)", c.process.name, order, line, err)
	}
	after, err := c.process.cpu()
	return sample{
		Requests: m.Events, PerSecond: float64(m.Events) / m.Seconds, P50: m.P50, P99: m.P99,
		CPU: micros(after-before) / float64(max(m.Events, 1)),
	}, err
}

func (c *contestant) append(who string, callers int, d time.Duration) (sample, error) {
	return c.order("append %s %d %v", who, callers, d)
}

func (c *contestant) replay(who string) (sample, error) { return c.order("replay %s", who) }
