package proxy

import (
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// actionResponseCases are about what a response asks for: forwards, side effects, metadata, or nothing.
func actionResponseCases() []suite.Case {
	var cases []suite.Case
	for _, f := range forms {
		// handled begins a call of the form and returns both ends.
		handled := func(s *scene, requirement string) (*clientStream, *handling) {
			s.claims(model.ActionService, f.name)
			s.claims(model.ActionTwo, "Call")
			c := s.begun(f, "one")
			h := s.handles(requirement, model.ActionService, f.name, f)
			h.begins(requirement, f, "one", nil)
			return c, h
		}
		// finishes ends a call whose first response has been passed on.
		finishes := func(c *clientStream, h *handling, requirement string) {
			h.Complete()
			c.completes(requirement)
		}
		cases = append(cases,
			actionCase("forward/"+f.id, "the client gets the reply of the command that its call was forwarded to", requires("ACT-20", "FWD-01", "FWD-06"),
				func(s *scene) {
					c, h := handled(s, "ACT-20")
					h.responds(actForward("forwarded"))
					s.two("ACT-20", "forwarded").replies("from the other one")
					c.gets("ACT-20", "from the other one")
					finishes(c, h, "ACT-20")
				}),
			actionCase("forward-fails/"+f.id, "the client gets the failure of the command that its call was forwarded to", requires("ACT-20", "FWD-01"),
				func(s *scene) {
					c, h := handled(s, "ACT-20")
					h.responds(actForward("forwarded"))
					s.two("ACT-20", "forwarded").responds(actFailure(&cloudstate.Failure{Description: "by the other one", GrpcStatusCode: int32(codes.NotFound)}))
					c.fails("ACT-20", codes.NotFound, "by the other one")
				}),
			actionCase("effects-with-a-reply/"+f.id, "side effects are run in their order, the synchronous ones before the reply leaves",
				requires("ACT-21", "FWD-09", "FWD-23"), func(s *scene) {
					c, h := handled(s, "ACT-21")
					h.responds(actReply("with effects", actEffect("first", true), actEffect("second", true)))
					first := s.two("ACT-21", "first")
					first.replies("ignored")
					s.two("FWD-23", "second").responds(actFailure(&cloudstate.Failure{Description: "ignored, too"}))
					c.gets("ACT-21", "with effects")
					finishes(c, h, "ACT-21")
				}),
			actionCase("effects-with-a-failure/"+f.id, "the side effects of a failure response are run as those of any other", requires("ACT-30"),
				func(s *scene) {
					c, h := handled(s, "ACT-30")
					h.responds(actFailure(&cloudstate.Failure{Description: "fails"}, actEffect("first", true), actEffect("second", false)))
					s.two("ACT-30", "first").replies("")
					second := s.two("ACT-30", "second")
					c.fails("ACT-30", codes.Unknown, "fails")
					second.replies("")
				}),
		)
		if f.manyOut {
			cases = append(cases,
				actionCase("nothing-for-the-client/"+f.id, "responses without reply, or with a reply without payload, send nothing; their side effects run",
					requires("ACT-21", "SERV-12"), func(s *scene) {
						c, h := handled(s, "ACT-21")
						h.responds(&action.ActionResponse{SideEffects: []*cloudstate.SideEffect{actEffect("alone", false)}})
						s.two("ACT-21", "alone").replies("ignored")
						h.responds(&action.ActionResponse{})
						h.responds(&action.ActionResponse{Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{}}, SideEffects: []*cloudstate.SideEffect{actEffect("empty", false)}})
						s.two("ACT-21", "empty").replies("ignored")
						h.replies("the only message")
						h.responds(&action.ActionResponse{})
						c.gets("SERV-12", "the only message")
						finishes(c, h, "SERV-12")
					}),
				actionCase("one-response-at-a-time/"+f.id, "the synchronous effects and the forward of a response are finished before the next response passes",
					requires("ACT-31", "FWD-13"), func(s *scene) {
						c, h := handled(s, "ACT-31")
						h.responds(actForward("forward", actEffect("effect", true)))
						h.responds(actReply("second", actEffect("later effect", true)))
						h.replies("third")
						effect := s.two("ACT-31", "effect")
						s.roundTrips(5)
						s.untwo("FWD-13", "the effect of the first response runs")
						effect.replies("")
						forward := s.two("FWD-13", "forward") // and not the later effect
						s.roundTrips(5)
						s.untwo("ACT-31", "the forward of the first response has no reply")
						forward.replies("first")
						s.two("ACT-31", "later effect").replies("")
						c.gets("ACT-31", "first")
						c.gets("ACT-31", "second")
						c.gets("ACT-31", "third")
						finishes(c, h, "ACT-31")
					}),
			)
		} else {
			for name, response := range map[string]*action.ActionResponse{
				"nothing":      {},
				"only-effects": {SideEffects: []*cloudstate.SideEffect{actEffect("alone", true)}},
				"no-payload":   {Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{}}},
			} {
				cases = append(cases, actionCase("no-answer/"+f.id+"-"+name, "a call that ends without an answer for the client is answered INTERNAL, its side effects being run",
					requires("ACT-22", "ACT-21", "SERV-31"), func(s *scene) {
						c, h := handled(s, "ACT-22")
						h.responds(response)
						for range response.GetSideEffects() {
							s.two("ACT-21", "alone").replies("ignored")
						}
						c.fails("ACT-22", codes.Internal, "")
					}))
			}
		}
		cases = append(cases, actionCase("wrong-type/"+f.id, "a reply of another type than the method's output is answered INTERNAL and not passed on",
			requires("SERV-09"), func(s *scene) {
				c, h := handled(s, "SERV-09")
				h.responds(actPayload(pack(step("wrong"))))
				c.fails("SERV-09", codes.Internal, "")
			}))
	}
	// Maps have no order; the list of cases has.
	slices.SortFunc(cases, func(a, b suite.Case) int { return strings.Compare(a.ID, b.ID) })
	return cases
}
