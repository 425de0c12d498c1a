package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	// answerBound is how long a command may wait for a store that is away (STO-22), and somewhat more for a busy machine.
	answerBound = 30*time.Second + 2*time.Second
	// healBound is how long a proxy may take to notice that its store is back, or away (STO-24, STO-25).
	healBound = 60*time.Second + 2*time.Second
	// writePause is how often each of the entities is written.
	writePause = 20 * time.Millisecond
	// outageTimeout bounds a case: a store may take a minute to start, too.
	outageTimeout = 5 * time.Minute
)

// outageCases take the store away from the proxy.
func outageCases() []suite.Case {
	needs := []string{suite.EventSourced, suite.ValueEntity, suite.NeedStoreControl}
	return []suite.Case{
		{
			ID: "sto/proxy/store-away", Title: "while the store is away clients get UNAVAILABLE; when it is back nothing acknowledged is lost, nothing is there twice, and all is served",
			Requirements: requires("STO-22", "STO-23", "STO-24", "STO-25"), Kind: suite.Proxy, Needs: needs, Timeout: outageTimeout,
			Run: func(ctx context.Context, t *suite.T) { storeAway(shared(ctx, t)) },
		},
		{
			ID: "sto/proxy/started-without-store", Title: "a proxy that is started while its store is away waits for it, live and not ready, and then serves",
			Requirements: requires("STO-26"), Kind: suite.Proxy, Needs: needs, Timeout: outageTimeout, OwnTarget: true,
			Run: func(ctx context.Context, t *suite.T) { startedWithout(own(ctx, t, suite.ModelFunction(), hasty...)) },
		},
		{
			ID: "sto/proxy/actions-while-away", Title: "actions are served while the store is away",
			Requirements: requires("STO-27"), Kind: suite.Proxy, Needs: []string{suite.Action, suite.NeedStoreControl}, Timeout: outageTimeout,
			Run: func(ctx context.Context, t *suite.T) {
				s := shared(ctx, t)
				acts := func() {
					for range 5 {
						c := s.call("/"+model.ActionTwo+"/Call", &actmodel.OtherRequest{}, &actmodel.Response{})
						c.replies("STO-27", &actmodel.Response{})
					}
				}
				acts()
				s.takeAway()
				acts()
				s.client = t.Client()
				s.within(healBound, func() { s.becomes("STO-27", false) })
				acts()
				s.bringBack()
				s.within(healBound, func() { s.becomes("STO-27", true) })
			},
		},
	}
}

// takeAway takes the store away.
func (s *scene) takeAway() {
	if err := s.t.Store().Away(s.ctx); err != nil {
		s.t.KitFault(err)
	}
}

// bringBack brings the store back.
func (s *scene) bringBack() {
	if err := s.t.Store().Back(s.ctx); err != nil {
		s.t.KitFault(err)
	}
}

// within runs f with the scene's context bounded.
func (s *scene) within(bound time.Duration, f func()) {
	whole := s.ctx
	limited, cancel := context.WithTimeout(whole, bound)
	defer cancel()
	s.ctx = limited
	f()
	s.ctx = whole
}

func startedWithout(s *scene) {
	e, v := s.entity(eventSourced, eventSourced.model), s.entity(valueBased, valueBased.model)
	instances := []*instance{e.put("STO-26", "A", "B"), v.put("STO-26", "C")}
	if err := s.t.Proxy().Signal(); err != nil {
		s.t.KitFault(err)
	}
	for _, i := range instances {
		i.ended("OPS-14", "the proxy was asked to stop")
	}
	s.exits()
	s.takeAway()
	s.t.Check(s.t.Proxy().Launch(s.ctx, hasty...), suite.Failure{Requirement: "STO-26"})
	s.client = s.connect()
	if s.t.Proxy().Management != "" {
		s.probe("STO-26", "/live", http.StatusOK)
		s.probe("STO-26", "/ready", http.StatusServiceUnavailable)
	}
	for range 50 { // a second at the least
		s.alive("STO-26")
		state, err := s.health("")
		s.t.Require(state != grpc_health_v1.HealthCheckResponse_SERVING, suite.Failure{
			Requirement: "STO-26", Expected: "a proxy that is not ready while its store is away", Got: fmt.Sprintf("%s, %v", state, err),
		})
		<-time.After(20 * time.Millisecond)
	}
	s.bringBack()
	s.within(healBound, func() { s.becomes("STO-26", true) })
	e.resumes("STO-26", "A", "B")
	v.resumes("STO-26", "C")
}

func storeAway(s *scene) {
	s.client = s.t.Client()
	e := s.entity(eventSourced, eventSourced.model)
	i := e.put("STO-22", "A")
	var writers []*writer
	for range 3 {
		writers = append(writers, s.writes(eventSourced), s.writes(valueBased))
	}
	each := func(what string, bound time.Duration, requirement string, enough func(*writer) bool) {
		s.within(bound, func() {
			for _, w := range writers {
				s.until(requirement, what, func() (bool, string) { return w.look(enough) })
			}
		})
	}
	each("writes to be acknowledged", answerBound, "STO-22", func(w *writer) bool { return w.acknowledged >= 5 })
	c := e.call("writes")
	i.command("STO-22", "writes")
	queued := e.call("queued")
	s.roundTrips(10)
	s.takeAway()
	away := time.Now()
	i.replies("too late", "B")
	c.fails("STO-22", codes.Unavailable, "")
	queued.fails("STO-22", codes.Unavailable, "")
	s.t.Require(time.Since(away) < answerBound, suite.Failure{
		Requirement: "STO-22", Expected: "UNAVAILABLE within 30 s", Got: fmt.Sprintf("after %s", time.Since(away)),
	})
	i.ended("STO-22", "it is not known what is stored")
	each("writes to be refused while the store is away", 2*answerBound, "STO-22", func(w *writer) bool { return w.unanswered >= 2 })
	s.within(healBound, func() { s.becomes("STO-25", false) })
	if s.t.Proxy().Management != "" {
		s.probe("STO-25", "/live", http.StatusOK)
	}
	s.bringBack()
	back := time.Now()
	for _, w := range writers {
		w.mark()
	}
	each("writes to be acknowledged again within 60 s after the store is back", healBound, "STO-24", func(w *writer) bool { return w.since >= 5 })
	s.within(healBound, func() { s.becomes("STO-24", true) })
	s.t.Notef("all entities were served %s after the store was back", time.Since(back).Round(time.Millisecond))
	acknowledged, unanswered := 0, 0
	for _, w := range writers {
		w.finish()
		acknowledged, unanswered = acknowledged+w.acknowledged, unanswered+w.unanswered
	}
	s.t.Notef("%d writes acknowledged, %d answered UNAVAILABLE", acknowledged, unanswered)
	i, c = e.tries("STO-24", codes.Unavailable, "")
	_, values := i.held("STO-23")
	i.replies("next")
	c.replies("STO-23", e.k.response("next"))
	s.t.Require(len(values) > 0 && values[0] == "A" && (len(values) == 1 || len(values) == 2 && values[1] == "B"), suite.Failure{
		Requirement: "STO-23", Expected: `the event "A", and at most once the event "B", whose caller was answered UNAVAILABLE`, Got: strings.Join(values, ", "),
	})
}

// writer writes numbers to one entity that the model serves, one after the other.
type writer struct {
	s        *scene
	k        *kind
	id       string
	stop     context.CancelFunc
	finished chan struct{}

	mu                              sync.Mutex
	outcomes                        []bool // by number: whether it was acknowledged
	acknowledged, unanswered, since int
	wrong                           string // an answer that must not be
}

func (s *scene) writes(k *kind) *writer {
	ctx, stop := context.WithCancel(s.ctx)
	w := &writer{s: s, k: k, id: s.t.ID("writer"), stop: stop, finished: make(chan struct{})}
	s.t.Cleanup(func() { stop(); <-w.finished })
	client, whole := s.client, s.ctx
	go func() {
		defer close(w.finished)
		for n := 0; ctx.Err() == nil; n++ {
			began := time.Now()
			// Not ctx: a write that was begun is waited for.
			_, err := client.Unary(whole, "/"+k.model+"/Process", k.request(w.id, fmt.Sprintf("%d;", n)), k.response(""), nil)
			if whole.Err() != nil {
				return
			}
			w.note(n, err, time.Since(began))
			select {
			case <-time.After(writePause):
			case <-ctx.Done():
			}
		}
	}()
	return w
}

func (w *writer) note(n int, err error, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes = append(w.outcomes, err == nil)
	switch {
	case err == nil:
		w.acknowledged++
		w.since++
		return
	case status.Code(err) != codes.Unavailable:
		w.wrong = fmt.Sprintf("write %d: %v", n, err)
	case took > answerBound:
		w.wrong = fmt.Sprintf("write %d was answered after %s: %v", n, took, err)
	}
	w.unanswered++
}

// look tells whether w has come far enough, and how far it has come. A wrong answer ends the case.
func (w *writer) look(enough func(*writer) bool) (bool, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wrong != "" {
		w.s.t.Fail(suite.Failure{Requirement: "STO-22", Expected: "a reply, or UNAVAILABLE within 30 s", Got: w.wrong})
	}
	return enough(w), fmt.Sprintf("%d acknowledged (%d since it is back), %d answered UNAVAILABLE", w.acknowledged, w.since, w.unanswered)
}

// mark begins to count anew what is acknowledged.
func (w *writer) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = 0
}

// finish ends the writing, reads what is stored, and holds it against what was answered.
func (w *writer) finish() {
	w.stop()
	<-w.finished
	s := w.s
	c := s.call("/"+w.k.model+"/Process", w.k.request(w.id, ""), w.k.response(""))
	<-c.done
	s.t.Check(c.err, suite.Failure{Requirement: "STO-24"})
	var state string
	switch r := c.response.(type) {
	case *esmodel.Response:
		state = r.GetMessage()
	case *vemodel.Response:
		state = r.GetMessage()
	}
	possible := false
	if w.k == valueBased {
		// The last one acknowledged, or one after it.
		for n := len(w.outcomes) - 1; n >= 0 && !possible; n-- {
			possible = state == fmt.Sprintf("%d;", n)
			if w.outcomes[n] {
				break
			}
		}
	} else {
		rest, lost := state, false
		for n, acknowledged := range w.outcomes {
			after, there := strings.CutPrefix(rest, fmt.Sprintf("%d;", n))
			rest, lost = after, lost || acknowledged && !there
		}
		possible = rest == "" && !lost
	}
	s.t.Require(possible, suite.Failure{
		Requirement: "STO-23",
		Expected:    "every write that was acknowledged, once and in order, and of the others each at most once",
		Got:         fmt.Sprintf("%q, of writes 0 to %d of which these were acknowledged: %v", state, len(w.outcomes)-1, w.outcomes),
	})
}
