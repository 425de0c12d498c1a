package fuzz

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
)

// entityRun is an entity that a conversation, or a witness, is about: what the proxy must keep of it, and the call that is under way.
type entityRun struct {
	mu      sync.Mutex
	oracle  proxyOracle
	call    *entityCall
	streams int   // opened so far
	wrong   error // the first violation that a stream showed
	open    map[*inward]bool
	over    bool // the conversation is
}

// entityCall is a client's call as the user function sees it.
type entityCall struct {
	payload []byte // of the command that it becomes
	entity  string
	answers []Answer
	exchange
	cancel bool          // the answers wait until the client has gone
	came   chan struct{} // closed when the command has come
	gone   chan struct{} // closed when the client has its outcome
	done   chan struct{} // closed when the answers are given and the stream is as it must be
}

func (run *entityRun) fault(err error) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if err != nil && run.wrong == nil {
		run.wrong = err
	}
}

func (run *entityRun) fail() error {
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.wrong
}

// opened keeps a stream to be ended with the conversation; false when that is over.
func (run *entityRun) opened(s *inward) bool {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.open[s] = true
	return !run.over
}

func (run *entityRun) closed(s *inward) {
	run.mu.Lock()
	defer run.mu.Unlock()
	delete(run.open, s)
}

// finish ends the streams that are left.
func (run *entityRun) finish() {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.over = true
	for s := range run.open {
		_ = s.body.Close() // which ends the handler's wait for the next message
	}
}

// take returns the call that a command of this payload belongs to, once.
func (run *entityRun) take(payload []byte) *entityCall {
	run.mu.Lock()
	defer run.mu.Unlock()
	call := run.call
	if call == nil || !bytes.Equal(call.payload, payload) {
		return nil
	}
	run.call = nil
	return call
}

// entityInward is the stream of an instance.
type entityInward struct {
	*inward
	kind     Kind
	run      *entityRun // nil: no conversation is about it
	entity   string
	last     int64 // sequence number of the last event that came
	commands int64
}

func (f *function) serveEntity(s *inward, kind Kind) {
	raw, err := s.read()
	if err != nil {
		s.over(err)
		return
	}
	e := &entityInward{inward: s, kind: kind}
	init := readInit(kind, raw)
	f.mu.Lock()
	e.run, e.entity = f.entities[entityKey{init.service, init.entity}], init.entity
	f.mu.Unlock()
	if e.run != nil {
		if !e.run.opened(s) {
			s.end(OK)
			return
		}
		defer e.run.closed(s)
		e.begin(init)
	}
	for {
		raw, err := s.read()
		if err != nil {
			s.over(err)
			return
		}
		event, command := readIn(kind, raw)
		switch {
		case event != nil:
			e.event(event)
		case command != nil:
			e.commands++
			if !e.command(command) {
				return
			}
		default:
			e.fault(broken("ES-04 VE-04", "the proxy sent what is neither event nor command: %s", hexOf(raw)))
		}
	}
}

// over ends the handler of a call that the proxy has ended, or whose conversation is over.
func (s *inward) over(err error) {
	if errors.Is(err, io.EOF) || s.ctx.Err() == nil {
		s.end(OK)
	}
}

func (e *entityInward) fault(err error) {
	if e.run != nil {
		e.run.fault(err)
	}
}

func readInit(kind Kind, raw []byte) incoming {
	in, _ := (&entityOracle{kind: kind}).read(raw)
	return in
}

func readIn(kind Kind, raw []byte) (*eventsourced.EventSourcedEvent, *cloudstate.Command) {
	in, _ := (&entityOracle{kind: kind}).read(raw)
	return in.event, in.command
}

func (e *entityInward) begin(init incoming) {
	e.run.mu.Lock()
	e.run.streams++
	var err error
	if e.kind == EventSourced {
		e.last = init.es.GetSnapshot().GetSnapshotSequence()
		err = e.run.oracle.snapshotted(init.es.GetSnapshot())
	} else {
		err = e.run.oracle.restored(init.ve.GetState())
	}
	e.run.mu.Unlock()
	e.fault(err)
}

func (e *entityInward) event(event *eventsourced.EventSourcedEvent) {
	if e.run == nil {
		return
	}
	if e.commands > 0 {
		e.fault(broken("ES-09", "an event came after a command"))
	}
	e.run.mu.Lock()
	err := e.run.oracle.replayed(e.last, event)
	e.run.mu.Unlock()
	e.last = event.GetSequence()
	e.fault(err)
}

// command answers a command; false when the stream is over.
func (e *entityInward) command(command *cloudstate.Command) bool {
	if e.run == nil {
		e.write(mutated(emptyAnswer(e.kind, command.GetId()), nil), "")
		return true
	}
	e.check(command)
	call := e.run.take(command.GetPayload().GetValue())
	if call == nil {
		e.write(mutated(emptyAnswer(e.kind, command.GetId()), nil), "")
		return true
	}
	return e.answer(call, command.GetId())
}

func (e *entityInward) check(command *cloudstate.Command) {
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	var err error
	switch o := &e.run.oracle; {
	case command.GetId() != e.commands:
		err = broken(o.text("ES-14 ES-15", "VE-09"), "the command with the id %d is number %d of its stream", command.GetId(), e.commands)
	case command.GetEntityId() != e.entity:
		err = broken(o.text("ES-16", "VE-32"), "a command for %q on the stream of %q", command.GetEntityId(), e.entity)
	case e.commands == 1 && e.kind == EventSourced && !o.unsure && e.last != int64(len(o.events)):
		err = broken("ES-06 ES-20", "the replay ended at %d; %d events are stored", e.last, len(o.events))
	}
	if err != nil && e.run.wrong == nil {
		e.run.wrong = err
	}
}

// answer does what the call's step says; false when the stream is over.
func (e *entityInward) answer(call *entityCall, id int64) bool {
	defer close(call.done)
	call.id = id
	close(call.came)
	if call.cancel {
		select {
		case <-call.gone:
		case <-e.ctx.Done():
		}
	}
	for _, a := range call.answers {
		if a.End != "" {
			return e.finish(call, a.End)
		}
		if a.Send == nil {
			continue
		}
		m := &Message{Body: withCommand(a.Send.Body, id), Mutations: a.Send.Mutations}
		raw := m.bytesFor(call.entity)
		e.run.mu.Lock()
		if a.Prefix != "" {
			e.run.oracle.garbled(&call.exchange, a.Prefix)
		} else {
			e.run.oracle.answered(&call.exchange, raw)
		}
		e.run.mu.Unlock()
		e.write(raw, a.Prefix)
		if a.Prefix != "" {
			return e.finish(call, OK)
		}
	}
	switch {
	case call.fate == ended:
		return e.awaitEnd()
	case !call.decided:
		return e.finish(call, OK)
	case call.fate == unclear:
		return e.finish(call, Reset)
	}
	return true
}

// finish ends the stream from this side.
func (e *entityInward) finish(call *entityCall, how End) bool {
	e.run.mu.Lock()
	e.run.oracle.ended(&call.exchange)
	e.run.mu.Unlock()
	e.end(how)
	return false
}

// awaitEnd waits until the proxy has ended the stream. The commands that it sends before, for side effects, are left alone.
func (e *entityInward) awaitEnd() bool {
	for {
		more, err := e.read()
		if err != nil {
			e.over(err)
			return false
		}
		if _, command := readIn(e.kind, more); command == nil {
			e.fault(broken("", "a stream that must end goes on with %s", hexOf(more)))
		}
	}
}
