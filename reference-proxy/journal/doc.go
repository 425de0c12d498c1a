// Package journal says what the reference proxy asks of a store: an append-only
// log of events an entity (Journal), its newest snapshot (Snapshots), the state
// of value entities (Values), who may write (Ownership), and which entities there are
// (Catalog). Store is the five together, and what the packages below this one implement.
//
// What enters: opaque payloads (encoded google.protobuf.Any) under an entity's
// identity, each write with the sequence number or version that the writer
// believes to be the newest, and with a fence. What leaves: the same payloads, in
// order, without a gap, or an error that says whether anything was written.
//
// A store never looks into a payload, never decides who should own a shard (that
// is the cluster's business; the store only sees to it that one owner at a time can
// write), and never acknowledges what a crash of the proxy could still lose.
//
// # What every store promises
//
//   - An append is atomic: all its payloads become events, or none does.
//   - A write that returned nil is durable to the degree that the store declares,
//     and every later read sees it.
//   - A read never returns what is not yet durable.
//   - A write whose token is not the newest that was claimed for its shard is never
//     acknowledged, and never changes what the owner of a newer token has adopted,
//     however late it arrives. It fails with ErrFenced where the store can tell that
//     nothing was written, and as unknown where it cannot.
//   - A write whose expectation does not hold fails with ErrConflict and writes nothing.
//   - Entries given to a store are not kept by reference and may be reused as soon
//     as the call returned; entries returned belong to the caller.
//   - All methods may be called concurrently, for one entity too.
//
// # Was it written?
//
// After a failed write the caller asks NotWritten. If it is true, nothing was
// written and nothing will be. If it is false, the outcome is unknown: the caller
// must drop what it holds of the entity and read it anew before it writes again.
package journal
