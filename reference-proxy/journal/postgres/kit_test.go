package postgres

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

func TestStore(t *testing.T) {
	certify(t, server.URL(), journaltest.Effort{Checks: 20, Entities: 200})
}

// TestStoreWithoutPreparedStatements is for poolers that do not track them.
func TestStoreWithoutPreparedStatements(t *testing.T) {
	certify(t, server.URL()+"&default_query_exec_mode=exec", journaltest.Effort{Checks: 5, Entities: 20, Writes: 5, Rounds: 1})
}

func certify(t *testing.T, url string, effort journaltest.Effort) {
	t.Helper()
	again := func(t *testing.T, s journal.Store) journal.Store {
		t.Helper()
		o := s.(*Store).options //nolint:errcheck // the kit gives back what it got
		o.AutoMigrate = false
		second, err := Open(within(t), o)
		if err != nil {
			t.Fatal(err)
		}
		return second
	}
	journaltest.Run(t,
		func(t *testing.T) journal.Store {
			t.Helper()
			s, err := Open(within(t), fresh(url))
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		journaltest.Reopen(func(t *testing.T, s journal.Store) journal.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return again(t, s)
		}),
		journaltest.Second(again),
		journaltest.Try(effort),
	)
}
