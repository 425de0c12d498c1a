package pair

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"

	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func actReply(text string) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Reply{Reply: &model.Reply{Message: text}}}
}

func actForward(id string) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Forward{Forward: &model.Forward{Id: id}}}
}

func actEffect(id string, synchronous bool) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Effect{Effect: &model.SideEffect{Id: id, Synchronous: synchronous}}}
}

func actFail(text string) *model.ProcessStep {
	return &model.ProcessStep{Step: &model.ProcessStep_Fail{Fail: &model.Fail{Message: text}}}
}

func group(steps ...*model.ProcessStep) *model.ProcessGroup { return &model.ProcessGroup{Steps: steps} }

func actRequest(groups ...*model.ProcessGroup) *model.Request { return &model.Request{Groups: groups} }

func actResponse(text string) *model.Response { return &model.Response{Message: text} }

func actMethod(command string) string { return "/" + actModel + "/" + command }

// client is a client's streamed call of a model method.
type client struct {
	*suite.Stream
	s *scene
}

func (s *scene) opens(command string) *client {
	stream, err := s.t.Client().Stream(s.ctx, actMethod(command), nil)
	s.t.Check(err, suite.Failure{Requirement: "SERV-01"})
	return &client{stream, s}
}

func (c *client) sends(request *model.Request) {
	if err := c.Send(request); err != nil && !errors.Is(err, io.EOF) {
		c.s.t.KitFault(err)
	}
}

func (c *client) closes() {
	if err := c.CloseSend(); err != nil {
		c.s.t.KitFault(err)
	}
}

func (c *client) gets(requirement, text string) {
	got := &model.Response{}
	c.s.t.Check(c.Recv(got), suite.Failure{Requirement: requirement, Expected: fmt.Sprintf("the response %q", text)})
	c.s.t.Equal(actResponse(text), got, suite.Failure{Requirement: requirement})
}

func (c *client) completes(requirement string) {
	body, err := c.RecvBytes()
	c.s.t.Require(errors.Is(err, io.EOF), suite.Failure{
		Requirement: requirement, Expected: "the call to end with status OK", Got: fmt.Sprintf("message %x, error %v", body, err),
	})
}

func actionCases() []suite.Case {
	needs := []string{suite.Action, actModel, actTwo}
	forward := "response forward " + actTwo + "/Call"
	effect := ", effect " + actTwo + "/Call"
	return []suite.Case{
		pairCase("act/pair/unary", "a unary call is one command and one response", needs, []string{"ACT-01", "ACT-03", "ACT-32"}, func(s *scene) {
			text := s.t.ID("single response")
			s.replies("ACT-01", actMethod("ProcessUnary"), actRequest(group(actReply(text))), actResponse(text))
			s.said("ACT-03", "the call", calls(actModel, "ProcessUnary", text),
				"command "+actModel+" ProcessUnary payload", "half-close", "response reply '"+text+"'", "status OK")
		}),
		pairCase("act/pair/streamed-in", "a call with many requests has one response", needs, []string{"ACT-04", "ACT-15", "ACT-07"}, func(s *scene) {
			text := s.t.ID("response")
			c := s.opens("ProcessStreamedIn")
			c.sends(actRequest(group(actReply("overridden"))))
			c.sends(actRequest(group(actReply(text))))
			c.closes()
			c.gets("ACT-15", text)
			c.completes("ACT-15")
			s.said("ACT-04", "the call", calls(actModel, "ProcessStreamedIn", text),
				"command "+actModel+" ProcessStreamedIn", "command payload", "command payload", "half-close", "response reply '"+text+"'", "status OK")
		}),
		pairCase("act/pair/streamed-out", "a call with one request has many responses, in their order", needs, []string{"ACT-16", "ACT-08", "ACT-29"}, func(s *scene) {
			texts := []string{s.t.ID("A"), s.t.ID("B"), s.t.ID("C")}
			c := s.opens("ProcessStreamedOut")
			var groups []*model.ProcessGroup
			want := []string{"command " + actModel + " ProcessStreamedOut payload", "half-close"}
			for _, text := range texts {
				groups = append(groups, group(actReply(text)))
				want = append(want, "response reply '"+text+"'")
			}
			c.sends(actRequest(groups...))
			c.closes()
			for _, text := range texts {
				c.gets("ACT-29", text)
			}
			c.completes("ACT-08")
			s.said("ACT-16", "the call", calls(actModel, "ProcessStreamedOut", texts[0]), append(want, "status OK")...)
		}),
		pairCase("act/pair/streamed", "messages pass both ways as they come", needs, []string{"ACT-04", "ACT-17", "ACT-08", "ACT-29"}, func(s *scene) {
			texts := []string{s.t.ID("X"), s.t.ID("Y"), s.t.ID("Z")}
			c := s.opens("ProcessStreamed")
			want := []string{"command " + actModel + " ProcessStreamed"}
			for _, text := range texts {
				c.sends(actRequest(group(actReply(text))))
				c.gets("ACT-29", text)
				want = append(want, "command payload", "response reply '"+text+"'")
			}
			c.closes()
			c.completes("ACT-17")
			s.said("ACT-04", "the call", calls(actModel, "ProcessStreamed", texts[0]), append(want, "half-close", "status OK")...)
		}),
		pairCase("act/pair/forwards-and-effects", "forwards and side effects of a unary call are calls of the other action", needs,
			[]string{"ACT-20", "ACT-21", "FWD-01", "FWD-23"}, func(s *scene) {
				forwarded, affected, text := s.t.ID("forwarded"), s.t.ID("affected"), s.t.ID("reply")
				s.replies("ACT-20", actMethod("ProcessUnary"), actRequest(group(actForward(forwarded))), actResponse(""))
				s.said("ACT-20", "the forwarding call", calls(actModel, "ProcessUnary", forwarded),
					"command "+actModel+" ProcessUnary payload", "half-close", forward, "status OK")
				other := []string{"command " + actTwo + " Call payload", "half-close", "response reply ''", "status OK"}
				s.said("ACT-20", "the forwarded call", calls(actTwo, "Call", forwarded), other...)
				s.replies("ACT-21", actMethod("ProcessUnary"), actRequest(group(actReply(text), actEffect(affected, true))), actResponse(text))
				s.said("ACT-21", "the call with an effect", calls(actModel, "ProcessUnary", text),
					"command "+actModel+" ProcessUnary payload", "half-close", "response reply '"+text+"'"+effect+" synchronous", "status OK")
				s.said("ACT-21", "the effect", calls(actTwo, "Call", affected), other...)
			}),
		pairCase("act/pair/streamed-forwards-and-effects", "in a streamed call a forward brings the other's reply, and an effect alone sends the client nothing", needs,
			[]string{"ACT-20", "ACT-21", "SERV-12", "ACT-31"}, func(s *scene) {
				forwarded, affected, last := s.t.ID("forwarded"), s.t.ID("affected"), s.t.ID("last")
				c := s.opens("ProcessStreamed")
				c.sends(actRequest(group(actForward(forwarded))))
				c.gets("ACT-20", "")
				c.sends(actRequest(group(actEffect(affected, false))))
				c.sends(actRequest(group(actReply(last))))
				c.gets("SERV-12", last)
				c.closes()
				c.completes("ACT-08")
				other := []string{"command " + actTwo + " Call payload", "half-close", "response reply ''", "status OK"}
				s.said("ACT-20", "the forwarded call", calls(actTwo, "Call", forwarded), other...)
				s.said("ACT-21", "the effect", calls(actTwo, "Call", affected), other...)
			}),
		pairCase("act/pair/failures", "failures end the client's call with their description, in a streamed call also the call to the user function", needs,
			[]string{"ACT-19", "SERV-10", "SERV-11"}, func(s *scene) {
				s.fails("SERV-10", actMethod("ProcessUnary"), actRequest(group(actFail("expected failure"))), &model.Response{}, "expected failure")
				before := s.t.ID("before")
				c := s.opens("ProcessStreamed")
				c.sends(actRequest(group(actReply(before))))
				c.gets("ACT-29", before)
				c.sends(actRequest(group(actFail("expected failure"), actEffect("x", true))))
				_, err := c.RecvBytes()
				s.t.Status(err, codes.Unknown, "expected failure", suite.Failure{Requirement: "ACT-19"})
				pick := calls(actModel, "ProcessStreamed", before)
				s.t.Check(s.t.Intercept().Await(s.ctx, "the proxy to cancel its call after the failure", func(messages []trace.Message) bool {
					lines := pick(messages)
					return len(lines) > 0 && lines[len(lines)-1] == "cancel"
				}), suite.Failure{Requirement: "ACT-19"})
			}),
	}
}
