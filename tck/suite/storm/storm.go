package storm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/oracle"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	callers     = 12 // work at once
	connections = 3  // are shared by them
	places      = 8  // is how many entities are in use at a time
	full        = 40 // is how many changes an entity takes before a new one has its place

	tryPatience = 5 * time.Second  // for one answer
	keyPatience = 90 * time.Second // for a command that is tried again
	endPatience = 60 * time.Second // for an entity to be read at the end
)

// storm is one execution of a case.
type storm struct {
	mix     mix
	t       *suite.T
	clients []*suite.Client
	began   time.Time
	work    work
	marks   atomic.Int64

	mu       sync.Mutex
	places   [places]entity
	entities []entity
	history  []oracle.Operation
	statuses map[string]int // of what was not acknowledged
	odd      []string
}

// entity is one entity and how often it was changed.
type entity struct {
	kind    kind
	id      string
	changes int
}

func run(ctx context.Context, t *suite.T, m mix) {
	s := &storm{mix: m, t: t, began: time.Now(), statuses: map[string]int{}}
	witness := &oracle.Witness{}
	t.Trace().Follow(witness.Observe)
	defer t.Trace().Follow(nil)
	defer s.close()
	for range connections {
		client, err := suite.NewClient(t.Proxy().Address, nil, trace.Client, trace.Proxy)
		if err != nil {
			t.KitFault(err)
		}
		s.clients = append(s.clients, client)
	}
	for place := range places {
		s.renew(place)
	}
	disturbed, err := s.under(ctx)
	if err == nil {
		err = s.readAll(ctx)
	}
	t.Notef("%s; %s", disturbed, s.figures())
	s.check(err)
	s.judge(witness)
}

func (s *storm) close() {
	for _, client := range s.clients {
		client.Close()
	}
}

// under works while the environment disturbs, and returns when both have ended.
func (s *storm) under(ctx context.Context) (string, error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for i := range callers {
		// What clients do need not come again: what befalls the targets does.
		random := rand.New(rand.NewPCG(rand.Uint64(), uint64(i)))
		wg.Go(func() {
			for working.Err() == nil {
				most := 3
				if !s.one(working, i, random) {
					most = 40
				}
				idle(working, time.Duration(random.IntN(most*1000))*time.Microsecond)
			}
		})
	}
	defer wg.Wait()
	defer stop()
	return s.t.Environment().Disturb(ctx, &s.work)
}

// check ends the case when err is not nil: as the target's failure if it is one.
func (s *storm) check(err error) {
	if err == nil {
		return
	}
	var failure *suite.Failure
	if errors.As(err, &failure) {
		out := *failure
		if when, ok := strings.CutSuffix(err.Error(), ": "+failure.Error()); ok {
			out.Got += ", " + when
		}
		s.t.Fail(out)
	}
	s.t.KitFault(err)
}

// renew puts a new entity in a place.
func (s *storm) renew(place int) {
	k := s.mix.kinds[place%len(s.mix.kinds)]
	e := entity{kind: k, id: s.t.ID(k.name)}
	s.places[place] = e
	s.entities = append(s.entities, e)
}

// one makes one operation, and tells whether it was acknowledged.
func (s *storm) one(ctx context.Context, caller int, random *rand.Rand) bool {
	c, k := s.draw(random)
	o := s.perform(ctx, caller, k, c)
	return o.Outcome == oracle.Acknowledged
}

// draw makes up an operation.
func (s *storm) draw(random *rand.Rand) (command, kind) {
	place, what := random.IntN(places), random.IntN(100)
	s.mu.Lock()
	e := &s.places[place]
	c, k := command{id: e.id}, e.kind
	if what >= s.mix.reads {
		if e.changes++; e.changes >= full {
			s.renew(place)
		}
	}
	s.mu.Unlock()
	if what < s.mix.reads {
		return c, k
	}
	what -= s.mix.reads
	mark := s.marks.Add(1)
	if s.mix.keyed {
		c.key = fmt.Sprintf("%s/%d", c.id, mark)
	}
	if what < s.mix.deletes {
		c.delete = true
		return c, k
	}
	what -= s.mix.deletes
	c.doomed = what < s.mix.doomed
	c.writes = []string{fmt.Sprintf("%d%s", mark, oracle.Stop)}
	if what -= s.mix.doomed; what >= 0 && what < s.mix.pairs && k.judged == oracle.Log {
		c.writes = []string{fmt.Sprintf("%d.1%s", mark, oracle.Stop), fmt.Sprintf("%d.2%s", mark, oracle.Stop)}
	}
	return c, k
}

// perform sends a command, again if it has a key, and records what its client knows of it. It gives no call up when ctx ends, but tries no more.
func (s *storm) perform(ctx context.Context, caller int, k kind, c command) oracle.Operation {
	o := oracle.Operation{Entity: c.id, Client: caller, Writes: c.writes, Delete: c.delete, Called: time.Since(s.began)}
	var err, odd error
	for {
		tryCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryPatience)
		o.Answer, err = k.call(tryCtx, s.clients[caller%connections], c)
		cancel()
		o.Outcome, odd = conclude(c, err)
		o.Ended = time.Since(s.began)
		if c.key != "" && o.Outcome == oracle.Refused {
			o.Outcome = oracle.Unknown // that is said of the last try: an earlier one may have been carried out
		}
		if c.key == "" || o.Outcome == oracle.Acknowledged || odd != nil || o.Ended-o.Called > keyPatience || ctx.Err() != nil {
			break
		}
		idle(ctx, time.Duration(1+rand.IntN(20))*time.Millisecond)
	}
	o.Answered = o.Outcome == oracle.Acknowledged && err == nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = append(s.history, o)
	if err != nil && !c.doomed {
		s.statuses[status.Code(err).String()]++
	}
	if odd != nil {
		s.odd = append(s.odd, fmt.Sprintf("a command to %s: %v", c.id, odd))
	}
	if o.Outcome == oracle.Acknowledged {
		s.work.done()
	}
	return o
}

// readAll reads every entity that was ever used, when nothing happens any more.
func (s *storm) readAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callers)
	for i, e := range s.entities {
		group.Go(func() error {
			until := time.Now().Add(endPatience)
			for {
				o := s.perform(ctx, i%callers, e.kind, command{id: e.id})
				switch {
				case o.Outcome == oracle.Acknowledged:
					return nil
				case ctx.Err() != nil:
					return context.Cause(ctx)
				case time.Now().After(until):
					return &suite.Failure{Expected: fmt.Sprintf("%s to be read within %s of the last disturbance", e.id, endPatience), Got: "errors only"}
				}
				idle(ctx, 50*time.Millisecond)
			}
		})
	}
	return group.Wait()
}

// figures counts what came of the commands.
func (s *storm) figures() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[oracle.Outcome]int{}
	for _, o := range s.history {
		counts[o.Outcome]++
	}
	var statuses []string
	for _, name := range slices.Sorted(maps.Keys(s.statuses)) {
		statuses = append(statuses, fmt.Sprintf("%d %s", s.statuses[name], name))
	}
	if len(statuses) == 0 {
		statuses = []string{"none"}
	}
	return fmt.Sprintf("%d operations on %d entities: %d acknowledged, %d refused, %d unknown; errors: %s", len(s.history), len(s.entities),
		counts[oracle.Acknowledged], counts[oracle.Refused], counts[oracle.Unknown], strings.Join(statuses, ", "))
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
