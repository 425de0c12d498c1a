package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() },
		journaltest.Second(func(_ *testing.T, s journal.Store) journal.Store { return borrowed{s} }))
}

// borrowed is a second handle on a store; closing it does not close the store.
type borrowed struct{ journal.Store }

func (borrowed) Close() error { return nil }

func BenchmarkStore(b *testing.B) {
	journaltest.Bench(b, func(*testing.B) journal.Store { return memory.New() })
}
