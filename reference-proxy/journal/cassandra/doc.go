// Package cassandra is the journal.Store in a keyspace of Apache Cassandra 5 (or another
// server that speaks its protocol and has its lightweight transactions, 4.1 and later).
//
// What enters and leaves is what package journal says. A write returns when a quorum of the
// replicas has acknowledged it and its owner is known to have had its lease after that.
// Durable is what the cluster calls durable: with commitlog_sync periodic, its default, a node that
// is killed forgets up to 100 ms of what it acknowledged, and one that loses power up to
// 10 s; the other replicas make up for it. Run three replicas, or set it to batch or group.
//
// What never happens: a compare-and-set for an append (it costs four to ten times a plain
// write here), a decision by a clock, a repetition of what is not idempotent, a gap served.
//
// # Why plain writes are safe
//
// The argument is in ARCHITECTURE.md, "Cassandra: plain writes that are safe". In short: rows
// are written once, under a key that holds the writer's generation (fencing token, attempt).
// Every append is written on top of a record of the same generation that is confirmed; a new
// owner first adopts the last record: it writes a copy of it under its own generation.
// A write is confirmed when, after a quorum acknowledged it, a quorum read still finds its
// owner's lease, which whoever claims has seen ended in the same way. Replay takes at each place the highest generation that is not below that of the
// place before. So what owners that are gone wrote without getting it confirmed is
// recognized whenever it arrives. chain.go is that rule, world_test.go its proof by
// trial, with every rule broken once.
//
// # The tables
//
//	owners, leases   by lightweight transactions only
//	events           a record an append, in buckets of bounded size
//	snapshots        newest first; also what is pruned
//	vals             values, newest first
//	meta             format and domain
//
// # What a caller must keep to
//
//   - A holder's lease is begun, and its shards are claimed, through one handle (Store).
//   - One at a time loads an entity through a handle: who adopts is who read last. What other
//     reads saw in between is noticed, and the adoption refused once.
//   - Migrate runs once at a time.
//   - The keyspace's replication is changed only as Cassandra's manual says (a full repair
//     between), as reads and writes must overlap.
package cassandra
