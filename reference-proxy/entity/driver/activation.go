package driver

import (
	"context"
	"errors"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// activation is the stream of one activation, from init to its end. A restart
// replaces it by a new one; what the old one still brings is then ignored (GAP-41).
type activation struct {
	Stream
	ctx    context.Context
	cancel context.CancelFunc
}

// activate starts the goroutine that loads, replays and then receives.
func (in *instance) activate() {
	ctx, cancel := context.WithCancel(context.Background())
	a := &activation{ctx: ctx, cancel: cancel}
	in.mu.Lock()
	if in.stream != nil {
		in.host.ended.Add(1) // the old one is still closing
	}
	in.stream = a
	in.touched = time.Now()
	in.mu.Unlock()
	go in.run(a)
}

func (in *instance) run(a *activation) {
	defer in.host.ended.Done()
	defer a.cancel()
	position, memory, fault, detail := in.load(a)
	in.mu.Lock()
	if in.stream != a || in.machine.Ended() {
		in.mu.Unlock()
		return
	}
	in.touched = time.Now()
	if fault != nil {
		in.machine.ActivationFailed(fault, detail)
		in.drive()
		return
	}
	in.memory = memory
	in.machine.Activated(position)
	in.drive()
	in.receive(a)
}

// load brings the user function up to date: under a fence it reads the state, opens the
// stream, sends init and replays, and then adopts what it read.
func (in *instance) load(a *activation) (position uint64, memory recollection, fault *entity.Fault, detail string) {
	texts := in.typ.kind.protocol().Texts()
	storeFailed := func(err error) (uint64, recollection, *entity.Fault, string) {
		in.storeFailed(err)
		return 0, recollection{}, in.loadFault(err, texts.Load), ""
	}
	if err := in.succeed(a.ctx); err != nil {
		return 0, recollection{}, again(textTakenOver), ""
	}
	fence, err := in.host.owner.Fence(a.ctx, in.id)
	if err != nil {
		return storeFailed(err)
	}
	in.mu.Lock()
	in.fence = fence
	in.mu.Unlock()

	position, memory, err = in.catchUp(a, fence)
	if errors.Is(err, journal.ErrConflict) || errors.Is(err, journal.ErrPruned) {
		// What was read has changed since, although the shard is ours: a write of an earlier owner, or one of ours that
		// was given up, took effect in between. Now that the store was told, it happens no more.
		if a.Stream != nil {
			a.Stream.Cancel()
		}
		if position, memory, err = in.catchUp(a, fence); errors.Is(err, journal.ErrPruned) {
			err = &journal.CorruptError{ID: in.id, What: "events were removed, and no snapshot stands for them", Cause: err}
		}
	}
	var refused *openError
	var broken *sendError
	switch {
	case err == nil:
		in.host.quarantine.healed(in.id)
		return position, memory, nil, ""
	case errors.As(err, &refused):
		return 0, recollection{}, openFault(refused.err), ""
	case errors.As(err, &broken):
		class, detail := streamEnd(a)
		return 0, recollection{}, &entity.Fault{Class: class, Text: texts.Termination}, detail
	default:
		return storeFailed(err)
	}
}

// catchUp opens a stream, replays what is stored, and adopts it.
func (in *instance) catchUp(a *activation, fence journal.Fence) (position uint64, memory recollection, err error) {
	open := func(first []byte) error {
		ctx, cancel := context.WithTimeout(a.ctx, in.host.cfg.CommandTimeout)
		defer cancel()
		s, err := in.host.streams.EntityStream(ctx, in.typ.kind.method())
		if err != nil {
			return &openError{err}
		}
		a.Stream = s
		context.AfterFunc(a.ctx, s.Cancel)
		return in.replay(a, first)
	}
	events := uint64(0)
	position, memory, err = in.typ.kind.load(a.ctx, in.host.store, in.typ.Service, in.id, in.host.cfg.Replay, open, func(msg []byte) error {
		events++
		return in.replay(a, msg)
	})
	if err != nil {
		return 0, memory, err
	}
	if err := in.typ.kind.adopt(a.ctx, in.host.store, fence, in.id, position); err != nil {
		return 0, memory, err
	}
	if in.host.cfg.Replayed != nil && in.typ.kind == kind(eventSourced{}) {
		in.host.cfg.Replayed(events)
	}
	return position, memory, nil
}

// replay sends one message of the replay; it waits for the user function to read
// (GAP-39), and while that goes on the instance counts as moving.
func (in *instance) replay(a *activation, msg []byte) error {
	if err := a.Send(msg); err != nil {
		return &sendError{err}
	}
	now := time.Now()
	in.mu.Lock()
	in.touched = now
	in.mu.Unlock()
	return nil
}

// receive hands the user function's messages to the machine until the stream ends.
func (in *instance) receive(a *activation) {
	for {
		msg, err := a.Recv()
		in.mu.Lock()
		if in.stream != a || in.machine.Ended() {
			in.mu.Unlock()
			if err != nil {
				return
			}
			continue // late output of a stream that is closing
		}
		in.touched = time.Now()
		if err != nil {
			class, detail := classify(err)
			in.machine.StreamEnded(class, detail)
			in.drive()
			return
		}
		in.machine.Received(msg)
		in.drive()
	}
}

// closeStream half-closes the current stream. Its receiver waits for the user
// function to complete it, but not for ever.
func (in *instance) closeStream() {
	in.mu.Lock()
	a := in.stream
	in.mu.Unlock()
	_ = a.CloseSend()
	stop := time.AfterFunc(in.host.cfg.PassivationGrace, a.cancel)
	context.AfterFunc(a.ctx, func() { stop.Stop() })
}

// openError: no stream could be opened; nothing was sent.
type openError struct{ err error }

func (e *openError) Error() string { return "opening the entity stream: " + e.err.Error() }
func (e *openError) Unwrap() error { return e.err }

// sendError: the stream broke while the replay was sent.
type sendError struct{ err error }

func (e *sendError) Error() string { return "sending the replay: " + e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// streamEnd asks a stream that could not be sent to why it ended.
func streamEnd(a *activation) (entity.FaultClass, string) {
	for {
		if _, err := a.Recv(); err != nil {
			return classify(err)
		}
	}
}
