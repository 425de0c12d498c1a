package main

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
)

// node is one of several proxies on one store, on fixed ports, with a user function of its own. Its methods are for one
// goroutine at a time.
type node struct {
	t        *testing.T
	program  string
	args     []string
	ports    []int
	function int
	// process is the running one, or the last that was.
	process *process
}

// newNode starts a proxy and does not wait for it.
func newNode(t *testing.T, program string, user *registers, args ...string) *node {
	t.Helper()
	n := &node{t: t, program: program, ports: ports(t, 2), function: serveFunction(t, mockfunction.New(user.config()))}
	n.args = append([]string{"--lease-duration", "1s", "--store-timeout", "3s", "--log-level", "warn"}, args...)
	n.start()
	return n
}

func (n *node) start() {
	n.process = launchProgram(n.t, n.program, n.ports[0], n.ports[1], n.function, n.args...)
}

func (n *node) client() string { return fmt.Sprintf("127.0.0.1:%d", n.ports[0]) }

// pause stops the process where it stands, for d: it believes afterwards what it believed before.
func (n *node) pause(ctx context.Context, d time.Duration) error {
	if err := n.process.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	idle(ctx, d)
	return n.process.cmd.Process.Signal(syscall.SIGCONT)
}

// restart kills the process and starts another.
func (n *node) restart() {
	n.process.kill()
	n.start()
}

// faultCounts counts what was done to whom.
type faultCounts struct {
	mu     sync.Mutex
	counts map[fault]int
}

// fault is the kind of a disturbance, for the figures.
type fault string

func (f fault) String() string { return string(f) }

func (c *faultCounts) add(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[fault]int{}
	}
	c.counts[f]++
}

func (c *faultCounts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return counts(c.counts)
}
