package pair

import (
	"fmt"
	"slices"
	"strings"

	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	esProcess = "/" + esModel + "/Process"
	esCall    = "/" + esTwo + "/Call"
)

func esEmit(value string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Emit{Emit: &model.Emit{Value: value}}}
}

func esForward(id string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Forward{Forward: &model.Forward{Id: id}}}
}

func esEffect(id string, synchronous bool) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Effect{Effect: &model.Effect{Id: id, Synchronous: synchronous}}}
}

func esFail(text string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: text}}}
}

func esRequest(id string, steps ...*model.RequestAction) *model.Request {
	return &model.Request{Id: id, Actions: steps}
}

func esResponse(text string) *model.Response { return &model.Response{Message: text} }

func eventSourcedCases() []suite.Case {
	needs := []string{suite.EventSourced, esModel, esTwo}
	return []suite.Case{
		pairCase("es/pair/state-changes", "events change the state that later commands see, on one stream, with a snapshot after the fifth",
			needs, []string{"ES-04", "ES-14", "ES-16", "ES-20", "ES-24"}, func(s *scene) {
				id := s.t.ID("es")
				want := []string{"init " + esModel, "command 1 Process", "reply 1 ''"}
				s.replies("ES-04", esProcess, esRequest(id), esResponse(""))
				state := ""
				for n, v := range strings.Split("ABCDEF", "") {
					state += v
					s.replies("ES-20", esProcess, esRequest(id, esEmit(v)), esResponse(state))
					reply := fmt.Sprintf("reply %d '%s', event '%s'", n+2, state, v)
					if n == 4 {
						reply += fmt.Sprintf(", snapshot '%s'", state)
					}
					want = append(want, fmt.Sprintf("command %d Process", n+2), reply)
				}
				s.replies("ES-24", esProcess, esRequest(id), esResponse(state))
				want = append(want, "command 8 Process", fmt.Sprintf("reply 8 '%s'", state))
				s.only("ES-14", id, entity(esModel, id), want...)
			}),
		pairCase("es/pair/forwards-and-effects", "a forward is answered by the other entity, and a side effect is its next command",
			needs, []string{"FWD-01", "FWD-05", "FWD-17", "FWD-23", "ES-14"}, func(s *scene) {
				id, other := s.t.ID("es"), s.t.ID("two")
				s.replies("FWD-01", esProcess, esRequest(id, esForward(other)), esResponse(""))
				s.replies("FWD-23", esProcess, esRequest(id, esEmit("X"), esEffect(other, true)), esResponse("X"))
				s.replies("ES-14", esProcess, esRequest(id, esEffect(other, false), esEmit("Y")), esResponse("XY"))
				forward, effect := "forward "+esTwo+"/Call", ", effect "+esTwo+"/Call"
				s.said("FWD-01", id, entity(esModel, id), "init "+esModel,
					"command 1 Process", "reply 1 "+forward,
					"command 2 Process", "reply 2 'X'"+effect+" synchronous, event 'X'",
					"command 3 Process", "reply 3 'XY'"+effect+", event 'Y'")
				s.said("FWD-17", other, entity(esTwo, other), "init "+esTwo,
					"command 1 Call", "reply 1 ''", "command 2 Call", "reply 2 ''", "command 3 Call", "reply 3 ''")
			}),
		pairCase("es/pair/failures", "a failure reaches the client and leaves the state as it was; asked for a restart, the proxy replays the events at once",
			needs, []string{"ES-33", "ES-34", "ES-59", "SERV-10", "ES-06"}, func(s *scene) {
				id := s.t.ID("es")
				// What the present stream has brought, which is held against its whole conversation each time.
				want := []string{"init " + esModel}
				command, nth := 1, 1
				says := func(requirement, reply string) {
					want = append(want, fmt.Sprintf("command %d Process", command), fmt.Sprintf("reply %d %s", command, reply))
					s.only(requirement, id, stream(esModel, id, nth), want...)
					command++
				}
				for n, v := range []string{"1", "2", "3"} {
					s.replies("ES-20", esProcess, esRequest(id, esEmit(v)), esResponse("123"[:n+1]))
					says("ES-20", fmt.Sprintf("'%s', event '%s'", "123"[:n+1], v))
				}
				// The second has emitted events when it fails, and so the user function may ask for a restart.
				for _, steps := range [][]*model.RequestAction{{esFail("first")}, {esEmit("4"), esEmit("5"), esFail("second")}, {esFail("third")}} {
					text := steps[len(steps)-1].GetFail().GetMessage()
					s.fails("ES-33", esProcess, esRequest(id, steps...), &model.Response{}, text)
					if s.asksForRestart(id) {
						s.t.Notef("the user function asked for a restart after the %s failure", text)
						// It comes at once: no command is needed for it.
						want, command = []string{"init " + esModel, "event 1 '1'", "event 2 '2'", "event 3 '3'"}, 1
						nth++
						s.only("ES-34", id, stream(esModel, id, nth), want...)
						s.closes("ES-34", id, esModel)
					} else {
						says("ES-33", "failure "+text)
					}
					s.replies("ES-33", esProcess, esRequest(id), esResponse("123"))
					says("ES-33", "'123'")
				}
			}),
		pairCase("es/pair/passivation", "an idle instance is half-closed after its time-out of 100 ms; the next command finds a new one",
			[]string{suite.EventSourced, esConfigured}, []string{"ES-45", "ES-55", "DISC-30"}, func(s *scene) {
				id := s.t.ID("es")
				call := "/" + esConfigured + "/Call"
				s.replies("ES-45", call, esRequest(id), esResponse(""))
				first := []string{"init " + esConfigured, "command 1 Call", "reply 1 ''", "half-close", "status OK"}
				s.said("ES-45", id, entity(esConfigured, id), first...)
				s.replies("ES-55", call, esRequest(id), esResponse(""))
				s.said("ES-55", id, entity(esConfigured, id), append(first, "init "+esConfigured, "command 1 Call", "reply 1 ''")...)
			}),
	}
}

// asksForRestart reports whether any failure on the entity's streams asked for a restart since the last init.
func (s *scene) asksForRestart(id string) bool {
	asked := false
	for _, l := range entity(esModel, id)(s.t.Intercept().Messages()) {
		switch {
		case strings.HasPrefix(l, "init "):
			// The stream that a restart opened may be there already; its replay follows, and a reply to a command has not come.
			continue
		case strings.HasPrefix(l, "reply "):
			asked = strings.HasSuffix(l, ", restart")
		}
	}
	return asked
}

// closes waits for the proxy to end a stream of the entity, by half-closing or by cancelling it.
func (s *scene) closes(requirement, id, service string) {
	err := s.t.Intercept().Await(s.ctx, "the end of the old stream of "+id, func(messages []trace.Message) bool {
		return slices.ContainsFunc(entity(service, id)(messages), func(l string) bool { return l == "half-close" || l == "cancel" })
	})
	s.t.Check(err, suite.Failure{Requirement: requirement, Remedy: "end the old stream of an instance that is restarted"})
}
