package proxy

import (
	"context"
	"fmt"
	"math"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// stating is one way in which a user function can state a failure to a client: it has the proxy answer a call with it.
type stating struct {
	id, entityType string
	// begin returns what makes a call, has it answered with the failure, and requires the status.
	begin func(s *scene) func(requirement string, f *cloudstate.Failure, want codes.Code)
}

func statings() []stating {
	entity := func(k *kind) stating {
		return stating{k.area, k.entityType, func(s *scene) func(string, *cloudstate.Failure, codes.Code) {
			e := s.entity(k, k.model)
			var i *instance
			return func(requirement string, f *cloudstate.Failure, want codes.Code) {
				c := e.call("fails")
				if i == nil {
					i = e.opens(requirement)
				}
				i.command(requirement, "fails")
				f.CommandId = i.last
				i.reply(answer{action: failed(f)})
				c.is(requirement, want, f.GetDescription())
			}
		}}
	}
	actions := stating{"act", suite.Action, func(s *scene) func(string, *cloudstate.Failure, codes.Code) {
		s.claims(model.ActionService, unary.name)
		return func(requirement string, f *cloudstate.Failure, want codes.Code) {
			c := s.call(unary.method(), step("fails"), said(""))
			h := s.handles(requirement, model.ActionService, unary.name, unary)
			h.begins(requirement, unary, "fails", nil)
			h.responds(actFailure(f))
			c.is(requirement, want, f.GetDescription())
		}
	}}
	return []stating{entity(eventSourced), entity(valueBased), actions}
}

// is waits for the end of the call, which must be this status with exactly this text, an empty one included.
func (c *call) is(requirement string, code codes.Code, text string) {
	c.fails(requirement, code, text)
	got := grpcMessage(c.err)
	c.s.t.Require(got == text, suite.Failure{
		Requirement: requirement, Expected: fmt.Sprintf("the status message %q", text), Got: fmt.Sprintf("%q", got),
	})
}

// servingCodeCases are about the status that a stated failure becomes.
func servingCodeCases() []suite.Case {
	var cases []suite.Case
	for _, st := range statings() {
		needs := []string{st.entityType}
		cases = append(cases,
			servingCase(st.id+"/failure-text", "the description of a stated failure is the status message, whatever characters it has", needs,
				requires("SERV-10", "SERV-34"), func(s *scene) {
					states := st.begin(s)
					for _, text := range []string{"expected failure", "", "100 % – ünïcödé ☃ \U0001f600", "two\nlines\tand\rmore", "%41", " spaces ", "a\x00b"} {
						states("SERV-10", &cloudstate.Failure{Description: text}, codes.Unknown)
					}
				}),
			servingCase(st.id+"/failure-code", "a stated failure has the code that it states, and UNKNOWN when it states none or no such one", needs,
				requires("SERV-33", "SERV-34", "SERV-35"), func(s *scene) {
					states := st.begin(s)
					for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
						states("SERV-33", &cloudstate.Failure{Description: "with a code", GrpcStatusCode: int32(code)}, code)
					}
					states("SERV-34", &cloudstate.Failure{Description: "without a code"}, codes.Unknown)
					for _, code := range []int32{17, 18, 100, 200, 256 + 5, -1, -5, math.MaxInt32, math.MinInt32} {
						states("SERV-35", &cloudstate.Failure{Description: "with no such code", GrpcStatusCode: code}, codes.Unknown)
					}
				}),
		)
	}
	return cases
}

// servingCallerCases are about callers that do not wait for their answer.
func servingCallerCases(k *kind) []suite.Case {
	needs := []string{k.entityType}
	return []suite.Case{
		servingCase(k.area+"/queued-and-cancelled", "a queued command whose caller has cancelled is never sent", needs, requires("SERV-39"), func(s *scene) {
			e := s.entity(k, k.model)
			first := e.call("first")
			i := e.opens("SERV-39")
			i.command("SERV-39", "first")
			ctx, cancel := context.WithCancel(s.ctx)
			defer cancel()
			gone := e.callWith(ctx, "cancelled", nil)
			s.roundTrips(5)
			cancel()
			<-gone.done
			s.roundTrips(5)
			i.replies("first")
			first.replies("SERV-39", k.response("first"))
			i.asks("SERV-39", "next")
		}),
		servingCase(k.area+"/queued-and-late", "a queued command whose deadline has passed is never sent", needs, requires("SERV-39", "SERV-38"), func(s *scene) {
			e := s.entity(k, k.model)
			first := e.call("first")
			i := e.opens("SERV-39")
			i.command("SERV-39", "first")
			// The client's library does not know this deadline, so it is the proxy that answers.
			got := s.http("SERV-38", exchange{method: e.method(), message: encode(k.request(e.id, "late")), headers: [][2]string{{"Grpc-Timeout", "200m"}}})
			got.late(s)
			i.replies("first")
			first.replies("SERV-39", k.response("first"))
			i.asks("SERV-39", "next")
		}),
		servingCase(k.area+"/sent-and-late", "a command that was sent before its deadline passed takes effect, and its side effects are run", needs,
			slices.Concat(requires("SERV-40", "SERV-38", "FWD-29")), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				sent := make(chan outcome, 1)
				go func() {
					got, err := s.exchange(exchange{method: e.method(), message: encode(k.request(e.id, "late")), headers: [][2]string{{"Grpc-Timeout", "1S"}}})
					if err != nil {
						got.code, got.text = codes.Unavailable, err.Error()
					}
					sent <- got
				}()
				i := e.opens("SERV-40")
				i.command("SERV-40", "late")
				got := <-sent
				got.late(s)
				next := e.call("next")
				s.roundTrips(5)
				i.quiet("SERV-40", "the command in flight has no reply yet, though its caller has gone")
				i.reply(answer{action: replied(k.response("nobody hears")), effects: []*cloudstate.SideEffect{target.effect("effect", true)}, writes: []string{"kept"}})
				ti := target.opens("SERV-40")
				ti.command("SERV-40", "effect")
				ti.replies("")
				i.command("SERV-40", "next")
				i.replies("next")
				next.replies("SERV-40", k.response("next"))
				i.restart("SERV-40", "kept")
			}),
	}
}
