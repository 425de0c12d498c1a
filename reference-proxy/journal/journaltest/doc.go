// Package journaltest is the one test suite that every journal.Store must pass.
//
// What enters: a way to open an empty store, and, for stores that keep what they hold,
// a way to open the same one again. What leaves: the verdict of the testing.T. The suite
// knows nothing of any store's inside and asks only what package journal promises.
//
//	func TestStore(t *testing.T) {
//		journaltest.Run(t, func(*testing.T) journal.Store { return memory.New() })
//	}
package journaltest
