// Package group lets many callers share one trip to a store: those that arrive while
// earlier ones are under way are carried out together.
//
// What enters: items, one a call of [Queue.Do], and the function that carries out a group
// of them. What leaves: each item's own outcome, to the caller that brought it.
//
// It never waits for more items to come than those whose callers are ready to run: an item
// that finds nothing under way starts after one turn of the scheduler. It never splits,
// repeats or reorders what it was given: items start in the order they came, except that an
// item waits for an earlier one of the same key while others pass it by. It knows nothing of
// what items mean.
//
// # Contexts
//
// A caller whose context ends while its item waits takes the item back: it was not
// carried out and will not be. Once an item's group has started, its caller waits for the
// outcome, whatever becomes of its context: the item's memory is in use until then. So the
// function that carries groups out has to bound the time that it takes.
package group
