package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Quarantined is an entity that is refused, as what is stored of it is damaged.
type Quarantined struct {
	Service string
	ID      journal.EntityID
	// Reason says what was found, and where.
	Reason string
	// Since is when it was met first.
	Since time.Time
	// Tries is how often the entity was loaded in vain.
	Tries int
	// Next is from when on a command has it loaded again.
	Next time.Time
}

const (
	// quarantineFirst is how long an entity is refused before it is tried again, and
	// quarantineMost what that becomes, doubled each time in vain.
	quarantineFirst = 10 * time.Second
	quarantineMost  = 10 * time.Minute
	// quarantineRoom bounds the list. Entities beyond it are refused, too, but each command
	// finds out anew.
	quarantineRoom = 1000
	// reasonBytes bounds what is kept of a reason.
	reasonBytes = 1 << 10
)

// quarantine keeps the entities that are damaged.
type quarantine struct {
	log   *slog.Logger
	count atomic.Int64 // of held; so that nobody else pays
	mu    sync.Mutex
	held  map[journal.EntityID]*Quarantined
	told  time.Time // when it was logged last that there is no room
}

// refuses returns the fault for a command to an entity that is not to be loaded now.
func (q *quarantine) refuses(id journal.EntityID) *entity.Fault {
	if q.count.Load() == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if e := q.held[id]; e != nil && time.Now().Before(e.Next) {
		return damageFault(id)
	}
	return nil
}

// damageFault tells the caller which entity is damaged, and not where it is stored (SERV-56).
func damageFault(id journal.EntityID) *entity.Fault {
	return &entity.Fault{Class: entity.FaultDamaged, Text: fmt.Sprintf(
		"what is stored of %v is damaged; it is not served until that is mended", id)}
}

// met says that what is stored of the entity was found damaged.
func (q *quarantine) met(service string, id journal.EntityID, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if e := q.held[id]; e != nil {
		pause := quarantineMost
		if e.Tries < 16 {
			pause = min(quarantineMost, quarantineFirst<<e.Tries)
		}
		e.Tries++
		e.Next, e.Reason = now.Add(pause), reason(err)
		return
	}
	full := len(q.held) >= quarantineRoom
	switch {
	case full && now.Sub(q.told) < quarantineFirst:
		return // the log is not to fill either
	case full:
		q.told = now
	default:
		if q.held == nil {
			q.held = map[journal.EntityID]*Quarantined{}
		}
		q.held[id] = &Quarantined{Service: service, ID: id, Reason: reason(err), Since: now, Tries: 1, Next: now.Add(quarantineFirst)}
		q.count.Store(int64(len(q.held)))
	}
	q.log.LogAttrs(context.Background(), slog.LevelError,
		"what is stored of an entity is damaged: it is refused until that is mended; others go on. GET /quarantine lists all such, POST /quarantine/retry tries them now",
		slog.String("service", service), slog.String("persistence_id", journal.EscapeID(id.Namespace)), slog.String("entity", journal.EscapeID(id.Key)),
		slog.Any("error", err), slog.Bool("list_full", full))
}

func reason(err error) string {
	text := err.Error()
	if len(text) > reasonBytes {
		return text[:reasonBytes] + "…"
	}
	return text
}

// healed says that the entity was loaded.
func (q *quarantine) healed(id journal.EntityID) {
	if q.count.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.held[id]
	if e == nil {
		return
	}
	delete(q.held, id)
	q.count.Store(int64(len(q.held)))
	q.log.Info("an entity that was damaged is served again",
		"service", e.Service, "persistence_id", journal.EscapeID(id.Namespace), "entity", journal.EscapeID(id.Key), "after", time.Since(e.Since))
}

// Quarantined lists the entities that are refused, those first that have been for longest.
func (h *Host) Quarantined() []Quarantined {
	q := &h.quarantine
	q.mu.Lock()
	list := make([]Quarantined, 0, len(q.held))
	for _, e := range q.held {
		list = append(list, *e)
	}
	q.mu.Unlock()
	slices.SortFunc(list, func(a, b Quarantined) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID.Namespace, b.ID.Namespace), cmp.Compare(a.ID.Key, b.ID.Key))
	})
	return list
}

// Retry lets the next command load the entities for which which is true, and returns how many
// they are.
func (h *Host) Retry(which func(journal.EntityID) bool) int {
	q := &h.quarantine
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for id, e := range q.held {
		if which(id) {
			e.Next = time.Time{}
			n++
		}
	}
	return n
}

// damaged says whether err is about what is stored.
func damaged(err error) bool { return errors.Is(err, journal.ErrCorrupt) }
