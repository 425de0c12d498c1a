package cassandra

import "slices"

// The leases of the world. That a lease ended is decided at one moment, by a lightweight transaction: who reads SERIAL sees it from then
// on. The row that says so reaches each replica in its own time, as data does, and plain quorum reads see it only where they ask. A read asks
// its replicas one after the other, and when they differ it brings those that it asked up to date before it returns (blocking read repair).

// lease is an owner's.
type lease struct {
	over  bool // decided
	ended [3]bool
}

// glance is a plain quorum read of a lease, in progress.
type glance struct {
	asked []int
	ended bool
}

// ask takes one more replica's answer to g, and says whether that was the last.
func (w *world) ask(g *glance, l *lease) (done bool) {
	others := slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return slices.Contains(g.asked, i) })
	i := others[w.choose("replica asked for the lease", len(others))]
	g.asked = append(g.asked, i)
	g.ended = g.ended || l.ended[i]
	if len(g.asked) < 2 {
		return false
	}
	if g.ended && !w.rules.noRepair {
		for _, i := range g.asked {
			l.ended[i] = true
		}
	}
	return true
}

// takeOver takes one step of a claim: the newest owner's lease ends, a SERIAL read finds that it has, a glance, too, and the shard is claimed.
func (w *world) takeOver() {
	l := &w.owners[len(w.owners)-1].lease
	if !l.over {
		l.over = true
		for i := range w.replicas {
			w.pending[w.nextID] = message{replica: i, ends: l}
			w.nextID++
		}
		return
	}
	if !w.rules.noGlance {
		if !w.ask(&w.claiming, l) {
			return
		}
		ended := w.claiming.ended
		w.claiming = glance{}
		if !ended {
			return // its end has not reached a quorum: the claim is refused
		}
	}
	w.claim()
}
