package entity

// ActivationFailed says that the state could not be loaded or replayed.
func (m *Machine) ActivationFailed(fault *Fault, detail string) {
	m.end(fault, fault, detail)
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

// letGo ends the machine in order, when nothing is outstanding.
func (m *Machine) letGo() {
	m.out = append(m.out, Instruction{Op: OpCloseStream}, Instruction{Op: OpRetire})
	m.state = ended
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

func (m *Machine) fault(text string) *Fault { return &Fault{FaultProtocol, text} }
