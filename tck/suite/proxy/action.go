package proxy

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func actionCases() []suite.Case {
	return slices.Concat(actionCallCases(), actionEndCases(), actionResponseCases())
}

// actionCallCases are about how a client's call becomes one to the user function.
func actionCallCases() []suite.Case {
	cases := []suite.Case{
		actionCase("unary", "a unary call is one command with service, name and payload, then a half-close; its one response goes to the client",
			requires("ACT-01", "ACT-03", "ACT-07", "ACT-27", "SERV-01", "SERV-18", "SERV-30"), func(s *scene) {
				s.claims(model.ActionService, unary.name)
				c := s.begun(unary, "one")
				h := s.handles("ACT-01", model.ActionService, unary.name, unary)
				h.begins("ACT-03", unary, "one", nil)
				h.halfClosed("ACT-07")
				h.replies("single response")
				c.gets("SERV-30", "single response")
				c.completes("SERV-30")
			}),
		actionCase("streamed-in", "the client's messages follow a command without payload, and its half-close follows them",
			requires("ACT-01", "ACT-04", "ACT-07", "ACT-27", "SERV-01", "SERV-30"), func(s *scene) {
				s.claims(model.ActionService, streamedIn.name)
				c := s.begun(streamedIn, "")
				h := s.handles("ACT-01", model.ActionService, streamedIn.name, streamedIn)
				h.begins("ACT-04", streamedIn, "", nil)
				for _, text := range []string{"A", "B", "C"} {
					c.says(text)
					h.gets("ACT-04", text)
				}
				c.closes()
				h.halfClosed("ACT-07")
				h.replies("single response")
				c.gets("SERV-30", "single response")
				c.completes("SERV-30")
			}),
		actionCase("streamed-out", "all responses go to the client in their order, and the end after them",
			requires("ACT-01", "ACT-03", "ACT-07", "ACT-08", "ACT-27", "ACT-29", "SERV-01", "SERV-30"), func(s *scene) {
				s.claims(model.ActionService, streamedOut.name)
				c := s.begun(streamedOut, "all")
				h := s.handles("ACT-01", model.ActionService, streamedOut.name, streamedOut)
				h.begins("ACT-03", streamedOut, "all", nil)
				h.halfClosed("ACT-07")
				for _, text := range []string{"A", "B", "C"} {
					h.replies(text)
					c.gets("ACT-29", text)
				}
				h.replies("last")
				h.Complete()
				c.gets("ACT-08", "last")
				c.completes("ACT-08")
			}),
		actionCase("streamed", "messages pass both ways as they come, and each side's end after its messages",
			requires("ACT-01", "ACT-04", "ACT-07", "ACT-08", "ACT-27", "ACT-29", "SERV-01", "SERV-30"), func(s *scene) {
				s.claims(model.ActionService, streamed.name)
				c := s.begun(streamed, "")
				h := s.handles("ACT-01", model.ActionService, streamed.name, streamed)
				h.begins("ACT-04", streamed, "", nil)
				for _, text := range []string{"X", "Y", "Z"} {
					c.says(text)
					h.gets("ACT-04", text)
					h.replies("to " + text)
					c.gets("ACT-29", "to "+text)
				}
				c.closes()
				h.halfClosed("ACT-07")
				h.replies("last")
				h.Complete()
				c.gets("ACT-08", "last")
				c.completes("ACT-08")
			}),
		actionCase("order", "three hundred messages each way keep their order", requires("ACT-29"), func(s *scene) {
			const many = 300
			s.claims(model.ActionService, streamed.name)
			c := s.begun(streamed, "")
			h := s.handles("ACT-29", model.ActionService, streamed.name, streamed)
			h.begins("ACT-29", streamed, "", nil)
			for n := range many {
				c.says(fmt.Sprint("message ", n))
			}
			c.closes()
			for n := range many {
				h.gets("ACT-29", fmt.Sprint("message ", n))
			}
			h.halfClosed("ACT-29")
			for n := range many {
				h.replies(fmt.Sprint("response ", n))
			}
			h.Complete()
			for n := range many {
				c.gets("ACT-29", fmt.Sprint("response ", n))
			}
			c.completes("ACT-29")
		}),
		actionCase("one-call-each", "calls at the same time have a call each to the user function, and each client gets its own response",
			requires("ACT-02", "SERV-29"), func(s *scene) {
				const clients = 10
				s.claims(model.ActionService, unary.name)
				var calls []*call
				for n := range clients {
					calls = append(calls, s.call(unary.method(), step(fmt.Sprint("call ", n)), said("")))
				}
				handlings := make([]*handling, clients)
				for range clients {
					h := s.handles("ACT-02", model.ActionService, unary.name, unary)
					got, err := h.Recv(s.ctx)
					s.t.Check(err, suite.Failure{Requirement: "ACT-02"})
					n := slices.IndexFunc(calls, func(c *call) bool {
						return proto.Equal(got.GetPayload(), pack(step(fmt.Sprint("call ", slices.Index(calls, c)))))
					})
					s.t.Require(n >= 0 && handlings[n] == nil, suite.Failure{
						Requirement: "ACT-02", Expected: "each client's request in one call", Got: fmt.Sprintf("the request %x again, or changed", got.GetPayload().GetValue()),
					})
					handlings[n] = h
				}
				for n := clients - 1; n >= 0; n-- {
					handlings[n].replies(fmt.Sprint("response ", n))
					calls[n].replies("ACT-02", said(fmt.Sprint("response ", n)))
				}
			}),
		actionCase("deadline", "the time that is left of the client's deadline is passed on", requires("ACT-28"), func(s *scene) {
			for _, f := range forms {
				s.claims(model.ActionService, f.name)
				c := s.begun(f, "hurry")
				h := s.handles("ACT-28", model.ActionService, f.name, f)
				clients, _ := s.ctx.Deadline()
				passed, has := h.Context().Deadline()
				// A second is for what lies between the proxy's arithmetic and ours.
				s.t.Require(has && passed.Before(clients.Add(time.Second)), suite.Failure{
					Expected: fmt.Sprintf("the call of %s to have a deadline no later than the client's", f.handler),
					Got:      fmt.Sprintf("deadline set: %t, %s after the client's", has, passed.Sub(clients).Round(time.Millisecond)),
					Remedy:   "send grpc-timeout with the time that is left of the client's",
				})
				c.cancel()
				h.cancelled("ACT-10", "the client has cancelled")
			}
		}),
	}
	for _, f := range forms {
		if f.manyIn {
			cases = append(cases, actionCase("opened-before-the-first-message/"+f.id,
				"the user function is called, with service, name and metadata, before the client has sent a message", requires("ACT-05", "ACT-06", "ACT-27"),
				func(s *scene) {
					s.claims(model.ActionService, f.name)
					c := s.opens(f, metadata.Pairs("x-of-the-call", "yes"))
					h := s.handles("ACT-05", model.ActionService, f.name, f)
					h.begins("ACT-06", f, "", entries("x-of-the-call", "yes"))
					c.says("first")
					h.gets("ACT-27", "first")
					c.closes()
					h.halfClosed("ACT-07")
					h.replies("done")
					h.Complete()
					c.gets("ACT-05", "done")
					c.completes("ACT-08")
				}))
		} else {
			cases = append(cases, actionCase("metadata/"+f.id, "the call's metadata is on its only command", requires("ACT-06"), func(s *scene) {
				s.claims(model.ActionService, f.name)
				c := s.opens(f, metadata.Pairs("x-of-the-call", "yes"))
				c.says("one")
				c.closes()
				h := s.handles("ACT-06", model.ActionService, f.name, f)
				h.begins("ACT-06", f, "one", entries("x-of-the-call", "yes"))
				h.replies("done")
				h.Complete()
				c.gets("ACT-06", "done")
			}))
		}
	}
	return cases
}

// entries is the metadata with these names and string values.
func entries(pairs ...string) *cloudstate.Metadata {
	md := &cloudstate.Metadata{}
	for i := 0; i < len(pairs); i += 2 {
		md.Entries = append(md.Entries, &cloudstate.MetadataEntry{Key: pairs[i], Value: &cloudstate.MetadataEntry_StringValue{StringValue: pairs[i+1]}})
	}
	return md
}

// actionEndCases are about who ends a call, and how the other side hears of it.
func actionEndCases() []suite.Case {
	var cases []suite.Case
	for _, f := range forms {
		cases = append(cases,
			actionCase("client-cancels/"+f.id, "the call to the user function is cancelled when the client cancels", requires("ACT-10"), func(s *scene) {
				s.claims(model.ActionService, f.name)
				c := s.begun(f, "one")
				h := s.handles("ACT-10", model.ActionService, f.name, f)
				h.begins("ACT-10", f, "one", nil)
				c.cancel()
				h.cancelled("ACT-10", "the client has cancelled")
			}),
			actionCase("status/"+f.id, "a status other than OK that the user function ends its call with is the client's, code and message",
				requires("ACT-25", "SERV-29"), func(s *scene) {
					s.claims(model.ActionService, f.name)
					for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
						text := fmt.Sprintf("ended with %s – 100 %%", code)
						c := s.begun(f, "one")
						h := s.handles("ACT-25", model.ActionService, f.name, f)
						h.begins("ACT-25", f, "one", nil)
						if f.manyOut {
							h.replies("before the end")
							c.gets("ACT-25", "before the end")
						}
						h.Fail(code, text)
						c.fails("ACT-25", code, text)
					}
				}),
			actionCase("failure/"+f.id, "a failure response ends the client's call with its description, and the call to the user function",
				slices.Concat(requires("ACT-19", "SERV-10", "SERV-34"), only(f.manyOut, "SERV-11")), func(s *scene) {
					s.claims(model.ActionService, f.name)
					c := s.begun(f, "one")
					h := s.handles("ACT-19", model.ActionService, f.name, f)
					h.begins("ACT-19", f, "one", nil)
					if f.manyOut {
						h.replies("before")
						c.gets("ACT-19", "before")
					}
					h.responds(actFailure(&cloudstate.Failure{Description: "expected failure"}))
					if f.manyOut {
						// What comes after the failure must not reach anybody. The send may already find the call cancelled.
						_ = h.Send(actReply("after the failure"))
					}
					c.fails("ACT-19", codes.Unknown, "expected failure")
					if f.manyOut {
						h.cancelled("ACT-19", "its response was a failure")
					}
				}),
			actionCase("unparsable/"+f.id, "a response that cannot be parsed ends the client's call with the fixed text, and the call to the user function",
				requires("ACT-33", "SERV-29"), func(s *scene) {
					s.claims(model.ActionService, f.name)
					c := s.begun(f, "one")
					h := s.handles("ACT-33", model.ActionService, f.name, f)
					h.begins("ACT-33", f, "one", nil)
					s.t.Check(h.SendRaw([]byte{0x0a, 0xff}), suite.Failure{Requirement: "ACT-33"})
					if !f.manyOut {
						h.Complete()
					}
					c.fails("ACT-33", codes.Unknown, "Unexpected action response")
					if f.manyOut {
						h.cancelled("ACT-33", "its response could not be parsed")
					}
				}),
		)
		if f.manyIn {
			cases = append(cases, actionCase("function-ends-first/"+f.id,
				"the client's call ends when the user function ends its own, though the client has not half-closed, and nothing more is sent",
				slices.Concat(requires("ACT-09"), only(f.manyOut, "ACT-08")), func(s *scene) {
					s.claims(model.ActionService, f.name)
					for _, messages := range [][]string{{}, {"one"}, {"one", "two", "three"}} {
						c := s.begun(f, "")
						h := s.handles("ACT-09", model.ActionService, f.name, f)
						h.begins("ACT-09", f, "", nil)
						for _, text := range messages {
							c.says(text)
						}
						if len(messages) > 0 {
							h.gets("ACT-09", messages[0]) // the others are not taken any more
						}
						h.replies("enough")
						h.Complete()
						c.gets("ACT-09", "enough")
						c.completes("ACT-09")
						s.roundTrips(5)
						s.unmade("ACT-09", model.ActionService, f.name, "the user function has ended the one that there was")
					}
				}))
		}
	}
	return cases
}

// only is the id where it applies.
func only(applies bool, id string) []string {
	if applies {
		return []string{id}
	}
	return nil
}
