package userfunction

import (
	"iter"
	"time"
)

// The gate keeps commands from a user function that was not asked yet what it serves (DISC-46).
//
// A user function can be replaced behind its address at any moment: its process dies and another one listens there at
// once, before the proxy has noticed that any connection broke. A fresh connection may lead to the new one, and nothing
// that it says tells. What tells is its elders: a process that dies takes all its connections with it, and only then can
// another one listen. So two connections that are alive at the same moment lead to the same process.
//
// The pool calls the user functions that it has met epochs, and a connection whose user function is known to be the
// present one a member of the epoch. A fresh connection has just brought SETTINGS from its process when it is placed. If
// any member is alive after that, it was alive at that moment too, and the fresh one is a member. Alive is judged by the
// kernel's state of the member's socket, where the end has arrived before the new process could listen, and not by
// whether the reader has got to it. If every member is dead, the fresh one is a stray until their ends have been
// noticed, which tell whether the user function was lost.
//
// When it was, the epoch ends, and the gate closes: calls and streams wait, as for an absent user function, until the
// owner has asked the new one and says that the answer is served (Admit). Connections may be made meanwhile, but are held;
// only the control lane, on which the user function is asked, uses its own at once. The gate is outside the calls' way: a
// held connection simply is not among those that a lane chooses from.
//
// What remains: after a polite end of all members (GOAWAY, or closed for being idle) the next connection is taken for
// the same user function's without proof, so that a server that tidies up costs nobody a wait. A user function that says
// goodbye, or dies while nothing at all happens, and is replaced before the proxy has dialled it once, is not asked. Nor
// is the order of events certain where packets from two processes may overtake each other: on a network that loses some,
// or behind a relay that ends its connections later than the process did. And where the kernel cannot be asked (see
// socketEnded), a restart is only recognised from the first connection on whose end was noticed.

// settleTime is how long after an abrupt end other connections that died with it may take to be noticed, where the
// kernel does not tell.
const settleTime = time.Second

// Admit opens the gate: the answer of the latest Discover is served, so commands may go to the user function that gave
// it. The owner calls it whenever it serves an answer, and from where it receives from Disconnected: a loss announced
// before the user function that answered was met is withdrawn. A pool that has never lost its user function needs no
// Admit.
func (p *Pool) Admit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.answered == nil {
		return
	}
	if p.answered.state == retired && p.answered.epoch != p.epoch {
		p.announceLoss() // whoever answered is gone, or cannot be told any more: another one has to be asked
		return
	}
	p.served = p.answered
	p.resolve()
}

// resolve finds out about strays again, and lets through what may go.
func (p *Pool) resolve() {
	for l := range p.connected() {
		if ended, _ := socketEnded(l.raw); !ended {
			p.place(l)
		}
	}
	if p.served != nil && p.served.epoch == p.epoch {
		p.served = nil
		p.admitted = true
		select {
		case <-p.disconnected:
		default:
		}
	}
	for _, ln := range p.lanes() {
		ln.promote()
		ln.serve()
	}
}

// place makes a connection a member of the epoch if it can be proved to be one, or if there is none that could prove it.
func (p *Pool) place(l *link) {
	if l.epoch == p.epoch {
		return
	}
	alone := true
	for member := range p.connected() {
		if member.epoch != p.epoch {
			continue
		}
		if p.alive(member) {
			l.epoch = p.epoch
			return
		}
		alone = false
	}
	if alone {
		l.epoch = p.epoch
		return
	}
	if !p.resolving {
		p.resolving = true
		p.after(p.settle, func() {
			p.resolving = false
			p.resolve()
		})
	}
}

// alive tells whether a member's user function certainly lived when the call began.
func (p *Pool) alive(member *link) bool {
	ended, certain := socketEnded(member.raw)
	if certain {
		return !ended
	}
	return time.Since(p.brokenAt) >= p.settle
}

// connected are the connections that new streams can be opened on, now or once the gate opens.
func (p *Pool) connected() iter.Seq[*link] {
	return func(yield func(*link) bool) {
		for _, ln := range p.lanes() {
			for _, links := range [...][]*link{ln.links, ln.held} {
				for _, l := range links {
					if !yield(l) {
						return
					}
				}
			}
		}
	}
}

// anyMember tells whether a connection to the present user function is left.
func (p *Pool) anyMember() bool {
	for l := range p.connected() {
		if l.epoch == p.epoch {
			return true
		}
	}
	return false
}

// anyStray tells whether there is a connection of which it is not known where it leads.
func (p *Pool) anyStray() bool {
	for l := range p.connected() {
		if l.epoch != p.epoch {
			return true
		}
	}
	return false
}

// lost takes a connection out of use that the user function closed, or is about to close when reason is nil.
//
// With the last member of an epoch the user function was lost, if the end was abrupt, or if there are strays that nobody
// can prove to be its any more. After a polite end it may well be there: the next attempt to connect tells. An idle
// connection that ends when others have just broken died with them.
func (p *Pool) lost(l *link, reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.state == connecting {
		if l.failure == nil {
			l.failure = reason
			close(l.settled)
		}
		return
	}
	idle := l.active == 0 && time.Since(l.idleSince) >= p.idleEnough && time.Since(p.brokenAt) >= p.idleEnough
	polite := reason == nil || idle
	if p.closed || !l.lane.retire(l) {
		return
	}
	p.cfg.Logger.Debug("connection to the user function ended", "lane", l.lane.name, "polite", polite, "reason", reason)
	member := l.epoch == p.epoch
	if member && !polite {
		p.brokenAt = time.Now()
	}
	switch {
	case l == p.served: // before it proved to be a member
		p.served = nil
		p.announceLoss()
	case !member || p.anyMember():
	case !polite || p.anyStray():
		p.gone()
		p.resolve()
	default:
		p.probing = true
		if p.control.dialling == 0 {
			p.control.dial()
		}
	}
	l.lane.serve()
}

// gone ends the epoch: the user function was lost. Whoever is reached next must be asked first.
func (p *Pool) gone() {
	p.epoch++
	p.admitted, p.served, p.brokenAt = false, nil, time.Time{}
	p.announceLoss()
}
