// Package cluster says who owns what: the way from an entity to its shard, and from
// there to the fence under which this node may write it and the lease under which it
// may answer for it. For now each node owns whatever shard it is asked for, as far as the store lets it.
//
// What enters: entity ids, and the store's word that a fence is out of date. What
// leaves: fences, and whether one is held. It never reads or writes entities, and it
// never decides who should own a shard.
//
// # One lease a node
//
// A [Local] goes by a holder's name that nobody ever had, and keeps one lease under it,
// however many shards it owns: it renews it every third of its length, or a little sooner. A shard is
// claimed when it is first needed. One that is another holder's can be claimed when that
// holder's lease has ended. Whoever wants it watches the holder: when the beat of
// its lease moves, the holder is alive, and the shard is refused (journal.ErrHeld); when it
// has not moved for the lease's length and a twentieth more, the watcher ends the lease,
// on condition that the beat is still the same, and claims. An ended lease never comes back: the
// holder, should it only have been slow, finds it ended, and begins anew under a new name and
// without a shard.
//
// An orderly stop ends the node's own lease, which frees all its shards with one write.
//
// # Why answers are not out of date
//
// A write needs no clock: the store compares the fence. But an answer without a write
// comes from what the node has in memory, and another node may have taken the shard
// over meanwhile. So such an answer leaves only when [Local.Held] was true after it was
// fixed. That suffices:
//
//  1. While a node relies on a lease, the lease has not ended. It relies on it, by its own
//     clock, for a twentieth less than the length, counted from before it sent the
//     renewal. A watcher counts the length and a twentieth more from after it saw the
//     beat that this renewal brought; it saw it after the renewal was sent; and it
//     ends the lease only if that beat is still the newest. With clocks that differ by less than a tenth
//     the holder has stopped relying on the lease before the watcher may end it. When it is
//     unknown which of several tries brought a beat, the lease counts from the first of them.
//  2. While the lease has not ended, nobody else has claimed a shard of its holder, since the store allows
//     no such claim. So at the time t of a true Held(f), f is the newest fence of the
//     shard, and has been since it was claimed.
//  3. So every write to the entity that was acknowledged before t, and after the entity was adopted
//     under f, went through this node's instance of it, one at a time; and what was
//     acknowledged before the adoption was read then. The state from which the answer was
//     fixed, at a time before t, was the newest at that time: the answer takes
//     effect then, between its call and its return.
//
// A lease that lapses, because the process or the store stood still, and that is then renewed
// changes nothing in this: that the renewal took effect proves that the lease had not
// ended, and so that nobody else owned the shard all the time. Therefore fences and instances outlive
// such a lapse, and an answer that was fixed before it may leave after it.
//
// # Clocks
//
// The clock is CLOCK_BOOTTIME: it is never set, and it runs while the machine is suspended. What it cannot see
// is a virtual machine that is stopped, or put back to an earlier state, together with its clock. When
// such a machine goes on it may, for as long as its lease seems to last, give answers
// that are out of date. Its writes are refused as any others.
package cluster
