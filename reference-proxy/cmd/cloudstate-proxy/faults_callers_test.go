package main

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
)

const (
	// registerPlaces is how many registers are in use at a time, each in a shard of its own as a rule.
	registerPlaces = 8
	// fullRegister is how many bytes a register holds when it is replaced by a new one.
	fullRegister = 2000
	// callerPatience is how long a caller waits for an answer: longer than a take-over takes.
	callerPatience = 2 * time.Second
)

// callers put load on several proxies that share a store, and record what they were told.
type callers struct {
	began time.Time
	trial string             // is part of the registers' names: each trial has its own
	conns []*grpc.ClientConn // one a proxy
	// readShare, in percent, is how many operations are reads.
	readShare int
	lastID    atomic.Int64

	mu        sync.Mutex
	history   []operation
	newest    [registerPlaces]int // which register of a place is in use
	by        [registerPlaces]int // which proxy acknowledged the place's last operation
	through   []int               // acknowledged, by proxy
	turns     int                 // how often a register was acknowledged by another proxy than before
	refusals  map[codes.Code]int  // statuses of what was refused
	unknowns  map[codes.Code]int  // and of what is unknown
	odd       map[string]int      // statuses that no caller should see
	lastAcked time.Duration       // end of the last acknowledged operation
	outage    time.Duration       // the longest time without one
}

func newCallers(t *testing.T, proxies []*node, readShare int) *callers {
	c := &callers{
		began: time.Now(), trial: crand.Text()[:6], readShare: readShare, through: make([]int, len(proxies)),
		refusals: map[codes.Code]int{}, unknowns: map[codes.Code]int{}, odd: map[string]int{},
	}
	for _, p := range proxies {
		c.conns = append(c.conns, dial(t, p.client()))
	}
	return c
}

// run makes calls until ctx ends: some callers stick to a proxy, so that the others' work goes on while it stands still.
func (c *callers) run(ctx context.Context, seed uint64) (wait func()) {
	const stuck, roaming = 5, 2
	var wg sync.WaitGroup
	for i := range stuck*len(c.conns) + roaming {
		random := rand.New(rand.NewPCG(seed, uint64(i+1)))
		wg.Go(func() {
			for ctx.Err() == nil {
				proxy := i % len(c.conns)
				if i >= stuck*len(c.conns) {
					proxy = random.IntN(len(c.conns))
				}
				if c.one(i, proxy, random) {
					idle(ctx, time.Duration(random.IntN(10))*time.Millisecond)
				} else {
					idle(ctx, time.Duration(10+random.IntN(40))*time.Millisecond)
				}
			}
		})
	}
	return wg.Wait
}

// idle lets d go by, or less when ctx ends.
func idle(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// name is that of the register with this number at this place.
func (c *callers) name(place, number int) string {
	kind := "es"
	if place%2 != 0 {
		kind = "ve"
	}
	return fmt.Sprintf("%s/%s/%d.%d", kind, c.trial, place, number)
}

// one makes one call, and says whether it was acknowledged.
func (c *callers) one(caller, proxy int, random *rand.Rand) bool {
	place := random.IntN(registerPlaces)
	c.mu.Lock()
	name := c.name(place, c.newest[place])
	c.mu.Unlock()
	id := ""
	if random.IntN(100) >= c.readShare {
		id = fmt.Sprint(c.lastID.Add(1))
	}
	o := c.call(context.Background(), caller, proxy, name, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.outcome != acknowledged {
		return false
	}
	if c.by[place] != proxy {
		c.by[place] = proxy
		c.turns++
	}
	if len(o.held) > fullRegister && c.name(place, c.newest[place]) == name {
		c.newest[place]++
	}
	return true
}

// call increments a register, or reads it, and records what came of it.
func (c *callers) call(ctx context.Context, caller, proxy int, name, id string) operation {
	ctx, cancel := context.WithTimeout(ctx, callerPatience)
	defer cancel()
	o := operation{register: name, id: id, caller: caller, called: time.Since(c.began)}
	var err error
	o.held, err = invoke(ctx, c.conns[proxy], name, id)
	o.ended = time.Since(c.began)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := status.Convert(err)
	switch {
	case err == nil:
		c.outage = max(c.outage, o.ended-c.lastAcked)
		c.lastAcked = o.ended
		c.through[proxy]++
	case s.Code() == codes.Unavailable && (strings.Contains(s.Message(), "not carried out") || strings.Contains(s.Message(), "nothing was changed")):
		o.outcome = turnedAway
		c.refusals[s.Code()]++
	default:
		o.outcome = unknown
		c.unknowns[s.Code()]++
	}
	if code := s.Code(); code != codes.OK && code != codes.Unavailable && code != codes.DeadlineExceeded {
		c.odd[s.String()]++
	}
	c.history = append(c.history, o)
	return o
}

func invoke(ctx context.Context, conn *grpc.ClientConn, name, id string) (string, error) {
	if strings.HasPrefix(name, "es/") {
		request := &esmodel.Request{Id: name}
		if id != "" {
			request.Actions = []*esmodel.RequestAction{{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: id}}}}
		}
		response, err := esmodel.NewEventSourcedTckModelClient(conn).Process(ctx, request)
		return response.GetMessage(), err
	}
	request := &vemodel.Request{Id: name}
	if id != "" {
		request.Actions = []*vemodel.RequestAction{{Action: &vemodel.RequestAction_Update{Update: &vemodel.Update{Value: id}}}}
	}
	response, err := vemodel.NewValueEntityTckModelClient(conn).Process(ctx, request)
	return response.GetMessage(), err
}

// readAll reads every register that was ever used through one proxy, however often it takes until ctx ends.
func (c *callers) readAll(ctx context.Context, proxy int) error {
	for place := range registerPlaces {
		for number := range c.newest[place] + 1 {
			for {
				name := c.name(place, number)
				if c.call(ctx, 0, proxy, name, "").outcome == acknowledged {
					break
				}
				if ctx.Err() != nil {
					return fmt.Errorf("%s cannot be read: %w", name, context.Cause(ctx))
				}
				idle(ctx, 50*time.Millisecond)
			}
		}
	}
	return nil
}

// acked is how many operations were acknowledged through each proxy so far.
func (c *callers) acked() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.through)
}

func counts[K interface {
	comparable
	fmt.Stringer
}](m map[K]int) string {
	var parts []string
	for k, n := range maps.All(m) {
		parts = append(parts, fmt.Sprintf("%d %v", n, k))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// figures says what was done and told.
func (c *callers) figures() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d operations, %d acknowledged (by each proxy %v, which took turns %d times), refused (%s), unknown (%s)",
		len(c.history), sum(c.through), c.through, c.turns, counts(c.refusals), counts(c.unknowns))
}
