package entity

import "fmt"

type state uint8

const (
	cold       state = iota // no stream yet
	activating              // OpActivate is out
	ready                   // nothing outstanding
	recalling               // OpRecall is out: a keyed command may have been carried out before
	awaiting                // a command is at the user function
	settling                // its reply is in, its write or confirmation is out
	ended                   // OpRetire is out
)

// Machine is one activation of an event sourced or value entity instance: it
// handles one command at a time and queues the rest in order (ES-13). It is not
// safe for concurrent use.
type Machine struct {
	protocol Protocol
	texts    *Texts
	entityID string
	maxQueue int

	state    state
	position uint64 // sequence number of the last event, or the value's version
	lastID   int64  // command ids restart at 1 with each stream (ES-14, ES-15)
	current  *Command
	answer   Answer // of current, while settling
	replay   bool   // while settling: activate anew after it, for the user function's state is ahead of the store's
	doomed   *Fault // while settling or recalling: the stream is gone; end once that is over, and what waits gets this
	draining bool
	queue    []*Command
	out      []Instruction
}

// NewMachine makes the machine of one instance. At most maxQueue commands wait
// behind the one at the user function.
func NewMachine(protocol Protocol, entityID string, maxQueue int) *Machine {
	return &Machine{protocol: protocol, texts: protocol.Texts(), entityID: entityID, maxQueue: maxQueue}
}

// Take returns the instructions that have gathered. spare, whose content is
// dropped, takes the next ones: two slices that change places serve an instance
// for its life.
func (m *Machine) Take(spare []Instruction) []Instruction {
	out := m.out
	clear(spare)
	m.out = spare[:0]
	return out
}

// Ended says that the machine takes no more commands.
func (m *Machine) Ended() bool { return m.state == ended }

// Awaiting says that the user function owes an answer, or has yet to take its
// replay.
func (m *Machine) Awaiting() bool { return m.state == awaiting || m.state == activating }

// Idle says that nothing is outstanding or queued.
func (m *Machine) Idle() bool { return m.state == ready }

// Submit takes a command. When the queue is full its outcome is an overload fault
// (LIM-12); it must not be called on an ended machine.
func (m *Machine) Submit(cmd *Command) {
	if len(m.queue) >= m.maxQueue {
		m.settle(cmd, Outcome{Fault: &Fault{FaultOverload, fmt.Sprintf(
			"entity [%s] has %d commands waiting, which is the limit", m.entityID, m.maxQueue)}})
		return
	}
	switch m.state {
	case ready:
		if !cmd.gone() {
			m.begin(cmd)
		}
	case cold:
		m.queue = append(m.queue, cmd)
		m.activate()
	default:
		m.queue = append(m.queue, cmd)
	}
}

// Abandon withdraws a command whose caller has gone. It returns false when the
// command is already with the user function, where it completes and its events are
// kept (GAP-24). Withdrawn, it has no outcome.
func (m *Machine) Abandon(cmd *Command) bool {
	if cmd.id == withdrawn {
		return true
	}
	if m.state == recalling && cmd == m.current {
		cmd.id = withdrawn
		return true
	}
	for i, c := range m.queue {
		if c == cmd {
			m.queue = append(m.queue[:i], m.queue[i+1:]...)
			return true
		}
	}
	return false
}

// Activated says that the stream is open and the state up to position was replayed.
func (m *Machine) Activated(position uint64) {
	m.position = position
	m.lastID = 0
	m.state = ready
	m.next()
}

// Received takes a message from the current stream.
func (m *Machine) Received(msg []byte) {
	if m.over() {
		return
	}
	a, err := m.protocol.Answer(msg)
	switch {
	case err != nil:
		m.violation(m.texts.Message, "sent a message that cannot be read: "+err.Error())
	case a.Kind == AnswerEmpty:
		m.violation(m.texts.Message, "sent a message with neither reply nor failure in it")
	case a.Kind == AnswerFailure:
		m.violation(m.texts.Failure, fmt.Sprintf("failed the stream (command id %d): %s", a.CommandID, a.Detail))
	case m.state != awaiting:
		m.violation(m.texts.Reply, fmt.Sprintf("replied to command id %d although no command was outstanding", a.CommandID))
	case a.CommandID != m.current.id:
		m.violation(m.texts.Reply, fmt.Sprintf("replied to command id %d, expected %d", a.CommandID, m.current.id))
	case a.Detail != "" && a.Outcome.Failure == nil:
		m.violation(m.texts.Reply, fmt.Sprintf("replied to command id %d with %s", a.CommandID, a.Detail))
	default:
		m.replied(a)
	}
}

func (m *Machine) replied(a Answer) {
	m.state = settling
	if f := a.Outcome.Failure; f != nil {
		// A failure persists nothing, whatever else it carries (ES-36, VE-20). What the
		// user function may have applied to its own state is undone by a replay, at once
		// and before any further command (ES-34).
		m.replay = f.Restart || a.Write.Op != WriteNone || a.Snapshot != nil || a.Detail != ""
		a.Outcome.Effects, a.Write, a.Snapshot = nil, Write{}, nil
	}
	m.answer = a
	if a.Write.Op == WriteNone {
		m.out = append(m.out, Instruction{Op: OpConfirm})
		return
	}
	write := Instruction{Op: OpWrite, Write: a.Write, Position: m.position}
	if m.current.Keyed != nil && a.Write.Op != WriteDelete { // a deleted value has nothing to write it on
		write.Remember = m.current.remember(a.Outcome)
	}
	m.out = append(m.out, write)
}

// Recalled says what came of the earlier try of the command that was asked for; nil when
// none is remembered: then the command is sent.
func (m *Machine) Recalled(outcome *Outcome) {
	cmd := m.current
	switch {
	case cmd.id == withdrawn || outcome == nil && cmd.gone():
		m.current = nil
	case outcome != nil:
		m.settleCurrent(*outcome)
	case m.doomed != nil:
		m.settleCurrent(Outcome{Fault: m.doomed})
	default:
		m.send(cmd)
		return
	}
	if m.doomed != nil {
		m.end(nil, m.doomed, "")
		return
	}
	m.next()
}

// Written says that the write is durable and that it reached position.
func (m *Machine) Written(position uint64) {
	m.position = position
	m.settled()
}

// Confirmed says that the answer may leave.
func (m *Machine) Confirmed() { m.settled() }

func (m *Machine) settled() {
	a, replay := m.answer, m.replay
	m.answer, m.replay = Answer{}, false
	m.settleCurrent(a.Outcome)
	if a.Snapshot != nil {
		m.out = append(m.out, Instruction{Op: OpSnapshot, Snapshot: a.Snapshot, Position: m.position})
	}
	switch {
	case m.doomed != nil:
		m.end(nil, m.doomed, "")
	case replay:
		m.reload()
	default:
		m.next()
	}
}

func (m *Machine) activate() {
	m.state = activating
	m.out = append(m.out, Instruction{Op: OpActivate})
}

// reload lets go of the stream and begins another, with what is stored.
func (m *Machine) reload() {
	m.out = append(m.out, Instruction{Op: OpCloseStream})
	m.activate()
}

func (m *Machine) next() {
	m.state = ready
	for len(m.queue) > 0 {
		cmd := m.queue[0]
		m.queue[0] = nil
		m.queue = m.queue[1:]
		if !cmd.gone() {
			m.begin(cmd)
			return
		}
	}
	m.queue = nil
	if m.draining {
		m.Passivate()
	}
}

// gone withdraws the command if its caller no longer waits (SERV-39).
func (c *Command) gone() bool {
	gone := c.Gone != nil && c.Gone()
	if gone {
		c.id = withdrawn
	}
	return gone
}

// begin takes the next command; a keyed one is sent only if no earlier try is remembered.
func (m *Machine) begin(cmd *Command) {
	m.current = cmd
	if cmd.Keyed != nil {
		m.state = recalling
		m.out = append(m.out, Instruction{Op: OpRecall, Command: cmd, Position: m.position})
		return
	}
	m.send(cmd)
}

func (m *Machine) send(cmd *Command) {
	m.lastID++
	cmd.id = m.lastID
	m.state = awaiting
	m.out = append(m.out, Instruction{Op: OpSend, Message: m.protocol.Command(m.entityID, cmd)})
}

func (m *Machine) settleCurrent(o Outcome) {
	cmd := m.current
	m.current = nil
	m.settle(cmd, o)
}

func (m *Machine) settleQueue(f *Fault) {
	for _, c := range m.queue {
		m.settle(c, Outcome{Fault: f})
	}
	m.queue = nil
}

func (m *Machine) settle(cmd *Command, o Outcome) {
	m.out = append(m.out, Instruction{Op: OpSettle, Command: cmd, Outcome: o})
}
