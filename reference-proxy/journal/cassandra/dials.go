package cassandra

import (
	"context"
	"net"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/backoff"
)

// The bounds of the rest after a node could not be reached.
const (
	shortestRest = 50 * time.Millisecond
	longestRest  = time.Second
)

// dials spaces the driver's tries to connect. The driver itself tries a node that is down once a second, and its control
// connection, too, without chance: proxies that lost a node at the same moment would come back to it in step.
type dials struct {
	to gocql.Dialer

	mu   sync.Mutex
	away map[string]*backoff.Backoff // by address, those that could not be reached
}

func newDials(to gocql.Dialer) *dials { return &dials{to: to, away: map[string]*backoff.Backoff{}} }

// DialContext implements gocql.Dialer. It rests first, if the node could not be reached last time.
func (d *dials) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if rest := d.rest(address); rest > 0 && !pause(ctx, rest) {
		return nil, ctx.Err()
	}
	conn, err := d.to.DialContext(ctx, network, address)
	d.ended(address, err)
	return conn, err
}

func (d *dials) rest(address string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.away[address]; b != nil {
		return b.Rest()
	}
	return 0
}

func (d *dials) ended(address string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.away, address)
		return
	}
	b := d.away[address]
	if b == nil {
		b = &backoff.Backoff{Shortest: shortestRest, Longest: longestRest}
		d.away[address] = b
	}
	b.Failed()
}
