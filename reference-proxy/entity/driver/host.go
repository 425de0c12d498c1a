package driver

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Stream is one entity stream to the user function, of raw protocol messages. One
// goroutine may send while another receives.
type Stream interface {
	// Send sends a message; it blocks while the user function does not read.
	Send(msg []byte) error
	// Recv returns the next message, which the caller may keep, or io.EOF.
	Recv() ([]byte, error)
	// CloseSend half-closes: the user function sees the end of the commands.
	CloseSend() error
	// Cancel ends the stream at once. It may be called at any time, also twice.
	Cancel()
}

// Streams opens entity streams. It must wait no longer than ctx for a connection,
// and the stream must outlive ctx.
type Streams interface {
	EntityStream(ctx context.Context, method string) (Stream, error)
}

// Owner says under which fence this node writes an entity, and whether it may answer
// for it.
type Owner interface {
	// Fence returns a fence of the entity's shard that holds now, waiting for that and
	// claiming the shard if need be. It returns the same one again for as long as
	// nobody else can have written to the shard since.
	Fence(ctx context.Context, id journal.EntityID) (journal.Fence, error)
	// Held reports whether, at the time of the call, nobody else can have written to the
	// shard since f was got. It is on every command's way and must not block.
	Held(f journal.Fence) bool
	// Lost tells the owner that the store refused the fence.
	Lost(f journal.Fence)
}

// Config holds the limits of a [Host]; all are positive, but for the window.
type Config struct {
	// CommandTimeout bounds how long the user function may take for one command, and
	// how long a replay may stand still (LIM-06).
	CommandTimeout time.Duration
	// PassivationTimeout is for entity types that state none (DISC-30).
	PassivationTimeout time.Duration
	// PassivationGrace is how long the user function may take to complete a stream
	// that was half-closed; then it is cancelled (GAP-08).
	PassivationGrace time.Duration
	// MaxQueued is how many commands may wait for one instance.
	MaxQueued int
	// MaxInstances is how many instances may be active on this node.
	MaxInstances int
	// PruneEvents makes a host remove the events that a snapshot covers, once it is stored.
	PruneEvents bool
	// IdempotencyWindow is among how many of an entity's newest events, or of a value's newest versions, an
	// earlier try of a keyed command is looked for (IDEM-06, IDEM-08). 0 when there are no keyed commands.
	IdempotencyWindow int
	// Replay bounds what one read of the journal brings into memory.
	Replay journal.Chunk
	// Replayed, if set, is told of each event sourced instance that was brought up to date with how many
	// events that took, besides its snapshot. It must not block.
	Replayed func(events uint64)
}

// Host keeps every active instance of this node. Its methods may be called
// concurrently.
type Host struct {
	cfg     Config
	streams Streams
	store   journal.Store
	owner   Owner
	report  func(text string)
	log     *slog.Logger

	complaints complaints

	active   atomic.Int64
	draining atomic.Bool
	fullTold atomic.Int64 // when it was logged last that the store is full, in nanoseconds of Unix time
	ended    sync.WaitGroup
	shelves  [shelfCount]shelf

	quarantine quarantine
}

// The instance table is split, so that commands to different entities seldom meet
// at one lock.
const shelfCount = 64

type shelf struct {
	mu        sync.Mutex
	instances map[key]*instance
}

type key struct {
	entity *Type // the first of its line
	id     string
}

// NewHost makes a host. store may be nil when no durable entity type will be
// served. report passes a protocol violation on to the user function; it must not
// block.
func NewHost(cfg Config, streams Streams, store journal.Store, owner Owner, report func(string), log *slog.Logger) *Host {
	h := &Host{cfg: cfg, streams: streams, store: store, owner: owner, report: report, log: log}
	h.quarantine.log = log
	for i := range h.shelves {
		h.shelves[i].instances = make(map[key]*instance)
	}
	return h
}

// Active is the number of instances that are active now.
func (h *Host) Active() int { return int(h.active.Load()) }

// Pending is a command that was handed over and whose outcome is awaited.
type Pending struct {
	in  *instance
	cmd *entity.Command
}

// Submit gives cmd to the instance of type t with the given id, which is activated if
// it is not active. When it returns, the command has its place in the instance's
// queue, or its outcome is a fault already, or ctx ended before the instance that was there. The caller must Wait,
// for no longer than ctx.
func (h *Host) Submit(ctx context.Context, t *Type, id string, cmd *entity.Command) Pending {
	cmd.Done = make(chan entity.Outcome, 1)
	for {
		in, fault := h.instance(t, id)
		if fault != nil {
			cmd.Done <- entity.Outcome{Fault: fault}
			return Pending{nil, cmd}
		}
		if in.submit(cmd) {
			return Pending{in, cmd}
		}
		// It has ended, but may still have to write, or to tell callers.
		select {
		case <-in.ending():
		case <-ctx.Done():
			return Pending{nil, cmd}
		}
	}
}

// Wait gives the command's outcome. When ctx ends first: a command that was not sent
// yet is withdrawn; one that was sent completes at the user function, and late, if not
// nil, gets its outcome (SERV-39, SERV-40).
func (p Pending) Wait(ctx context.Context, late func(entity.Outcome)) (entity.Outcome, error) {
	select {
	case o := <-p.cmd.Done:
		return o, nil
	case <-ctx.Done():
		if p.in != nil && !p.in.abandon(p.cmd) && late != nil {
			go func() { late(<-p.cmd.Done) }()
		}
		return entity.Outcome{}, ctx.Err()
	}
}

func (h *Host) instance(t *Type, id string) (*instance, *entity.Fault) {
	in, fault := h.find(t, id)
	if in != nil {
		if before := in.before.Load(); before != nil {
			before.drain()
		}
	}
	return in, fault
}

// find takes the instance from the table, or puts it there.
func (h *Host) find(t *Type, id string) (*instance, *entity.Fault) {
	k := key{t.first, id}
	s := &h.shelves[hash(id)%shelfCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	present := s.instances[k]
	if present != nil && present.typ == t {
		return present, nil
	}
	if h.draining.Load() {
		return nil, &entity.Fault{Class: entity.FaultShutdown, Text: "the proxy is stopping"}
	}
	if fault := h.quarantine.refuses(journal.EntityID{Namespace: t.PersistenceID, Key: id}); fault != nil {
		return nil, fault
	}
	if n := h.active.Add(1); n > int64(h.cfg.MaxInstances) {
		h.active.Add(-1)
		return nil, &entity.Fault{Class: entity.FaultOverload, Text: fmt.Sprintf(
			"%d entity instances are active, which is the limit", h.cfg.MaxInstances)}
	}
	h.ended.Add(1)
	in := newInstance(h, t, id)
	in.before.Store(present)
	s.instances[k] = in
	return in, nil
}

// forget takes an instance out of the table; its commands, if any come, will find
// a new one.
func (h *Host) forget(in *instance) {
	s := &h.shelves[hash(in.id.Key)%shelfCount]
	s.mu.Lock()
	if k := (key{in.typ.first, in.id.Key}); s.instances[k] == in {
		delete(s.instances, k)
	}
	s.mu.Unlock()
	h.active.Add(-1)
}

// Drain lets every instance finish what it has and passivates it; new instances are
// refused from now on. It returns when all are gone, or when ctx ends: then their
// streams are cancelled and what was in flight fails (OPS-07).
func (h *Host) Drain(ctx context.Context) error {
	h.draining.Store(true)
	h.each((*instance).drain)
	done := make(chan struct{})
	go func() { h.ended.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		h.each((*instance).kill)
		<-done
		return fmt.Errorf("entity instances were cut off: %w", ctx.Err())
	}
}

// CutOff ends the streams on which a command is being sent at the moment, each of which keeps its caller in
// [Host.Submit] for as long as the user function does not read. It is for when the callers are cut off.
func (h *Host) CutOff() { h.each((*instance).cutOff) }

func (h *Host) each(do func(*instance)) {
	for i := range h.shelves {
		s := &h.shelves[i]
		s.mu.Lock()
		all := make([]*instance, 0, len(s.instances))
		for _, in := range s.instances {
			all = append(all, in)
		}
		s.mu.Unlock()
		for _, in := range all {
			do(in)
		}
	}
}

// hash is FNV-1a: it only spreads ids over the shelves.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
