package pair

import (
	"fmt"

	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const veProcess = "/" + veModel + "/Process"

func veUpdate(value string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Update{Update: &model.Update{Value: value}}}
}

func veDelete() *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Delete{Delete: &model.Delete{}}}
}

func veForward(id string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Forward{Forward: &model.Forward{Id: id}}}
}

func veEffect(id string, synchronous bool) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Effect{Effect: &model.Effect{Id: id, Synchronous: synchronous}}}
}

func veFail(text string) *model.RequestAction {
	return &model.RequestAction{Action: &model.RequestAction_Fail{Fail: &model.Fail{Message: text}}}
}

func veRequest(id string, steps ...*model.RequestAction) *model.Request {
	return &model.Request{Id: id, Actions: steps}
}

func veResponse(text string) *model.Response { return &model.Response{Message: text} }

func valueEntityCases() []suite.Case {
	needs := []string{suite.ValueEntity, veModel, veTwo}
	return []suite.Case{
		pairCase("ve/pair/state-changes", "updates and deletions change the value that later commands see, on one stream",
			needs, []string{"VE-04", "VE-05", "VE-09", "VE-13", "VE-32"}, func(s *scene) {
				id := s.t.ID("ve")
				want := []string{"init " + veModel}
				for n, x := range []struct {
					step          *model.RequestAction
					state, change string
				}{
					{nil, "", ""}, {veUpdate("one"), "one", ", update 'one'"}, {veUpdate("two"), "two", ", update 'two'"}, {nil, "two", ""},
					{veDelete(), "", ", delete"}, {nil, "", ""}, {veUpdate("foo"), "foo", ", update 'foo'"}, {veDelete(), "", ", delete"},
				} {
					request := veRequest(id)
					if x.step != nil {
						request = veRequest(id, x.step)
					}
					s.replies("VE-13", veProcess, request, veResponse(x.state))
					want = append(want, fmt.Sprintf("command %d Process", n+1), fmt.Sprintf("reply %d '%s'%s", n+1, x.state, x.change))
					s.only("VE-09", id, stream(veModel, id, 1), want...)
				}
			}),
		pairCase("ve/pair/forwards-and-effects", "a forward is answered by the other entity, and a side effect is its next command",
			needs, []string{"FWD-01", "FWD-05", "FWD-17", "FWD-23", "VE-09"}, func(s *scene) {
				id, other := s.t.ID("ve"), s.t.ID("two")
				s.replies("FWD-01", veProcess, veRequest(id, veForward(other)), veResponse(""))
				s.replies("FWD-23", veProcess, veRequest(id, veUpdate("X"), veEffect(other, true)), veResponse("X"))
				s.replies("VE-09", veProcess, veRequest(id, veEffect(other, false), veUpdate("Y")), veResponse("Y"))
				effect := ", effect " + veTwo + "/Call"
				s.said("FWD-01", id, entity(veModel, id), "init "+veModel,
					"command 1 Process", "reply 1 forward "+veTwo+"/Call",
					"command 2 Process", "reply 2 'X'"+effect+" synchronous, update 'X'",
					"command 3 Process", "reply 3 'Y'"+effect+", update 'Y'")
				s.said("FWD-17", other, entity(veTwo, other), "init "+veTwo,
					"command 1 Call", "reply 1 ''", "command 2 Call", "reply 2 ''", "command 3 Call", "reply 3 ''")
			}),
		pairCase("ve/pair/failures", "a failure reaches the client and leaves the value as it was", needs, []string{"VE-19", "SERV-10", "VE-43"}, func(s *scene) {
			id := s.t.ID("ve")
			s.replies("VE-13", veProcess, veRequest(id, veUpdate("kept")), veResponse("kept"))
			for _, steps := range [][]*model.RequestAction{{veFail("first")}, {veUpdate("lost"), veFail("second")}, {veDelete(), veFail("third")}} {
				s.fails("VE-19", veProcess, veRequest(id, steps...), &model.Response{}, steps[len(steps)-1].GetFail().GetMessage())
				s.replies("VE-19", veProcess, veRequest(id), veResponse("kept"))
			}
		}),
		pairCase("ve/pair/passivation", "an idle instance is half-closed after its time-out of 100 ms; the next command finds a new one",
			[]string{suite.ValueEntity, veConfigured}, []string{"VE-24", "VE-06", "DISC-30"}, func(s *scene) {
				id := s.t.ID("ve")
				call := "/" + veConfigured + "/Call"
				s.replies("VE-24", call, veRequest(id), veResponse(""))
				first := []string{"init " + veConfigured, "command 1 Call", "reply 1 ''", "half-close", "status OK"}
				s.said("VE-24", id, entity(veConfigured, id), first...)
				s.replies("VE-06", call, veRequest(id), veResponse(""))
				s.said("VE-06", id, entity(veConfigured, id), append(first, "init "+veConfigured, "command 1 Call", "reply 1 ''")...)
			}),
	}
}
