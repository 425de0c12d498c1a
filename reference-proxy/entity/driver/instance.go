package driver

import (
	"context"
	"sync"
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
	touched  time.Time // when something last moved: sent, replayed, answered
	finished bool      // retired, and out of the table
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

// submit gives the machine a command; false when the instance has ended.
func (in *instance) submit(cmd *entity.Command) bool {
	in.mu.Lock()
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
}

// drive carries the machine's instructions out until there are none. It is called
// with the lock held, releases it while it does I/O, and returns with it released.
// Only one goroutine drives at a time, so instructions keep their order.
func (in *instance) drive() {
	if in.driving {
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
	}
	in.driving = false
	in.mu.Unlock()
}

// carryOut does one instruction, without the lock.
func (in *instance) carryOut(i *entity.Instruction) {
	switch i.Op {
	case entity.OpActivate:
		in.activate()
	case entity.OpSend:
		in.send(i.Message)
	case entity.OpWrite:
		in.write(i)
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
	s := in.stream
	in.touched = time.Now()
	in.mu.Unlock()
	// A failure to send is not handled here: the receiver sees why the stream ended.
	_ = s.Send(msg)
}

func (in *instance) write(i *entity.Instruction) {
	ctx, cancel := context.WithTimeout(context.Background(), in.host.cfg.CommandTimeout)
	defer cancel()
	position, err := in.typ.kind.write(ctx, in.host.store, in.fence, in.id, i.Position, i.Write)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.touched = time.Now()
	if err != nil {
		in.storeFailed(err)
		in.machine.WriteFailed(storeFault(err, in.typ.kind.protocol().Texts().Write), "")
		return
	}
	in.machine.Written(position)
}

func (in *instance) snapshot(i *entity.Instruction) {
	ctx, cancel := context.WithTimeout(context.Background(), in.host.cfg.CommandTimeout)
	defer cancel()
	s := journal.Snapshot{Seq: i.Position, Payload: i.Snapshot}
	if err := in.host.store.SaveSnapshot(ctx, in.fence, in.id, s); err != nil {
		in.host.log.Warn("a snapshot was not stored; the events that it covers are, so only the next replay is longer",
			"service", in.typ.Service, "entity", in.id.Key, "sequence", i.Position, "error", err)
	}
}

func (in *instance) storeFailed(err error) {
	if fenced(err) {
		in.host.owner.Lost(in.fence)
	}
	in.host.log.Error("the store failed; the instance is dropped and the next command loads it anew",
		"service", in.typ.Service, "entity", in.id.Key, "error", err)
}

// violation tells the user function, and the log, what it did wrong (ES-43).
func (in *instance) violation(detail string) {
	in.host.log.Warn("an entity stream failed", "service", in.typ.Service, "entity", in.id.Key, "detail", detail)
	in.host.report("entity [" + in.id.Key + "] of service [" + in.typ.Service + "]: the user function " + detail)
}

// retire takes the instance out of the table. Its stream may still be closing.
func (in *instance) retire() {
	in.mu.Lock()
	in.finished = true
	in.timer.Stop()
	in.mu.Unlock()
	in.host.forget(in)
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
	}
	in.timer.Reset(next)
	in.drive()
}
