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
	journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() })
}

func BenchmarkStore(b *testing.B) {
	journaltest.Bench(b, func(*testing.B) journal.Store { return memory.New() })
}
