package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// forwardCases covers the forwards of area FWD.
func forwardCases() []suite.Case {
	return slices.Concat(
		forwardCasesOf(eventSourced),
		forwardCasesOf(valueBased),
		[]suite.Case{{
			ID: "fwd/proxy/forward-to-stream", Title: "a unary call that is forwarded to a method with a streamed response gets INTERNAL",
			Requirements: requires("FWD-21"), Kind: suite.Proxy, Needs: []string{suite.Action},
			Run: func(ctx context.Context, t *suite.T) {
				s := shared(ctx, t)
				forwardsUnary(s, "ProcessStreamedOut").fails("FWD-21", codes.Internal, "")
				forwardsUnary(s, "ProcessStreamed").fails("FWD-21", codes.Internal, "")
			},
		}},
	)
}

// forwardsUnary calls the unary action, which forwards to another method of its service.
func forwardsUnary(s *scene, command string) *call {
	a := s.action(model.ActionService, "ProcessUnary")
	c := s.call("/"+model.ActionService+"/ProcessUnary", &actmodel.Request{}, &actmodel.Response{})
	in := a.next("FWD-21")
	a.receive(in, "FWD-21")
	in.answers(forwarded(&cloudstate.Forward{ServiceName: model.ActionService, CommandName: command, Payload: pack(step("a reply that must not arrive"))}))
	return c
}

// inCore makes a case of a core area that plays on this kind's entities.
func (k *kind) inCore(area, name, title string, requirements []string, run func(s *scene)) suite.Case {
	c := k.on(name, title, requirements, run)
	c.ID = area + "/proxy/" + k.area + "-" + name
	return c
}

func forwardCasesOf(k *kind) []suite.Case {
	return []suite.Case{
		k.inCore("fwd", "forward", "a forward's target is found by its own key, and its reply is the answer",
			requires("FWD-01", "FWD-05", "FWD-17"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				c := e.call("forwards")
				i := e.opens("FWD-01")
				i.command("FWD-01", "forwards")
				i.reply(answer{action: target.forward("forwarded"), writes: []string{"A"}})
				ti := target.opens("FWD-05")
				ti.command("FWD-01", "forwarded")
				c.waits("FWD-01", "the target has replied")
				ti.replies("from the target", "B")
				c.replies("FWD-01", k.response("from the target"))
				c = e.call("again")
				i.command("FWD-17", "again")
				i.reply(answer{action: target.forward("forwarded again")})
				ti.command("FWD-17", "forwarded again")
				ti.replies("again from the target")
				c.replies("FWD-01", k.response("again from the target"))
				ti.asks("FWD-17", "called")
				target.unopened("FWD-17", "its instance is active")
				i.restart("FWD-01", "A")
				ti.restart("FWD-01", "B")
			}),
		k.inCore("fwd", "forward-failure", "the failure of a forward's target is the answer, and changes made before are kept",
			requires("FWD-01", "SERV-33"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				c := e.call("forwards")
				i := e.opens("FWD-01")
				i.command("FWD-01", "forwards")
				i.reply(answer{action: target.forward("forwarded"), writes: []string{"A"}})
				ti := target.opens("FWD-01")
				ti.command("FWD-01", "forwarded")
				ti.reply(answer{action: failed(&cloudstate.Failure{CommandId: 1, Description: "not here", GrpcStatusCode: int32(codes.NotFound)})})
				c.fails("FWD-01", codes.NotFound, "not here")
				i.restart("FWD-01", "A")
			}),
		k.inCore("fwd", "forward-to-itself", "an entity may forward to itself",
			requires("FWD-22", "FWD-17"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("first")
				i := e.opens("FWD-22")
				i.command("FWD-22", "first")
				i.reply(answer{action: e.forward("second"), writes: []string{"A"}})
				i.command("FWD-22", "second")
				i.reply(answer{action: e.forward("third"), writes: []string{"B"}})
				i.command("FWD-22", "third")
				i.replies("third")
				c.replies("FWD-22", k.response("third"))
				i.restart("FWD-22", "A", "B")
			}),
		k.inCore("fwd", "forward-chain", "a chain of sixteen forwards is carried out",
			requires("FWD-02"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("step 0")
				for n := range 16 {
					i := e.opens("FWD-02")
					i.command("FWD-02", fmt.Sprint("step ", n))
					next := s.entity(k, k.model)
					i.reply(answer{action: next.forward(fmt.Sprint("step ", n+1))})
					e = next
				}
				i := e.opens("FWD-02")
				i.command("FWD-02", "step 16")
				i.replies("the end of the chain")
				c.replies("FWD-02", k.response("the end of the chain"))
			}),
		k.inCore("fwd", "forward-endless", "a chain of forwards that never ends is ended with RESOURCE_EXHAUSTED",
			requires("FWD-19", "FWD-02"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("first")
				i := e.opens("FWD-19")
				i.command("FWD-19", "first")
				links := i.chain(c, "FWD-19", func() answer { return answer{action: e.forward("again")} })
				c.fails("FWD-19", codes.ResourceExhausted, "")
				s.t.Require(links >= 16, suite.Failure{
					Requirement: "FWD-02", Expected: "at least 16 forwards", Got: fmt.Sprint(links), Remedy: "allow longer chains",
				})
				i.asks("FWD-19", "still served")
			}),
		k.inCore("fwd", "forward-metadata", "a forwarded command has the forward's metadata and none of the call's",
			requires("FWD-15"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				var ti *instance
				for _, md := range []*cloudstate.Metadata{textMetadata("x-forward", "one", "x-forward", "two"), nil} {
					c := e.callWith(s.ctx, "forwards", metadata.Pairs("x-original", "value"))
					i := e.opens("FWD-15")
					i.commandWith("FWD-15", "forwards", textMetadata("x-original", "value"))
					forward := target.forward("forwarded")
					forward.GetForward().Metadata = md
					i.reply(answer{action: forward})
					if ti == nil {
						ti = target.opens("FWD-15")
					}
					ti.commandWith("FWD-15", "forwarded", md)
					ti.replies("")
					c.replies("FWD-15", k.response(""))
					e = s.entity(k, k.model)
				}
			}),
		k.inCore("fwd", "forward-unknown", "a forward to a target that the user function does not have is INTERNAL and reported, and changes are kept",
			requires("FWD-06", "FWD-07", "FWD-08"), func(s *scene) {
				for _, u := range unknownTargets(k) {
					e := s.entity(k, k.model)
					c := e.call("forwards")
					i := e.opens("FWD-08")
					i.command("FWD-08", "forwards")
					i.reply(answer{action: forwarded(&cloudstate.Forward{
						ServiceName: u.service, CommandName: u.command, Payload: pack(k.request(e.id, "")),
					}), writes: []string{"kept"}})
					<-c.done
					got := status.Convert(c.err)
					s.t.Require(got.Code() == codes.Internal && strings.Contains(got.Message(), u.text), suite.Failure{
						Requirement: "FWD-08", Expected: fmt.Sprintf("status Internal with a description that contains %q", u.text),
						Got: fmt.Sprintf("status %s with the description %q", got.Code(), got.Message()),
					})
					reports(s, "FWD-07", u.text)
					i.asks("FWD-08", "still served")
					i.restart("FWD-08", "kept")
				}
			}),
	}
}

// unknownTarget is a forward or side effect that leads nowhere, and what the user function is told.
type unknownTarget struct{ service, command, text string }

// unknownTargets are services that the user function does not have, among them the proxy's own, and a command that a service does not have.
func unknownTargets(k *kind) []unknownTarget {
	var out []unknownTarget
	for service, command := range map[string]string{
		"no.such.Service": "Call", "": "Call", "grpc.health.v1.Health": "Check", "cloudstate.EntityDiscovery": "discover",
		k.entityType: "handle",
	} {
		out = append(out, unknownTarget{service, command, fmt.Sprintf("Service [%s] unknown", service)})
	}
	slices.SortFunc(out, func(a, b unknownTarget) int { return strings.Compare(a.service, b.service) })
	return append(out, unknownTarget{k.two, "NoSuchCommand", fmt.Sprintf("Service [%s] does not have a command named: [NoSuchCommand]", k.two)})
}

// chain answers each command that the last answer has caused in turn, until the call has ended, and returns how many there were: at most 1,000.
func (i *instance) chain(c *call, requirement string, next func() answer) int {
	const bound = 1000
	ended, cancel := context.WithCancel(i.e.ctx)
	defer cancel()
	go func() { <-c.done; cancel() }()
	for links := 0; ; links++ {
		i.reply(next())
		if _, err := i.recv(ended); err != nil {
			if !c.ended() {
				i.e.t.Check(err, suite.Failure{Requirement: requirement})
			}
			return links
		}
		i.last++
		if links >= bound {
			i.e.t.Fail(suite.Failure{
				Requirement: requirement, Expected: fmt.Sprintf("the chain to be ended after at most %d", bound), Got: "one more",
			})
		}
	}
}

// textMetadata is the metadata of these keys and values, in turn.
func textMetadata(pairs ...string) *cloudstate.Metadata {
	md := &cloudstate.Metadata{}
	for n := 0; n < len(pairs); n += 2 {
		md.Entries = append(md.Entries, &cloudstate.MetadataEntry{
			Key: pairs[n], Value: &cloudstate.MetadataEntry_StringValue{StringValue: pairs[n+1]},
		})
	}
	return md
}
