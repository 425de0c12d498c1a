// Package journaltest is the one test suite that every journal.Store must pass, ours or a
// stranger's.
//
// What enters: a way to open an empty store, and options that say what else the store can
// do: be opened again, by two processes at once, over a link that fails, on a server that
// is restarted, from a process that is killed. What leaves: the verdict of the testing.T.
// The suite knows nothing of any store's inside and asks only what package journal
// promises; where the promise leaves a store free, so does the suite.
//
//	func TestStore(t *testing.T) {
//		journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() })
//	}
//
// It never sleeps to wait for something, and its random tests repeat themselves.
//
// docs/stores/writing-a-store.md tells how to certify a store with it. That the suite finds
// out stores that break a promise is proven in its own tests (mutants_*_test.go).
package journaltest
