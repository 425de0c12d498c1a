package target

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Ports are taken from below the range from which the system picks the local port of outgoing connections (32768 and up on
// Linux): a target that is killed and started again finds its port free, whoever dialled meanwhile.
const (
	lowestPort  = 18000
	highestPort = 32000
)

// lastPort counts on from a random start: no port is handed out twice in this process, where its first taker may not have bound it yet, and
// runs at the same time seldom meet.
var lastPort = func() *atomic.Uint32 {
	var start atomic.Uint32
	start.Store(rand.Uint32N(highestPort - lowestPort))
	return &start
}()

// FreePort returns a port of 127.0.0.1 that nothing listened on a moment ago, another one each time.
func FreePort() (int, error) {
	for range 200 {
		port := lowestPort + int(lastPort.Add(1)%(highestPort-lowestPort))
		l, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("probing port %d: %w", port, err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("no free port between %d and %d on 127.0.0.1: end what occupies them", lowestPort, highestPort)
}

// Loopback returns 127.0.0.1:port.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
