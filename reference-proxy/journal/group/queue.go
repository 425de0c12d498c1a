package group

import (
	"container/list"
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Defaults of Options.
const (
	DefaultMaxItems   = 256
	DefaultMaxBytes   = 4 << 20
	DefaultMaxWaiting = 64 << 10
)

// Options of New; only Run is needed.
type Options[K comparable, T any] struct {
	// Run carries out a group: one or more items, no two of one key. It returns an error
	// for each item, in their order, or nil when all went well. It must return within
	// bounded time, and is called by as many goroutines at once as Running says.
	Run func(items []T) []error
	// Key tells which items must not be under way at the same time: those of the same
	// key. nil: any may.
	Key func(T) K
	// Size is an item's size in bytes; nil: 0.
	Size func(T) int
	// Observe, if set, is told how many items each group has, before it is carried out. It must not block.
	Observe func(items int)

	// Running is how many groups may be under way at once; 0: 1. With few, they fill.
	Running int
	// RunningFull is how many may be under way at once while as much waits as a group holds: to wait longer would not
	// make that group larger. At least Running; 0: Running.
	RunningFull int
	// Patience is how long a group counts as under way: one that takes longer holds up no others but those of its keys.
	// 0: until it ends.
	Patience time.Duration
	// MaxItems is the largest number of items of a group; 0: DefaultMaxItems.
	MaxItems int
	// MaxBytes is the largest sum of sizes of a group; 0: DefaultMaxBytes. An item that is
	// larger is carried out alone.
	MaxBytes int
	// MaxWaiting is how many items may wait for their group; 0: DefaultMaxWaiting.
	MaxWaiting int
}

// Queue collects items into groups. Make one with New. All methods may be called
// concurrently.
type Queue[K comparable, T any] struct {
	o Options[K, T]

	mu      sync.Mutex
	closed  bool
	running int
	filling bool           // a goroutine is about to share
	busy    map[K]struct{} // keys of items under way
	waiting list.List      // of *entry[K, T], in the order they came
	bytes   int            // the sum of their sizes
	idle    sync.WaitGroup // counts calls of Do past the gate
}

// entry is one call of Do.
type entry[K comparable, T any] struct {
	item T
	key  K
	size int
	at   *list.Element // nil once it started
	done chan error    // of capacity 1
}

// New returns an empty queue.
func New[K comparable, T any](o Options[K, T]) *Queue[K, T] {
	for _, d := range []struct {
		option *int
		value  int
	}{{&o.Running, 1}, {&o.MaxItems, DefaultMaxItems}, {&o.MaxBytes, DefaultMaxBytes}, {&o.MaxWaiting, DefaultMaxWaiting}} {
		if *d.option <= 0 {
			*d.option = d.value
		}
	}
	o.RunningFull = max(o.RunningFull, o.Running)
	return &Queue[K, T]{o: o, busy: map[K]struct{}{}}
}

// Do has item carried out and returns its outcome.
//
// An error of ctx means that ctx ended before the item's group started; then, and with
// ErrUnavailable (too many wait) and ErrClosed, the item was not carried out and will not be. Any
// other error is what Run returned for it.
func (q *Queue[K, T]) Do(ctx context.Context, item T) error {
	if err := ctx.Err(); err != nil {
		return notStarted(err)
	}
	e := &entry[K, T]{item: item, done: make(chan error, 1)}
	if q.o.Key != nil {
		e.key = q.o.Key(item)
	}
	if q.o.Size != nil {
		e.size = q.o.Size(item)
	}
	if err := q.add(e); err != nil {
		return err
	}
	defer q.idle.Done()
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		if q.withdraw(e) {
			return notStarted(ctx.Err())
		}
		return <-e.done
	}
}

func notStarted(cause error) error {
	return fmt.Errorf("journal: write not started: %w", cause)
}

func (q *Queue[K, T]) add(e *entry[K, T]) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return journal.ErrClosed
	}
	if q.waiting.Len() >= q.o.MaxWaiting {
		return fmt.Errorf("%w: %d writes wait already", journal.ErrUnavailable, q.waiting.Len())
	}
	q.idle.Add(1)
	e.at = q.waiting.PushBack(e)
	q.bytes += e.size
	if !q.filling {
		q.filling = true
		go q.fill()
	}
	return nil
}

// fill starts groups once everybody who was ready to run when the first item came has run: callers that a store's answer has set free together
// come together, and the first of them alone would take a place for a whole trip.
func (q *Queue[K, T]) fill() {
	runtime.Gosched()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.filling = false
	q.share()
}

// withdraw takes e back, if its group has not started.
func (q *Queue[K, T]) withdraw(e *entry[K, T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.at == nil {
		return false
	}
	q.remove(e)
	return true
}

// remove takes e off the queue. The lock must be held.
func (q *Queue[K, T]) remove(e *entry[K, T]) {
	q.waiting.Remove(e.at)
	q.bytes -= e.size
	e.at = nil
}

// next takes the next group off the queue and marks its keys busy; nil if nothing that
// waits may start. The lock must be held.
func (q *Queue[K, T]) next() (group []*entry[K, T]) {
	bytes := 0
	for at := q.waiting.Front(); at != nil && len(group) < q.o.MaxItems; {
		e, ok := at.Value.(*entry[K, T])
		if !ok {
			panic("group: the list holds what add did not put there") //nolint:forbidigo // invariant: add is the only one that puts
		}
		at = at.Next()
		if q.o.Key != nil {
			if _, busy := q.busy[e.key]; busy {
				continue
			}
		}
		if len(group) > 0 && bytes+e.size > q.o.MaxBytes {
			break // it is first in the next group: smaller ones must not pass it by for ever
		}
		bytes += e.size
		q.remove(e)
		if q.o.Key != nil {
			q.busy[e.key] = struct{}{}
		}
		group = append(group, e)
	}
	return group
}

// share starts groups as long as any may start. The lock must be held.
func (q *Queue[K, T]) share() {
	for q.running < q.o.Running || q.running < q.o.RunningFull && (q.waiting.Len() >= q.o.MaxItems || q.bytes >= q.o.MaxBytes) {
		group := q.next()
		if group == nil {
			return
		}
		go q.work(group, q.takePlace())
	}
}

// work carries out a group.
func (q *Queue[K, T]) work(group []*entry[K, T], p *place) {
	q.run(group)
	// Callers that were just answered often come back at once; they may run first, so that the
	// next group is not what a few of them bring.
	runtime.Gosched()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.o.Key != nil {
		for _, e := range group {
			delete(q.busy, e.key)
		}
	}
	q.leave(p)
	q.share()
}

// place is that of a group among those under way. It is guarded by the queue's lock.
type place struct {
	patience *time.Timer // nil: without end
	left     bool
}

// takePlace is called when a group starts. The lock must be held.
func (q *Queue[K, T]) takePlace() *place {
	q.running++
	p := &place{}
	if q.o.Patience > 0 {
		p.patience = time.AfterFunc(q.o.Patience, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.leave(p)
			q.share()
		})
	}
	return p
}

// leave gives a place up, once. The lock must be held.
func (q *Queue[K, T]) leave(p *place) {
	if p.left {
		return
	}
	p.left = true
	q.running--
	if p.patience != nil {
		p.patience.Stop()
	}
}

func (q *Queue[K, T]) run(group []*entry[K, T]) {
	items := make([]T, len(group))
	for i, e := range group {
		items[i] = e.item
	}
	if q.o.Observe != nil {
		q.o.Observe(len(items))
	}
	errs := q.o.Run(items)
	for i, e := range group {
		switch {
		case errs == nil:
			e.done <- nil
		case len(errs) == len(items):
			e.done <- errs[i]
		default:
			e.done <- fmt.Errorf("%w: %d outcomes for %d items", journal.ErrUnknownOutcome, len(errs), len(items))
		}
	}
}

// Close refuses what comes after with ErrClosed and returns when all that came before
// has its outcome.
func (q *Queue[K, T]) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.idle.Wait()
}

// Waiting is how many items wait for their group at the moment.
func (q *Queue[K, T]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting.Len()
}
