package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Ports for programs come from below the range of which the system takes the local port of outgoing connections (32768 and
// up on Linux): a program that starts late, or again, finds its port free, whoever dialled meanwhile. The tests that run at
// the same time have ranges of their own.
const (
	lowestPort  = 16000
	highestPort = 18000
)

// lastPort counts on from a random start, so that no port is handed out twice, even one that nobody has bound yet.
var lastPort = func() *atomic.Uint32 {
	var start atomic.Uint32
	start.Store(rand.Uint32N(highestPort - lowestPort))
	return &start
}()

// freePort finds a port of the loopback address that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	for range highestPort - lowestPort {
		port := lowestPort + int(lastPort.Add(1)%(highestPort-lowestPort))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue // somebody has it
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port from %d to %d on 127.0.0.1: end what occupies them", lowestPort, highestPort)
}
