package cassandra_test

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

// TestStore runs the common suite on a real node, with buckets so small that they roll
// all the time.
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
		func(t *testing.T) journal.Store {
			return again(t, fresh(t, c, func(o *cassandra.Options) { o.BucketRecords = 5 }))
		},
		journaltest.Reopen(func(t *testing.T, s journal.Store) journal.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return again(t, options[s])
		}),
		journaltest.Second(func(t *testing.T, s journal.Store) journal.Store { return again(t, options[s]) }),
		journaltest.Try(journaltest.Effort{Checks: 5, Steps: 30, Racers: 8, Writes: 5, Entities: 40, Rounds: 3}),
	)
}
