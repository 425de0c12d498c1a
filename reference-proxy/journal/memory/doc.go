// Package memory is the journal.Store that keeps everything in this process and
// nothing beyond it: for development, for tests, and to measure the proxy without
// a disk.
//
// What enters and leaves is what package journal says. "Durable" here means until
// Close: a proxy that ends forgets all. The store is bounded by nothing but the
// machine's memory, and never gives any back, except that of deleted values,
// replaced snapshots, pruned events and ended leases.
//
// It never shares memory with its callers: entries are copied in and out.
package memory
