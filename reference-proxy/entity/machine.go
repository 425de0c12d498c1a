package entity

import "fmt"

// Protocol is what the event sourced and the value entity protocol do differently.
// Implementations are stateless and safe for concurrent use.
type Protocol interface {
	// Command encodes the message that carries cmd to the user function.
	Command(entityID string, cmd *Command) []byte
	// Answer reads a message of the user function. An error says what is wrong with
	// it and makes it a protocol violation with the text Texts.Message.
	Answer(msg []byte) (Answer, error)
	// Texts are the fixed texts of the kind.
	Texts() *Texts
}

// Texts are what callers are told of stream-level faults; SPEC.md fixes them for
// each kind (ES-37 to ES-42, VE-21).
type Texts struct {
	Reply       string // a reply that nobody asked for, or one that breaks a rule
	Failure     string // a failure on the stream
	Message     string // an empty or unreadable message
	Termination string // the user function closed or broke the stream
	Queued      string // what commands behind the failed one are told
	Load        string // the store could not be read
	Write       string // the store could not be written
}

// Answer is a message of the user function, read.
type Answer struct {
	Kind AnswerKind
	// CommandID names the command that a reply or failure is about.
	CommandID int64
	// Detail is a failure's description, or for AnswerReply the rule that the reply
	// breaks (such as a snapshot without events, ES-23); empty when it breaks none.
	Detail  string
	Outcome Outcome
	Write   Write
	// Snapshot is an encoded Any, nil for none (ES-21).
	Snapshot []byte
}

// AnswerKind tells the messages of a user function apart.
type AnswerKind uint8

const (
	// AnswerEmpty is a message with no content: a protocol violation.
	AnswerEmpty AnswerKind = iota
	// AnswerReply answers a command.
	AnswerReply
	// AnswerFailure is a failure of the stream (ES-37).
	AnswerFailure
)

// Write is the state change that a reply asks for.
type Write struct {
	Op WriteOp
	// Events are encoded Anys, for WriteAppend.
	Events [][]byte
	// Value is an encoded Any, for WritePut.
	Value []byte
}

// WriteOp is the kind of a [Write].
type WriteOp uint8

const (
	// WriteNone changes nothing.
	WriteNone WriteOp = iota
	// WriteAppend appends events to the journal (ES-20).
	WriteAppend
	// WritePut replaces the value (VE-13).
	WritePut
	// WriteDelete removes the value (VE-14).
	WriteDelete
)

// Op is what an [Instruction] asks for.
type Op uint8

const (
	// OpActivate loads the state, opens a stream, sends init and replay; then call
	// Activated or ActivationFailed.
	OpActivate Op = iota
	// OpRecall looks whether the entity, which is at Position, remembers an earlier try of Command; then call Recalled.
	OpRecall
	// OpSend sends Message.
	OpSend
	// OpWrite makes Write durable, following position Position, and Remember with it if not nil; then
	// call Written or WriteFailed.
	OpWrite
	// OpConfirm makes sure that nobody else can have changed the entity: what is to be
	// answered, without a write, must not be out of date. Then call Confirmed or Disowned.
	OpConfirm
	// OpSnapshot stores Snapshot as covering everything up to Position. Its failure is
	// only logged (ES-21).
	OpSnapshot
	// OpSettle releases Outcome to Command's caller.
	OpSettle
	// OpCloseStream half-closes the stream and lets the user function complete it (ES-45).
	OpCloseStream
	// OpAbort cancels the stream at once.
	OpAbort
	// OpReport tells the user function Text through reportError, and the log (ES-43).
	OpReport
	// OpRetire forgets the machine, which has ended. A later command needs a new one.
	OpRetire
)

// Instruction is one thing that the driver is to do, in order.
type Instruction struct {
	Op       Op
	Message  []byte
	Write    Write
	Remember *Remembered
	Position uint64
	Snapshot []byte
	Command  *Command
	Outcome  Outcome
	Text     string
}

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

// ActivationFailed says that the state could not be loaded or replayed.
func (m *Machine) ActivationFailed(fault *Fault, detail string) {
	m.end(fault, fault, detail)
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

// Disowned says that somebody else may have changed the entity, so that what the user
// function holds of it is worth nothing. It comes instead of Confirmed, and then the answer
// does not leave, but fault does; or while the machine is idle, and then it ends.
// Commands that wait were not sent: they are, to what is loaded anew.
func (m *Machine) Disowned(fault *Fault) {
	if m.state != settling && m.state != ready {
		return
	}
	m.answer, m.replay = Answer{}, false
	if m.current != nil {
		m.settleCurrent(Outcome{Fault: fault})
	}
	switch {
	case m.doomed != nil:
		m.end(nil, m.doomed, "")
	case len(m.queue) > 0:
		m.reload()
	default:
		m.letGo()
	}
}

// WriteFailed says that the write is not known to be durable. The instance ends:
// what it holds no longer follows from the store. Where only room was lacking, commands
// that wait go to what is loaded anew, for they may be reads. Where trying again may help,
// their callers are told so as well (SERV-55): none was sent.
func (m *Machine) WriteFailed(fault *Fault, detail string) {
	queued := m.fault(m.texts.Queued)
	switch fault.Class {
	case FaultStoreFull:
		m.Disowned(fault)
		return
	case FaultStoreUnavailable:
		queued = &Fault{FaultStoreUnavailable, textBehind}
	default:
	}
	m.end(fault, queued, detail)
}

// textBehind is for commands that waited behind one that could not be stored.
const textBehind = "a command before this one could not be stored; this one was not carried out, try again"

// StreamEnded says that the user function closed, failed or lost the stream. The
// class tells a stream that was ended (FaultProtocol) from a user function that is
// gone (FaultUnavailable).
func (m *Machine) StreamEnded(class FaultClass, detail string) {
	if m.over() {
		return
	}
	if m.state == ready {
		// Nobody waits: the user function let go of an idle instance.
		m.end(nil, nil, "")
		return
	}
	m.fail(&Fault{class, m.texts.Termination}, &Fault{class, m.texts.Queued}, detail)
}

// TimedOut says that the user function did not answer, or take its replay, within
// the command time-out (LIM-06).
func (m *Machine) TimedOut(after string) {
	if !m.Awaiting() {
		return
	}
	f := &Fault{FaultTimeout, "the user function did not answer within " + after}
	queued := m.fault(m.texts.Queued)
	if m.state == activating {
		queued = f
	}
	m.end(f, queued, "did not answer a command within "+after)
}

// Passivate ends an instance that has nothing to do; otherwise it does nothing
// (ES-45, ES-46).
func (m *Machine) Passivate() {
	if m.state == ready {
		m.letGo()
	}
}

// Drain lets the machine finish what it has and then passivate (OPS-07).
func (m *Machine) Drain() {
	m.draining = true
	m.Passivate()
}

// over says that what the stream still brings no longer matters.
func (m *Machine) over() bool { return m.state == ended || m.doomed != nil }

func (m *Machine) activate() {
	m.state = activating
	m.out = append(m.out, Instruction{Op: OpActivate})
}

// reload lets go of the stream and begins another, with what is stored.
func (m *Machine) reload() {
	m.out = append(m.out, Instruction{Op: OpCloseStream})
	m.activate()
}

// letGo ends the machine in order, when nothing is outstanding.
func (m *Machine) letGo() {
	m.out = append(m.out, Instruction{Op: OpCloseStream}, Instruction{Op: OpRetire})
	m.state = ended
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

func (m *Machine) violation(text, detail string) {
	m.fail(m.fault(text), m.fault(m.texts.Queued), detail)
}

// fail ends the instance, but not before a write or confirmation that is out has become
// known: its command's events may be durable, and then its caller is told so. Nor before it is
// known whether a command that was not sent yet had been carried out before.
func (m *Machine) fail(current, queued *Fault, detail string) {
	if m.state == settling || m.state == recalling {
		m.report(detail)
		m.doomed = queued
		m.settleQueue(queued)
		return
	}
	m.end(current, queued, detail)
}

func (m *Machine) end(current, queued *Fault, detail string) {
	if m.current != nil {
		m.settleCurrent(Outcome{Fault: current})
	}
	m.settleQueue(queued)
	m.report(detail)
	m.out = append(m.out, Instruction{Op: OpAbort}, Instruction{Op: OpRetire})
	m.state = ended
}

func (m *Machine) report(detail string) {
	if detail != "" {
		m.out = append(m.out, Instruction{Op: OpReport, Text: detail})
	}
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

func (m *Machine) fault(text string) *Fault { return &Fault{FaultProtocol, text} }
