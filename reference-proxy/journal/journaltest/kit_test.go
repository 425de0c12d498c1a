package journaltest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

func TestMain(m *testing.M) {
	journaltest.Victim(func(string) (journal.Store, error) { return memory.New(), nil })
	goleak.VerifyTestMain(m)
}

// brokenStore, in the environment, names the mutant that TestKit runs the suite on.
const brokenStore = "CLOUDSTATE_JOURNALTEST_MUTANT"

// TestKit runs the suite on a store that keeps the promises, or, in a process of
// TestKitBites, on one that breaks one of them.
func TestKit(t *testing.T) {
	spoil := func(s journal.Store) journal.Store { return s }
	name, broken := os.LookupEnv(brokenStore)
	if broken {
		spoil = mutants[name].spoil
	}
	// The mutant is as fast as memory: a few rounds more find what is rare.
	effort := journaltest.Effort{Rounds: 10}
	open := func(*testing.T) journal.Store { return spoil(memory.New()) }
	second := func(_ *testing.T, s journal.Store) journal.Store { return borrowed{s} }
	switch {
	case broken && mutants[name].run != nil:
		mutants[name].run(t)
	case broken:
		journaltest.Run(t, open, journaltest.Try(effort), journaltest.Second(second))
	default:
		journaltest.Run(t, open, journaltest.Try(effort), journaltest.Second(second),
			journaltest.Reopen(func(_ *testing.T, s journal.Store) journal.Store { return s }),
			journaltest.Faults(func(_ *testing.T, s journal.Store) (journal.Store, journaltest.Link) {
				r := &remote{Store: s}
				return r, r
			}))
	}
}

// TestKitOnEagerStore: what a store may do that writes first and checks then, the suite
// lets pass.
func TestKitOnEagerStore(t *testing.T) { runEager(t, false) }

func runEager(t *testing.T, ignoreAdoption bool) {
	journaltest.Run(t, func(*testing.T) journal.Store {
		return newEager(memory.New(), &cluster{
			newest: map[journal.Shard]journal.Fence{}, adopted: map[journal.EntityID]journal.Token{}, ignoreAdoption: ignoreAdoption,
		})
	}, journaltest.Second(func(_ *testing.T, s journal.Store) journal.Store { return s.(*eager).second() }))
}

// TestKitOnFlakyServer: unknown outcomes are resolved by reading.
func TestKitOnFlakyServer(t *testing.T) {
	runFlaky(t, fmt.Errorf("%w: the server went away", journal.ErrUnknownOutcome))
}

func runFlaky(t *testing.T, says error) {
	f := &flaky{Store: memory.New(), says: says}
	journaltest.Run(t, func(*testing.T) journal.Store { f.Store = memory.New(); return f },
		journaltest.Restart(func(*testing.T) { f.restart() }))
}

// TestKitBites: the suite finds out every mutant, in the case that is there for it. Each
// runs in a process of its own, so that its failure is not ours.
func TestKitBites(t *testing.T) {
	if len(mutants) < 12 {
		t.Fatalf("only %d mutants", len(mutants))
	}
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKit$/^"+m.caught+"$", "-rapid.nofailfile", "-rapid.shrinktime=0s")
			cmd.Env = append(os.Environ(), brokenStore+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("case %q let the mutant pass, or did not end well: %v\n%.2000s", m.caught, err, out)
			}
			if want := "--- FAIL: TestKit/" + strings.ReplaceAll(m.caught, " ", "_"); !strings.Contains(string(out), want) {
				t.Fatalf("failed, but not in case %q:\n%.2000s", m.caught, out)
			}
		})
	}
}
