package journaltest_test

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// mutant is a store that breaks one promise, and the case that must find it out.
type mutant struct {
	caught string
	spoil  func(journal.Store) journal.Store
	run    func(t *testing.T) // in place of spoil
}

// mutants are all of them by name.
var mutants = joined(journalMutants, valueMutants, ownerMutants, catalogMutants, handleMutants)

func joined(lists ...map[string]mutant) map[string]mutant {
	all := map[string]mutant{}
	for _, list := range lists {
		for name, m := range list {
			if _, twice := all[name]; twice {
				panic("two mutants have the name " + name)
			}
			all[name] = m
		}
	}
	return all
}
