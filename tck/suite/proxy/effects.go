package proxy

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// effectCases covers the side effects of area FWD.
func effectCases() []suite.Case {
	return slices.Concat(
		effectCasesOf(eventSourced), effectCasesOf(valueBased),
		effectChainCasesOf(eventSourced), effectChainCasesOf(valueBased),
		effectActionCases(),
	)
}

// repliesWith answers the last command with text and these side effects.
func (i *instance) repliesWith(text string, effects ...*cloudstate.SideEffect) {
	i.reply(answer{action: replied(i.e.k.response(text)), effects: effects})
}

func effectCasesOf(k *kind) []suite.Case {
	return []suite.Case{
		k.inCore("fwd", "effect", "a side effect is carried out once, on the active instance of its target, and its outcome is not the client's",
			requires("FWD-05", "FWD-17", "FWD-18", "FWD-10", "FWD-15"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				c := e.callWith(s.ctx, "effects", metadata.Pairs("x-original", "value"))
				i := e.opens("FWD-05")
				i.commandWith("FWD-15", "effects", textMetadata("x-original", "value"))
				with := target.effect("second", false)
				with.Metadata = textMetadata("x-effect", "one", "x-effect", "two")
				i.repliesWith("from the entity", target.effect("first", true), with)
				ti := target.opens("FWD-05")
				ti.command("FWD-15", "first")
				ti.replies("of no interest", "A")
				ti.commandWith("FWD-15", "second", with.Metadata)
				ti.replies("of no interest")
				c.replies("FWD-10", k.response("from the entity"))
				ti.asks("FWD-18", "barrier")
				target.unopened("FWD-17", "its instance is active")
				ti.restart("FWD-05", "A")
			}),
		k.inCore("fwd", "effects-in-order", "side effects start in the order of the list, and before a forward",
			requires("FWD-09", "FWD-13"), func(s *scene) {
				// An order that came about by chance shows in one of many rounds.
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				var i, ti *instance
				for round := range 10 {
					var effects []*cloudstate.SideEffect
					for n := range 8 {
						effects = append(effects, target.effect(fmt.Sprint("effect ", n), false))
					}
					c := e.call("effects")
					if round == 0 {
						i = e.opens("FWD-09")
					}
					i.command("FWD-09", "effects")
					i.reply(answer{action: target.forward("forwarded"), effects: effects})
					if round == 0 {
						ti = target.opens("FWD-09")
					}
					for n := range effects {
						ti.command("FWD-09", fmt.Sprint("effect ", n))
						ti.replies("")
					}
					ti.command("FWD-13", "forwarded")
					ti.replies("forwarded")
					c.replies("FWD-13", k.response("forwarded"))
				}
			}),
		k.inCore("fwd", "effect-synchronous", "a synchronous side effect ends before the next one starts, before a forward and before the reply",
			requires("FWD-23", "FWD-13"), func(s *scene) {
				e, first, second, target := s.entity(k, k.model), s.entity(k, k.two), s.entity(k, k.two), s.entity(k, k.two)
				c := e.call("effects")
				i := e.opens("FWD-23")
				i.command("FWD-23", "effects")
				i.repliesWith("done", first.effect("first", true), second.effect("second", true))
				fi := first.opens("FWD-23")
				fi.command("FWD-23", "first")
				s.roundTrips(10)
				second.unopened("FWD-23", "the synchronous side effect before it has not ended")
				c.waits("FWD-23", "its synchronous side effects have ended")
				fi.replies("")
				si := second.opens("FWD-23")
				si.command("FWD-23", "second")
				s.roundTrips(10)
				c.waits("FWD-23", "its synchronous side effects have ended")
				si.fails("a failure ends it as well", false)
				c.replies("FWD-10", k.response("done"))

				c = e.call("forwards")
				i.command("FWD-13", "forwards")
				i.reply(answer{action: target.forward("forwarded")}.with(first.effect("third", true)))
				fi.command("FWD-13", "third")
				s.roundTrips(10)
				target.unopened("FWD-13", "the synchronous side effect before the forward has not ended")
				fi.replies("")
				ti := target.opens("FWD-13")
				ti.command("FWD-13", "forwarded")
				ti.replies("forwarded")
				c.replies("FWD-13", k.response("forwarded"))
			}),
		k.inCore("fwd", "effect-asynchronous", "nothing waits for the end of a side effect that is not synchronous",
			requires("FWD-24"), func(s *scene) {
				e, first, second := s.entity(k, k.model), s.entity(k, k.two), s.entity(k, k.two)
				c := e.call("effects")
				i := e.opens("FWD-24")
				i.command("FWD-24", "effects")
				i.repliesWith("done", first.effect("first", false), second.effect("second", true))
				fi := first.opens("FWD-24")
				fi.command("FWD-24", "first")
				si := second.opens("FWD-24")
				si.command("FWD-24", "second")
				si.replies("")
				c.replies("FWD-24", k.response("done"))
				i.asks("FWD-24", "next")
				fi.replies("")
				fi.asks("FWD-24", "barrier")
			}),
		k.inCore("fwd", "effect-outcome", "whatever becomes of a side effect, its command's answer stays as it is; an unknown target is reported",
			requires("FWD-10", "FWD-07", "FWD-06"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				i := e.put("FWD-10", "kept")
				for _, synchronous := range []bool{true, false} {
					for _, u := range unknownTargets(k) {
						c := e.call("effects")
						i.command("FWD-10", "effects")
						i.repliesWith("done", &cloudstate.SideEffect{
							ServiceName: u.service, CommandName: u.command, Payload: pack(k.request(e.id, "")), Synchronous: synchronous,
						})
						c.replies("FWD-10", k.response("done"))
						reports(s, "FWD-07", u.text)
					}
					keyless := target.effect("", synchronous)
					keyless.Payload = pack(k.request("", ""))
					unreadable := target.effect("", synchronous)
					unreadable.Payload.Value = []byte{0x0a, 0xff}
					c := e.call("effects")
					i.command("FWD-10", "effects")
					i.repliesWith("done", keyless, unreadable, target.effect("broken", synchronous))
					ti := target.opens("FWD-10")
					ti.command("FWD-10", "broken")
					ti.says(k.nothing)
					ti.Complete()
					c.replies("FWD-10", k.response("done"))
				}
				i.asks("FWD-10", "still served")
				e.unopened("FWD-10", "its instance is active")
			}),
		k.inCore("fwd", "effect-failed-forward", "the side effects of a command whose forward fails are run",
			requires("FWD-28", "FWD-08"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				c := e.call("effects")
				i := e.opens("FWD-28")
				i.command("FWD-28", "effects")
				i.reply(answer{
					action:  forwarded(&cloudstate.Forward{ServiceName: "no.such.Service", CommandName: "Call", Payload: pack(k.request(e.id, ""))}),
					effects: []*cloudstate.SideEffect{target.effect("first", true), target.effect("second", false)},
				})
				ti := target.opens("FWD-28")
				ti.command("FWD-28", "first")
				ti.replies("")
				ti.command("FWD-28", "second")
				ti.replies("")
				c.fails("FWD-08", codes.Internal, "")
			}),
		k.inCore("fwd", "effect-client-gone", "a side effect is carried out also when the client that caused it has gone",
			requires("FWD-29", "SERV-40"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				leaving, leave := context.WithCancel(s.ctx)
				c := e.callWith(leaving, "effects", nil)
				i := e.opens("FWD-29")
				i.command("FWD-29", "effects")
				leave()
				<-c.done
				s.roundTrips(10)
				i.reply(answer{
					action: replied(k.response("")), writes: []string{"kept"},
					effects: []*cloudstate.SideEffect{target.effect("first", true), target.effect("second", false)},
				})
				ti := target.opens("FWD-29")
				ti.command("FWD-29", "first")
				ti.replies("")
				ti.command("FWD-29", "second")
				ti.replies("")
				i.restart("SERV-40", "kept")
			}),
	}
}

// effectChainCasesOf are about side effects that cause others.
func effectChainCasesOf(k *kind) []suite.Case {
	return []suite.Case{
		k.inCore("fwd", "effect-of-effect", "the side effects and the forward that the answer to a side effect asks for are carried out",
			requires("FWD-12"), func(s *scene) {
				e, first, second, target := s.entity(k, k.model), s.entity(k, k.model), s.entity(k, k.two), s.entity(k, k.two)
				for _, synchronous := range []bool{true, false} {
					c := e.call("effects")
					i := e.opens("FWD-12")
					i.command("FWD-12", "effects")
					i.repliesWith("done", first.effect("first", synchronous))
					fi := first.opens("FWD-12")
					fi.command("FWD-12", "first")
					fi.reply(answer{action: target.forward("forwarded"), writes: []string{"A"}}.with(second.effect("second", true)))
					si := second.opens("FWD-12")
					si.command("FWD-12", "second")
					si.replies("")
					ti := target.opens("FWD-12")
					ti.command("FWD-12", "forwarded")
					ti.replies("to nobody")
					c.replies("FWD-12", k.response("done"))
					fi.restart("FWD-12", "A")
					e, first, second, target = s.entity(k, k.model), s.entity(k, k.model), s.entity(k, k.two), s.entity(k, k.two)
				}
			}),
		k.inCore("fwd", "effect-on-itself", "a synchronous side effect of an entity on itself comes to an end",
			requires("FWD-25", "FWD-17"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("first")
				i := e.opens("FWD-25")
				i.command("FWD-25", "first")
				i.reply(answer{action: replied(k.response("first")), writes: []string{"A"}}.with(e.effect("second", true)))
				i.command("FWD-25", "second")
				s.roundTrips(5)
				c.waits("FWD-23", "its synchronous side effect has ended")
				i.reply(answer{action: replied(k.response("second")), writes: []string{"B"}}.with(e.effect("third", true)))
				i.command("FWD-25", "third")
				i.replies("third")
				c.replies("FWD-25", k.response("first"))
				i.restart("FWD-25", "A", "B")
			}),
		k.inCore("fwd", "effect-endless", "a chain of side effects that never ends is ended, and the client gets its reply",
			requires("FWD-30", "FWD-10"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("first")
				i := e.opens("FWD-30")
				i.command("FWD-30", "first")
				i.chain(c, "FWD-30", func() answer {
					return answer{action: replied(k.response("done"))}.with(e.effect("again", true))
				})
				c.replies("FWD-30", k.response("done"))
				i.asks("FWD-30", "still served")
			}),
	}
}
