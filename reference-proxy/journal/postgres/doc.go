// Package postgres is the journal.Store that lives in a PostgreSQL database: for proxies
// that run in several places, or beside a database that is looked after already.
//
// What enters: a URL, which carries address, credentials and TLS, and the name of a
// schema. What enters and leaves afterwards is what package journal says. A write returns
// when its transaction is committed and flushed to the server's disk, and to the
// synchronous standbys, if the server has any.
//
// What never happens: tables are made or changed by Migrate only, or by Open when it is
// asked to; a schema of a newer version is refused; no message holds a password; and a
// write that may or may not have been committed is never called one or the other.
//
// # One round trip
//
// Writes of all entities that arrive together form a group (package group), and a group is
// one transaction, sent whole and answered whole (append.go, values.go):
//
//	BEGIN ISOLATION LEVEL READ COMMITTED
//	shared advisory locks: every shard and every holder of the group
//	one statement for all appends, one for all values: check fence and expectation of each
//	    and write those that hold; what was refused comes back with the reason
//	COMMIT
//
// It takes one more on a connection that was idle for a second: a sign of life comes first.
//
// Each statement sees what was committed before the statement began (that is what READ
// COMMITTED means), so the check sees every claim that came before the locks were had. A
// claim takes the shard's lock alone: it waits for the groups under way, and those that come
// later see its token. The end of a lease does the same with the holder's lock. Two writers
// of one entity meet at the primary key of its events: the later one's group is rolled back and its items
// are carried out one by one, which tells who lost.
//
// A proxy that stands still halfway through sending a group keeps its transaction and its locks. When a claim or the end
// of a lease has waited for them a third of the time-out, it has the server end the sessions that wait for their client
// in a transaction older than the time-out (evict.go). That takes one role for all proxies.
//
// # Was it committed?
//
// When the connection breaks after a transaction was sent and before its COMMIT was
// answered, nobody knows: ErrUnknownOutcome. Nor does anybody when a pooler says that it lost its
// server, or the connection ends with an error that need not be the server's. When the server answers
// with an error, the transaction was rolled back. Serialization failures and deadlocks are tried again here.
//
// A write that is given up is never cancelled at the server (cancel.go): one that waits for a synchronous
// standby would then be seen by everybody, and be lost with the primary.
//
// # What it needs of the server
//
//   - Version 13 or newer. fsync has to be on; a server with fsync off is warned about. Where the
//     server's synchronous_commit is off, transactions switch it on for themselves; other
//     settings (local, remote_write, remote_apply) are left as they are.
//   - The primary. A connection to a standby is refused, whatever target_session_attrs the URL has:
//     writes fail there, and reads are behind. A URL may list several hosts, of
//     which the one that is primary is taken. After a failover to an asynchronous
//     standby the last acknowledged writes may be gone, tokens among them: use
//     synchronous replication where that matters, and never let an old primary go on
//     being one, for nothing in a database can tell that it is.
//   - PgBouncer in session or transaction mode: no setting and no lock outlives a transaction. In
//     transaction mode it has to track prepared statements (1.21 with max_prepared_statements
//     above 0); else add default_query_exec_mode=exec to the URL, which costs planning each statement anew.
//     Statement mode does not work.
//
// # What it cannot see
//
// Removed rows are noticed as gaps. The loss of an entity's newest events leaves no gap and is noticed only if a
// snapshot stood on them. For damage inside a row rely on PostgreSQL's own data checksums.
package postgres
