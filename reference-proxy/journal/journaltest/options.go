package journaltest

import (
	"flag"
	"os"
	"strconv"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Option tells Run what a store can do beyond the least, or how hard to try it. Cases
// that an option makes possible are run when it is given; a store is certified with
// every option that makes sense for it.
type Option func(*suite)

// Reopen says that the store keeps what it holds: reopen closes a store and opens it
// again with the same content.
func Reopen(reopen func(t *testing.T, s journal.Store) journal.Store) Option {
	return func(su *suite) { su.reopen = reopen }
}

// Second says that two processes can have the store open at once: open returns another
// handle on the data of s that shares no memory with s, as another process would have it.
// A store that lets its clock be set gives the handles clocks an hour apart. The suite
// closes the handle.
func Second(open func(t *testing.T, s journal.Store) journal.Store) Option {
	return func(su *suite) { su.second = open }
}

// Effort is how hard Run tries a store. A field of 0 stands for the default.
type Effort struct {
	// Checks is the number of random sequences of each property; 100 by default. The
	// flag -rapid.checks and the variable RAPID_CHECKS override it.
	Checks int
	// Steps is the number of operations of a random sequence, about; 30 by default. The
	// flag -rapid.steps and the variable RAPID_STEPS override it.
	Steps int
	// Racers is the number of goroutines that race; 16 by default.
	Racers int
	// Writes is the number of writes that each racer must get through; 30 by default.
	Writes int
	// Entities bounds the number of odd ids that are tried; all by default.
	Entities int
	// Rounds is the number of late and unknown writes of each kind, and of restarts and
	// crashes; 5 by default.
	Rounds int
}

// Try sets the effort: less for a slow database, more for a night.
func Try(e Effort) Option {
	return func(su *suite) { su.effort = e }
}

func (e Effort) withDefaults() Effort {
	for _, f := range []struct {
		field    *int
		standard int
	}{{&e.Checks, 100}, {&e.Steps, 30}, {&e.Racers, 16}, {&e.Writes, 30}, {&e.Entities, 1 << 20}, {&e.Rounds, 5}} {
		if *f.field <= 0 {
			*f.field = f.standard
		}
	}
	return e
}

// setRapid sets up rapid, which knows only flags, until t ends. Its seed is fixed, so
// that property tests repeat themselves. What was asked for by flag or variable stays.
func setRapid(t *testing.T, e Effort) {
	t.Helper()
	for _, s := range []struct{ name, variable, value string }{
		{"rapid.seed", "RAPID_SEED", "20"},
		{"rapid.checks", "RAPID_CHECKS", strconv.Itoa(e.Checks)},
		{"rapid.steps", "RAPID_STEPS", strconv.Itoa(e.Steps)},
	} {
		f := flag.Lookup(s.name)
		if _, asked := os.LookupEnv(s.variable); asked || f == nil || f.Value.String() != f.DefValue {
			continue
		}
		if err := f.Value.Set(s.value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) }) // its own text: it fits
	}
}

// Link is the way between one handle and its server, in the hands of the suite.
// NewRelay makes one of any server that speaks TCP.
type Link interface {
	// Hold keeps back whatever the handle sends from now on. The channel is closed when
	// something is kept back.
	Hold() <-chan struct{}
	// Mute lets pass what the handle sends, and swallows what is answered. The channel is
	// closed when something was swallowed.
	Mute() <-chan struct{}
	// Heal lets what was held back arrive, late, and ends connections whose answers were
	// swallowed. New connections work.
	Heal()
}

// Faults says that writes can be made to arrive late, and answers to be lost, under the
// store's own driver: open returns another handle on the data of s, like Second does, and
// the link that it works over. The suite closes the handle.
func Faults(open func(t *testing.T, s journal.Store) (journal.Store, Link)) Option {
	return func(su *suite) { su.faults = open }
}

// Restart says that the store has a server that can be restarted, or killed and started
// again: restart does it, and returns when the server serves.
func Restart(restart func(t *testing.T)) Option {
	return func(su *suite) { su.restart = restart }
}

// Crash says that the store keeps what it acknowledged when its process is killed. The
// test binary becomes the process to kill: its TestMain calls Victim first, with the same
// open. where names an empty store for open to find, in this process and in the other.
func Crash(where func(t *testing.T) string, open func(where string) (journal.Store, error)) Option {
	return func(su *suite) { su.crashWhere, su.crashOpen = where, open }
}
