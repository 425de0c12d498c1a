package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Target is the side of a store that an import works with.
type Target interface {
	journal.Journal
	journal.Snapshots
	journal.Values
}

// Owner gives the right to write entities, as it gives it to a proxy.
type Owner interface {
	// Fence returns a fence of the entity's shard, claiming the shard if need be; journal.ErrHeld if
	// somebody else has it who is alive.
	Fence(ctx context.Context, id journal.EntityID) (journal.Fence, error)
}

// Imported says what became of the entities of a stream.
type Imported struct {
	// Read is all that the stream had; Damaged ones were so when it was written, and are not in it.
	Read Counts
	// Written entities are new in the store, or were completed; Present ones were there already, with the same content.
	Written, Present uint64
	// Refused ones are not there as they are in the stream: others are there under their names, or another node owns them.
	Refused uint64
}

// ErrDiffers says that an entity is in the store already, and with other content.
var ErrDiffers = errors.New("archive: the store has something else")

// RefusedError says why an entity was refused: ErrDiffers, journal.ErrHeld or another error of the store
// that is about this entity.
type RefusedError struct {
	ID  journal.EntityID
	Err error
	// Begun says that part of it may have been written before: what was there stays, but with events behind it, or a
	// snapshot, that are the stream's. Otherwise the entity is as it was.
	Begun bool
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s: %v", e.ID, e.Err) }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

const (
	// importers is how many entities are written at a time.
	importers = 16
	// batchItems and batchBytes bound what is handed over, and written, at once.
	batchItems = 1000
	batchBytes = 1 << 20
	// waitingBatches is how many batches may wait for one entity's importer.
	waitingBatches = 2
)

// Import writes the entities of a stream into a store. What is there already with the same content is passed over, so an
// import that was cut off can be begun again. Entities that it may not write are told to refused, by one goroutine at a
// time; events and values that are there stay as they are. Any other error ends it: of the stream, or of the store. What
// came before the line that it names was in order, and may be imported.
func Import(ctx context.Context, r *Reader, to Target, owner Owner, refused func(*RefusedError)) (Imported, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := &importing{to: to, owner: owner, refused: refused, cancel: cancel, places: make(chan struct{}, importers),
		active: map[journal.EntityID]chan struct{}{}}
	err := m.read(ctx, r)
	m.under.Wait()
	m.done.Read = r.counts
	// What stopped an importer stopped the reading, too.
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return m.done, err
}

// Verify reads a stream to its end and says what it has, and, in Damaged, how many entities were left out when it was written.
func Verify(ctx context.Context, r *Reader) (Counts, error) {
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.counts, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return r.counts, err
		}
	}
}

// importing is an import under way: one goroutine reads, and each entity has one that writes.
type importing struct {
	to      Target
	owner   Owner
	refused func(*RefusedError)
	cancel  context.CancelCauseFunc
	places  chan struct{} // for the importers of entities
	under   sync.WaitGroup

	mu     sync.Mutex
	done   Imported
	active map[journal.EntityID]chan struct{} // closed at the end of the entity's importer
}

// batch is some lines of one entity.
type batch []Item

// read hands the lines of the stream to the importers of their entities.
func (m *importing) read(ctx context.Context, r *Reader) error {
	var lines chan batch // of the entity whose lines come now
	var next batch
	size := 0
	hand := func() error {
		if len(next) == 0 {
			return nil
		}
		select {
		case lines <- next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		next, size = nil, 0
		return nil
	}
	finish := func() error {
		if lines == nil {
			return nil
		}
		err := hand()
		close(lines)
		lines = nil
		return err
	}
	for {
		it, err := r.Next()
		if err == nil && (it.Entity != nil || it.End != nil) {
			err = finish()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			// What was read of the entity was in order, but is not whole: it is left for the next time.
			m.cancel(err)
			_ = finish() // it is cancelled
			return err
		case it.Header != nil, it.End != nil:
			continue
		case it.Entity != nil:
			if lines, err = m.begin(ctx, *it.Entity); err != nil {
				return err
			}
			continue
		}
		next = append(next, it)
		if size += sizeOf(it); len(next) >= batchItems || size >= batchBytes {
			if err := hand(); err != nil {
				_ = finish() // it is cancelled
				return err
			}
		}
	}
}

func sizeOf(it Item) int {
	switch {
	case it.Event != nil:
		return it.Event.Size()
	case it.Snapshot != nil:
		return len(it.Snapshot.Payload)
	case it.Value != nil:
		return it.Value.Size()
	}
	return 0
}

// begin starts the importer of an entity. One that comes twice has one at a time.
func (m *importing) begin(ctx context.Context, e Entity) (chan batch, error) {
	select {
	case m.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ended := make(chan struct{})
	m.mu.Lock()
	before := m.active[e.ID]
	m.active[e.ID] = ended
	m.mu.Unlock()
	lines := make(chan batch, waitingBatches)
	m.under.Go(func() {
		defer func() { <-m.places }()
		if before != nil {
			<-before
		}
		wrote, err := m.entity(ctx, e, lines)
		for range lines { // what is left of an entity that was refused
			continue
		}
		m.settle(e.ID, wrote, err)
		m.mu.Lock()
		if m.active[e.ID] == ended {
			delete(m.active, e.ID)
		}
		m.mu.Unlock()
		close(ended)
	})
	return lines, nil
}

// settle counts what became of an entity.
func (m *importing) settle(id journal.EntityID, wrote bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && wrote:
		m.done.Written++
	case err == nil:
		m.done.Present++
	case concernsOne(err):
		m.done.Refused++
		m.refused(&RefusedError{ID: id, Err: err, Begun: wrote})
	default:
		m.cancel(fmt.Errorf("%s: %w", id, err))
	}
}

// concernsOne tells errors that are about one entity from those of which the next would meet the same.
func concernsOne(err error) bool {
	for _, one := range []error{ErrDiffers, journal.ErrHeld, journal.ErrConflict, journal.ErrCorrupt, journal.ErrTooLarge} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// entity imports one entity from its lines.
func (m *importing) entity(ctx context.Context, e Entity, lines <-chan batch) (wrote bool, err error) {
	f, err := m.owner.Fence(ctx, e.ID)
	if err != nil {
		return false, err
	}
	in := &incoming{to: m.to, fence: f, Entity: e}
	if err := in.begin(ctx); err != nil {
		return in.wrote, err
	}
	for {
		select {
		case b, more := <-lines:
			if !more {
				// The stream may have ended in the middle of the entity.
				if err := context.Cause(ctx); err != nil {
					return in.wrote, err
				}
				return in.wrote, in.end(ctx)
			}
			for _, it := range b {
				if err := in.line(ctx, it); err != nil {
					return in.wrote, err
				}
			}
		case <-ctx.Done():
			return in.wrote, context.Cause(ctx)
		}
	}
}
