package driver

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// instance is one activation of one entity.
type instance struct {
	host *Host
	typ  *Type
	id   journal.EntityID

	mu       sync.Mutex
	machine  *entity.Machine
	spare    []entity.Instruction
	driving  bool // some goroutine is carrying instructions out
	stream   *activation
	fence    journal.Fence
	timer    *time.Timer
	touched  time.Time     // when something last moved: sent, replayed, answered
	sending  time.Time     // since when a command is being sent, which may hang; zero when none is
	finished bool          // retired, and out of the table
	gone     chan struct{} // if somebody waits for that: closed then

	// before is the entity's instance of a type that this one's type replaced, until that has ended.
	before atomic.Pointer[instance]

	memory  recollection // of keyed commands; whoever drives has it, and the activation before anybody does
	pruning atomic.Bool  // a removal of events is under way
	unnoted uint64       // who prunes: no event of the window up to here has a note
}

func newInstance(h *Host, t *Type, id string) *instance {
	in := &instance{
		host:    h,
		typ:     t,
		id:      journal.EntityID{Namespace: t.PersistenceID, Key: id},
		machine: entity.NewMachine(t.kind.protocol(), id, h.cfg.MaxQueued),
		touched: time.Now(),
	}
	in.timer = time.AfterFunc(in.tickEvery(), in.tick)
	return in
}

// submit gives the machine a command; false when the instance has ended, as it does when
// it rests and somebody else may have changed the entity since.
func (in *instance) submit(cmd *entity.Command) bool {
	in.mu.Lock()
	if in.machine.Idle() && !in.host.owner.Held(in.fence) {
		in.machine.Disowned(nil)
		in.drive()
		return false
	}
	if in.machine.Ended() {
		in.mu.Unlock()
		return false
	}
	in.machine.Submit(cmd)
	in.drive()
	return true
}

func (in *instance) abandon(cmd *entity.Command) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.machine.Abandon(cmd)
}

func (in *instance) drain() {
	in.mu.Lock()
	in.machine.Drain()
	in.drive()
}

// kill ends the instance without waiting for the user function.
func (in *instance) kill() {
	in.mu.Lock()
	if s := in.stream; s != nil {
		s.cancel()
	}
	in.mu.Unlock()
	if before := in.before.Load(); before != nil {
		before.kill()
	}
}

// unblock ends the stream if the driver is sending on it: while the user function does not
// read, nothing else gets the driver out of that. It is called with the lock held.
func (in *instance) unblock() {
	if !in.sending.IsZero() {
		in.stream.cancel()
	}
}

// cutOff is unblock for who does not have the lock.
func (in *instance) cutOff() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.unblock()
}

// succeed waits until no other instance of the entity is left.
func (in *instance) succeed(ctx context.Context) error {
	before := in.before.Load()
	if before == nil {
		return nil
	}
	select {
	case <-before.ending():
		in.before.Store(nil)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ending is closed when the instance is retired: nothing is written by it any more, and the
// table has forgotten it.
func (in *instance) ending() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.gone == nil {
		in.gone = make(chan struct{})
		if in.finished {
			close(in.gone)
		}
	}
	return in.gone
}

// drive carries the machine's instructions out until there are none. It is called
// with the lock held, releases it while it does I/O, and returns with it released.
// Only one goroutine drives at a time, so instructions keep their order. OpAbort alone
// cannot wait for its turn when that goroutine is sending.
func (in *instance) drive() {
	if in.driving {
		if in.machine.Ended() {
			in.unblock()
		}
		in.mu.Unlock()
		return
	}
	in.driving = true
	for {
		todo := in.machine.Take(in.spare)
		in.spare = todo
		if len(todo) == 0 {
			break
		}
		in.mu.Unlock()
		for i := range todo {
			in.carryOut(&todo[i])
		}
		in.mu.Lock()
		in.sending = time.Time{}
	}
	in.driving = false
	in.mu.Unlock()
}

// carryOut does one instruction, without the lock.
func (in *instance) carryOut(i *entity.Instruction) {
	switch i.Op {
	case entity.OpActivate:
		in.activate()
	case entity.OpRecall:
		in.recall(i)
	case entity.OpSend:
		in.send(i.Message)
	case entity.OpWrite:
		in.write(i)
	case entity.OpConfirm:
		in.confirm()
	case entity.OpSnapshot:
		in.snapshot(i)
	case entity.OpSettle:
		i.Command.Done <- i.Outcome
	case entity.OpCloseStream:
		in.closeStream()
	case entity.OpAbort:
		in.kill()
	case entity.OpReport:
		in.violation(i.Text)
	case entity.OpRetire:
		in.retire()
	}
}

func (in *instance) send(msg []byte) {
	in.mu.Lock()
	if in.machine.Ended() {
		in.mu.Unlock()
		return // its turn never came: it was given up behind something slow
	}
	s := in.stream
	in.touched = time.Now()
	in.sending = in.touched
	in.mu.Unlock()
	// A failure to send is not handled here: the receiver sees why the stream ended.
	_ = s.Send(msg)
}

func (in *instance) write(i *entity.Instruction) {
	ctx, cancel := context.WithTimeout(context.Background(), in.host.cfg.CommandTimeout)
	defer cancel()
	position, err := in.typ.kind.write(ctx, in, i)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.touched = time.Now()
	if err != nil {
		in.storeFailed(err)
		in.machine.WriteFailed(in.writeFault(err, in.typ.kind.protocol().Texts().Write), "")
		return
	}
	in.machine.Written(position)
}

// confirm makes sure that an answer without a write is not out of date. As a rule that
// takes no time. When the node could not keep its lease it waits for the next try: if
// the fence is the same then, nobody was faster.
func (in *instance) confirm() {
	err := error(nil)
	if !in.host.owner.Held(in.fence) {
		err = in.reconfirm()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.storeFailed(err)
		in.machine.Disowned(again(textUnconfirmed))
		return
	}
	in.machine.Confirmed()
}

func (in *instance) reconfirm() error {
	ctx, cancel := context.WithTimeout(context.Background(), in.host.cfg.CommandTimeout)
	defer cancel()
	now, err := in.host.owner.Fence(ctx, in.id)
	if err == nil && now != in.fence {
		err = errTakenOver
	}
	return err
}

var errTakenOver = errors.New("the shard had to be claimed again")

func (in *instance) snapshot(i *entity.Instruction) {
	ctx, cancel := context.WithTimeout(context.Background(), in.host.cfg.CommandTimeout)
	defer cancel()
	s := journal.Snapshot{Seq: i.Position, Payload: i.Snapshot}
	if err := in.host.store.SaveSnapshot(ctx, in.fence, in.id, s); err != nil {
		if !in.host.tells(err) {
			return
		}
		in.host.log.Warn("a snapshot was not stored; the events that it covers are, so only the next replay is longer",
			"service", in.typ.Service, "entity", in.id.Key, "sequence", i.Position, "error", err)
		return
	}
	if in.host.cfg.PruneEvents && in.pruning.CompareAndSwap(false, true) {
		in.host.ended.Add(1)
		go in.prune(in.fence, i.Position)
	}
}

// prune removes the events that a snapshot covers, beside the commands. When one is
// still under way, the next snapshot's covers its events too.
func (in *instance) prune(f journal.Fence, through uint64) {
	defer in.host.ended.Done()
	defer in.pruning.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), in.host.cfg.CommandTimeout)
	defer cancel()
	through, err := in.prunable(ctx, through)
	if err == nil && through > 0 {
		err = in.host.store.Prune(ctx, f, in.id, through)
	}
	if err != nil {
		in.host.log.Warn("the events that a snapshot covers were not removed; the next snapshot's removal covers them",
			"service", in.typ.Service, "entity", in.id.Key, "sequence", through, "error", err)
	}
}

func (in *instance) storeFailed(err error) {
	if errors.Is(err, journal.ErrFenced) {
		in.host.owner.Lost(in.fence)
	}
	if damaged(err) {
		in.host.quarantine.met(in.typ.Service, in.id, err)
		return
	}
	if !in.host.tells(err) {
		return
	}
	leftOut := 0
	if !lasting(err) {
		n, admitted := in.host.complaints.admit(time.Now())
		if !admitted {
			return
		}
		leftOut = n
	}
	level := slog.LevelError
	if errors.Is(err, journal.ErrHeld) || errors.Is(err, journal.ErrFenced) || errors.Is(err, errTakenOver) {
		level = slog.LevelInfo // nothing is wrong: another node has the entity
	}
	in.host.log.Log(context.Background(), level, "the store failed or refused; the instance is dropped and the next command loads it anew",
		"service", in.typ.Service, "entity", in.id.Key, "error", err, "left_out", leftOut)
}

// fullEvery is how often it is logged that the store is full: every write is refused then, and the log may
// be on the same disk.
const fullEvery = 10 * time.Second

// tells says whether a failure of the store is worth a line in the log.
func (h *Host) tells(err error) bool {
	if !errors.Is(err, journal.ErrFull) {
		return true
	}
	now, told := time.Now().UnixNano(), h.fullTold.Load()
	return now-told >= int64(fullEvery) && h.fullTold.CompareAndSwap(told, now)
}

// violation tells the user function, and the log, what it did wrong (ES-43).
func (in *instance) violation(detail string) {
	in.host.log.Warn("an entity stream failed", "service", in.typ.Service, "entity", in.id.Key, "detail", detail)
	in.host.report("entity [" + in.id.Key + "] of service [" + in.typ.Service + "]: the user function " + detail)
}

// retire takes the instance out of the table. Its stream may still be closing.
func (in *instance) retire() {
	in.host.forget(in)
	in.mu.Lock()
	in.finished = true
	in.timer.Stop()
	if in.gone != nil {
		close(in.gone)
	}
	in.mu.Unlock()
}

func (in *instance) tickEvery() time.Duration {
	return min(in.typ.passivation(&in.host.cfg), in.host.cfg.CommandTimeout)
}

// tick looks whether the instance is due for passivation, or its user function for
// an answer. The timer is not touched on a command's way: it runs at least as often
// as the shorter of the two time-outs, and again exactly when one is due.
func (in *instance) tick() {
	in.mu.Lock()
	if in.finished {
		in.mu.Unlock()
		return
	}
	still := time.Since(in.touched)
	next := in.tickEvery()
	switch cfg := &in.host.cfg; {
	case in.driving && in.sending.IsZero():
		// What is being carried out has a time limit of its own. A command may be among it that the machine
		// counts as sent: its time begins when it is.
	case in.machine.Awaiting():
		if still >= cfg.CommandTimeout {
			in.machine.TimedOut(cfg.CommandTimeout.String())
		} else {
			next = min(next, cfg.CommandTimeout-still)
		}
	case in.machine.Idle():
		if timeout := in.typ.passivation(cfg); still >= timeout {
			in.machine.Passivate()
		} else {
			next = min(next, timeout-still)
		}
	case !in.sending.IsZero(): // answered before it is read
		if since := time.Since(in.sending); since >= cfg.CommandTimeout {
			in.unblock()
		} else {
			next = min(next, cfg.CommandTimeout-since)
		}
	}
	in.timer.Reset(next)
	in.drive()
}
