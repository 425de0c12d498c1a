// Package metered counts and times what is asked of a store.
//
// What enters: any journal.Store and where its numbers go. What leaves: the same store, whose calls are counted by operation,
// with how long they took, how they failed, and how many bytes of payload went each way.
//
// It changes no call and no answer, keeps nothing of either, and never names an entity, a shard or a holder.
package metered
