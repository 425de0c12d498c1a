package driver

import (
	"context"
	"fmt"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/value"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Type is one entity type: what all its instances share.
type Type struct {
	// Service is the full name of the gRPC service.
	Service string
	// PersistenceID separates its instances' state from that of other types.
	PersistenceID string
	// Passivation is how long an instance may be idle; 0 means the host's default.
	Passivation time.Duration

	kind kind
	// first is the earliest of the types that replaced one another, itself if it replaced none. What they all store is
	// the same, so an entity has one instance at a time whichever of them it is of.
	first *Type
}

// EventSourced makes a type whose instances keep a journal.
func EventSourced(service, persistenceID string, passivation time.Duration) *Type {
	return newType(service, persistenceID, passivation, eventSourced{})
}

// Value makes a type whose instances keep one value.
func Value(service, persistenceID string, passivation time.Duration) *Type {
	return newType(service, persistenceID, passivation, valueEntity{})
}

func newType(service, persistenceID string, passivation time.Duration, k kind) *Type {
	t := &Type{Service: service, PersistenceID: persistenceID, Passivation: passivation, kind: k}
	t.first = t
	return t
}

// Successor makes the type that takes t's place when the user function serves the same state under another name, or with
// another time-out. An instance of t ends before one of the successor loads the entity.
func (t *Type) Successor(service string, passivation time.Duration) *Type {
	next := newType(service, t.PersistenceID, passivation, t.kind)
	next.first = t.first
	return next
}

func (t *Type) passivation(cfg *Config) time.Duration {
	if t.Passivation > 0 {
		return t.Passivation
	}
	return cfg.PassivationTimeout
}

// kind is where the durable entity kinds differ: how state is loaded and written.
type kind interface {
	protocol() entity.Protocol
	method() string
	// load reads the state, calls open with the init message once it is known, then
	// send for each further message, and returns the position reached and what the entity
	// remembers there.
	load(ctx context.Context, store journal.Store, service string, id journal.EntityID, chunk journal.Chunk,
		open, send func(msg []byte) error) (uint64, recollection, error)
	// adopt makes sure that what was loaded is all there is, and stays so until it is
	// written under f.
	adopt(ctx context.Context, store journal.Store, f journal.Fence, id journal.EntityID, position uint64) error
	// write makes what i asks for durable, and returns the position reached. It updates the
	// instance's memory.
	write(ctx context.Context, in *instance, i *entity.Instruction) (uint64, error)
	// recall returns what the entity, which is at position, remembers of key; nil if nothing.
	recall(ctx context.Context, in *instance, position uint64, key string) (*entity.Remembered, error)
}

type eventSourced struct{}

func (eventSourced) protocol() entity.Protocol { return eventsourced.Protocol{} }
func (eventSourced) method() string            { return eventsourced.Method }

// load sends the latest snapshot in init and then every later event (ES-05, ES-06).
func (eventSourced) load(ctx context.Context, store journal.Store, service string, id journal.EntityID, chunk journal.Chunk,
	open, send func([]byte) error,
) (uint64, recollection, error) {
	snapshot, found, err := store.LatestSnapshot(ctx, id)
	if err != nil {
		return 0, recollection{}, err
	}
	if !found {
		snapshot = journal.Snapshot{}
	} else if snapshot.Payload == nil {
		snapshot.Payload = []byte{}
	}
	// The first read comes before the stream is opened: an entity that cannot be read
	// does not disturb the user function (VE-23).
	seq := snapshot.Seq
	recs, more, err := store.Read(ctx, id, seq, chunk)
	if err != nil {
		return 0, recollection{}, err
	}
	if err := open(eventsourced.Init(service, id.Key, snapshot.Payload, snapshot.Seq)); err != nil {
		return 0, recollection{}, err
	}
	for {
		for _, r := range recs {
			if err := send(eventsourced.Event(r.Seq, r.Payload)); err != nil {
				return 0, recollection{}, err
			}
			seq = r.Seq
		}
		if !more {
			return seq, recollection{}, nil
		}
		if recs, more, err = store.Read(ctx, id, seq, chunk); err != nil {
			return 0, recollection{}, err
		}
	}
}

func (eventSourced) adopt(ctx context.Context, store journal.Store, f journal.Fence, id journal.EntityID, position uint64) error {
	return store.Adopt(ctx, f, id, position)
}

func (eventSourced) write(ctx context.Context, in *instance, i *entity.Instruction) (uint64, error) {
	events := make([]journal.Entry, len(i.Write.Events))
	for n, e := range i.Write.Events {
		events[n].Payload = e
	}
	if i.Remember != nil {
		events[len(events)-1].Note = entity.EncodeNote(*i.Remember)
	}
	if err := in.host.store.Append(ctx, in.fence, in.id, i.Position, events); err != nil {
		return 0, err
	}
	position := i.Position + uint64(len(events))
	if x := in.memory.events; x != nil {
		x.Wrote(i.Position, position, i.Remember)
	}
	return position, nil
}

type valueEntity struct{}

func (valueEntity) protocol() entity.Protocol { return value.Protocol{} }
func (valueEntity) method() string            { return value.Method }

func (valueEntity) load(ctx context.Context, store journal.Store, service string, id journal.EntityID, _ journal.Chunk,
	open, _ func([]byte) error,
) (uint64, recollection, error) {
	v, err := store.GetValue(ctx, id)
	if err != nil {
		return 0, recollection{}, err
	}
	var payload []byte
	if v.Found {
		if payload = v.Payload; payload == nil {
			payload = []byte{}
		}
	}
	return v.Version, recollection{note: v.Note}, open(value.Init(service, id.Key, payload))
}

func (valueEntity) adopt(ctx context.Context, store journal.Store, f journal.Fence, id journal.EntityID, position uint64) error {
	return store.AdoptValue(ctx, f, id, position)
}

func (valueEntity) write(ctx context.Context, in *instance, i *entity.Instruction) (uint64, error) {
	if i.Write.Op == entity.WriteDelete {
		err := in.host.store.DeleteValue(ctx, in.fence, in.id, i.Position)
		in.memory.note = nil
		return 0, err
	}
	e := journal.Entry{Payload: i.Write.Value}
	if len(in.memory.note) > 0 || i.Remember != nil {
		var err error
		if e.Note, err = entity.NextNote(in.memory.note, i.Remember, i.Position+1, in.host.cfg.IdempotencyWindow); err != nil {
			return 0, fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
		}
	}
	version, err := in.host.store.PutValue(ctx, in.fence, in.id, i.Position, e)
	in.memory.note = e.Note
	return version, err
}
