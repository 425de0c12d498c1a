// Package pebble is the journal.Store that lives in a directory of the machine that
// the proxy runs on: the default of a proxy that stands alone. It is built on
// CockroachDB's Pebble, a log-structured merge tree.
//
// What enters and leaves is what package journal says. A write returns when it is on
// the disk (fsync), unless the store was opened with DangerouslyNoSync. Writes that
// arrive together share one fsync: Pebble groups them by itself.
//
// What never happens: a damaged, foreign or newer directory is never repaired,
// emptied or overwritten, only refused with a message; and a write that the disk may
// have lost is never acknowledged.
//
// # The directory
//
//	FORMAT  what this directory is, and in which version (see format.go)
//	LOCK    held by the process that has the store open
//	db/     Pebble's files
//
// # The rows
//
// Every row is one key and one value of Pebble. Keys are a kind, the id's two parts in
// an encoding that keeps their order and lets no two ids meet, and for events the
// sequence number (key.go). Values begin with a checksum over key and content, so that
// a damaged row and a row in the wrong place are both noticed (row.go).
//
//	'e' namespace key seq     an event's payload
//	'e' namespace key seq 1   an event that has a note: the note's length, the note, the payload
//	'p' namespace key         the last event that was pruned
//	's' namespace key         the newest snapshot: its sequence number, its payload
//	'v' namespace key         a value: its version, its payload; or, with the version's highest
//	                          bit set, its version, the note's length, the note, the payload
//	'f' shard                 the newest fencing token and its holder
//
// # Order and locks
//
// The store's files belong to one process, so who may write is decided in memory: a
// write holds its shard's claim shared, then its entity's lock, checks the fence and
// the expectation, and keeps both until the data is on the disk. A claim holds the
// shard alone, a read its entity's lock shared while it fixes the state it will
// see; hence nobody reads what a crash could take back.
//
// Leases are in memory only: whoever opens the directory knows that no other process
// has it, so nobody's lease has to be waited out after a restart. The owners that a new
// process finds have none.
//
// # What it cannot see
//
// A crash may leave half a record at the end of Pebble's log, which is dropped on the next
// start: it was never acknowledged. If the disk damages what was synced within the last block
// of that log (32 KiB), between the crash and the next start, this looks the same, and what
// follows the damage is lost without a word. Damage before that block is noticed. An
// orderly Close leaves nothing in the log.
package pebble
