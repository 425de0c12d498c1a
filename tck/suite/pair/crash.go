package pair

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	ve "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// crash is one point at which the proxy is to end, and what it must have left behind.
type crash struct {
	point string
	at    int // how often the point is passed
	// asked is which of the entity's five changes brings the proxy to its end.
	asked int
	// there is how many of them are stored then.
	there int
	// answered: whether the last one's answer leaves; nil when either is right.
	answered *bool
	// snapshot: whether one is stored; nil when either is right: until an orderly stop (STO-17) it may be lost again.
	snapshot     *bool
	requirements []string
}

// crashBound is how long after the last answer a proxy may take to pass its point.
const crashBound = 15 * time.Second

// changes are what an entity goes through, one at a time, until the proxy is gone. The model's snapshot comes with the fifth.
var changes = strings.Split("ABCDE", "")

func crashCases() []suite.Case {
	no := new(bool)
	es := []crash{
		{"before-persist", 3, 3, 2, no, nil, []string{"ES-54", "ES-20", "STO-10"}},
		{"after-persist", 3, 3, 3, no, nil, []string{"ES-54", "ES-25", "STO-10"}},
		{"before-reply", 3, 3, 3, no, nil, []string{"ES-54", "ES-20", "STO-10"}},
		{"after-reply", 3, 3, 3, nil, nil, []string{"ES-54", "ES-20", "STO-10"}},
		{"before-snapshot", 1, 5, 5, nil, no, []string{"ES-54", "ES-06", "STO-10"}},
		{"after-snapshot", 1, 5, 5, nil, nil, []string{"ES-54", "ES-05", "STO-10"}},
	}
	cases := []suite.Case{endCase(es[1]), endCase(es[3])} // before the answer and after it
	for _, c := range es {
		cases = append(cases, crashCase("es", c, []string{suite.EventSourced, esModel}, callES))
	}
	for _, c := range es[:4] {
		c.requirements = []string{"VE-38", "VE-13", "STO-10"}
		cases = append(cases, crashCase("ve", c, []string{suite.ValueEntity, veModel}, callVE))
	}
	return append(cases, suite.Case{
		ID: "ops/pair/crash-points-unasked", Kind: suite.Pair, OwnTarget: true, Timeout: time.Minute,
		Title:        "a proxy that nobody asks for crash points does not offer them",
		Requirements: []string{"OPS-22"},
		Needs:        []string{suite.NeedCrashPoints},
		Run: func(ctx context.Context, t *suite.T) {
			t.Check(t.Frontend().Start(ctx), suite.Failure{Expected: "the user function to start"})
			for _, asked := range []string{"", "none"} {
				t.Trace().Reset()
				t.Check(t.Proxy().Start(ctx, "CLOUDSTATE_CRASH_POINT="+asked), suite.Failure{Expected: "the proxy to start"})
				offered := false
				for _, m := range t.Intercept().Messages() {
					if info, ok := m.Payload.(*cloudstate.ProxyInfo); ok {
						offered = slices.Contains(info.GetExtensions(), "crash-points")
					}
				}
				t.Require(offered == (asked == "none"), suite.Failure{
					Expected: fmt.Sprintf("crash-points among the extensions, with CLOUDSTATE_CRASH_POINT=%q: %v", asked, asked == "none"), Got: fmt.Sprint(offered),
				})
				if err := t.Proxy().Kill(ctx); err != nil {
					t.KitFault(err)
				}
			}
		},
	})
}

// change asks an entity for a change ("" for none) and returns the answer.
type change func(ctx context.Context, t *suite.T, id, text string) (string, error)

func callES(ctx context.Context, t *suite.T, id, text string) (string, error) {
	request := esRequest(id)
	if text != "" {
		request = esRequest(id, esEmit(text))
	}
	got := esResponse("")
	_, err := t.Client().Unary(ctx, esProcess, request, got, nil)
	return got.GetMessage(), err
}

// callVE keeps all changes in the value, so that it tells as much as a log.
func callVE(ctx context.Context, t *suite.T, id, text string) (string, error) {
	request := &ve.Request{Id: id}
	if text != "" {
		whole := strings.Join(changes, "")
		whole = whole[:strings.Index(whole, text)+1]
		request.Actions = []*ve.RequestAction{{Action: &ve.RequestAction_Update{Update: &ve.Update{Value: whole}}}}
	}
	got := &ve.Response{}
	_, err := t.Client().Unary(ctx, "/"+veModel+"/Process", request, got, nil)
	return got.GetMessage(), err
}

// end starts the targets, asks for changes until the proxy has ended itself, and tells whether the last one was answered.
func (c crash) end(ctx context.Context, t *suite.T, id string, call change) (answered bool) {
	t.Check(t.Frontend().Start(ctx), suite.Failure{Expected: "the user function to start"})
	point := fmt.Sprintf("%s:%d", c.point, c.at)
	t.Check(t.Proxy().Start(ctx, "CLOUDSTATE_CRASH_POINT="+point), suite.Failure{Requirement: "OPS-21", Expected: "the proxy to start with the crash point " + point})
	for n, text := range changes[:c.asked] {
		_, err := call(ctx, t, id, text)
		answered = err == nil
		t.Require(answered || n+1 == c.asked, suite.Failure{
			Requirement: "OPS-21", Expected: fmt.Sprintf("the proxy to end at %s, with change %d of %s", point, c.asked, id), Got: fmt.Sprintf("change %d was not answered: %v", n+1, err),
		})
	}
	// The point may come only after the answer.
	limited, cancel := context.WithTimeout(ctx, crashBound)
	defer cancel()
	_, err := t.Proxy().Wait(limited)
	t.Check(err, suite.Failure{Requirement: "OPS-21", Expected: "the proxy's process to end by itself at " + point})
	return answered
}

// endCase asks of the point only that the proxy ends there, which shows on a store in memory, too.
func endCase(c crash) suite.Case {
	return suite.Case{
		ID: "ops/pair/crash-at-" + c.point, Kind: suite.Pair, OwnTarget: true, Timeout: time.Minute,
		Title:        "a proxy ends itself at " + c.point + " when it passes that as often as it was told",
		Requirements: []string{"OPS-21"},
		Needs:        []string{suite.EventSourced, esModel, suite.NeedCrashPoints},
		Run:          func(ctx context.Context, t *suite.T) { c.end(ctx, t, t.ID("es"), callES) },
	}
}

func crashCase(area string, c crash, needs []string, call change) suite.Case {
	return suite.Case{
		ID: area + "/pair/crash-" + c.point, Kind: suite.Pair, OwnTarget: true, Timeout: time.Minute,
		Title:        "a proxy that ends at " + c.point + " leaves what it must, and no more",
		Requirements: append(c.requirements, "OPS-21"),
		Needs:        append(needs, suite.NeedDurableStore, suite.NeedCrashPoints),
		Run: func(ctx context.Context, t *suite.T) {
			id := t.ID(area)
			answered := c.end(ctx, t, id, call)
			t.Require(c.answered == nil || answered == *c.answered, suite.Failure{
				Expected: fmt.Sprintf("change %d of %s not to be answered: the proxy ends at %s", c.asked, id, c.point), Got: "an answer",
			})
			t.Check(t.Proxy().Start(ctx), suite.Failure{Requirement: "STO-15", Expected: "the proxy to start again on the same store"})
			t.Trace().Reset()
			want := strings.Join(changes[:c.there], "")
			var got string
			var err error
			for { // while the time of the killed predecessor runs, UNAVAILABLE is an answer (STO-15)
				if got, err = call(ctx, t, id, ""); err == nil || ctx.Err() != nil {
					break
				}
			}
			t.Check(err, suite.Failure{Expected: fmt.Sprintf("%s to be read", id)})
			t.Require(got == want, suite.Failure{Expected: fmt.Sprintf("the state %q: %d changes were stored when the proxy ended at %s", want, c.there, c.point), Got: fmt.Sprintf("%q", got)})
			if c.snapshot != nil {
				with := beganWithSnapshot(t.Intercept().Messages(), id)
				t.Require(with == *c.snapshot, suite.Failure{
					Requirement: "ES-05", Expected: fmt.Sprintf("the next instance to begin with a snapshot: %v (the proxy ended at %s)", *c.snapshot, c.point), Got: fmt.Sprint(with),
				})
			}
		},
	}
}

// beganWithSnapshot tells whether the last init of the entity has one.
func beganWithSnapshot(messages []trace.Message, id string) (with bool) {
	for _, m := range messages {
		if m.Payload != nil && beginsFor(m, esModel, id) {
			with = strings.Contains(described(m.Payload), " snapshot ")
		}
	}
	return with
}
