package cassandra_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

// openAt opens the store that where names as host, port and keyspace.
func openAt(where string) (journal.Store, error) {
	var o cassandra.Options
	o.Hosts = make([]string, 1)
	if _, err := fmt.Sscan(where, &o.Hosts[0], &o.Port, &o.Keyspace); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return cassandra.Open(ctx, o)
}

// small has buckets so small that they roll all the time.
func small(o *cassandra.Options) { o.BucketRecords = 5 }

// TestStore runs the common suite on a real node.
func TestStore(t *testing.T) {
	c := node(t)
	options := map[journal.Store]cassandra.Options{}
	again := func(t *testing.T, o cassandra.Options) journal.Store {
		s, err := cassandra.Open(within(t), o)
		if err != nil {
			t.Fatal(err)
		}
		options[s] = o
		return s
	}
	journaltest.Run(t,
		func(t *testing.T) journal.Store { return again(t, fresh(t, c, small)) },
		journaltest.Reopen(func(t *testing.T, s journal.Store) journal.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return again(t, options[s])
		}),
		journaltest.Second(func(t *testing.T, s journal.Store) journal.Store { return again(t, options[s]) }),
		journaltest.Faults(func(t *testing.T, s journal.Store) (journal.Store, journaltest.Link) {
			o := options[s]
			relay := journaltest.NewRelay(t, net.JoinHostPort(c.Node(1).Address(), fmt.Sprint(c.Port())))
			o.Timeout = 2 * time.Second
			o.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, relay.Addr())
			}
			return again(t, o), relay
		}),
		journaltest.Restart(func(t *testing.T) {
			c.Node(1).Kill()
			if err := c.Node(1).Restart(within(t)); err != nil {
				t.Fatal(err)
			}
		}),
		journaltest.Crash(func(t *testing.T) string {
			return fmt.Sprint(c.Node(1).Address(), " ", c.Port(), " ", fresh(t, c, small).Keyspace)
		}, openAt),
		journaltest.Try(journaltest.Effort{Checks: 5, Steps: 30, Racers: 8, Writes: 5, Entities: 40, Rounds: 2}),
	)
}
