package proxy

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const keyHeader = "idempotency-key"

// keyed is a call with an idempotency key.
func (e *entity) keyed(key, text string) *call {
	return e.callWith(e.ctx, text, metadata.Pairs(keyHeader, key))
}

// keyedCommand receives a command that came with key; the user function sees it as any header (META-02).
func (i *instance) keyedCommand(requirement, key, text string) {
	i.commandWith(requirement, text, textMetadata(keyHeader, key))
}

// does makes a keyed call that stores values, and answers it with text.
func (i *instance) does(requirement, key, text string, values ...string) {
	c := i.e.keyed(key, text)
	i.keyedCommand(requirement, key, text)
	i.replies(text, values...)
	c.replies(requirement, i.e.k.response(text))
}

// remembers makes a keyed call that must be answered with text although the user function answers nothing: the next message on its
// stream is a later command.
func (i *instance) remembers(requirement, key, text string) {
	i.e.keyed(key, text).replies(requirement, i.e.k.response(text))
}

func idempotencyCases() []suite.Case {
	return slices.Concat(idempotencyCasesOf(eventSourced), idempotencyCasesOf(valueBased), idempotencyOnce())
}

func idempotencyCasesOf(k *kind) []suite.Case {
	on := func(name, title string, requirements []string, run func(s *scene)) suite.Case {
		c := k.inCore("idem", name, title, requirements, run)
		c.Needs = append(c.Needs, suite.NeedIdempotency)
		return c
	}
	killed := on("killed", "what is remembered outlives a kill of the proxy, as the state does", requires("IDEM-07", "IDEM-04"), func(s *scene) {
		e := s.entity(k, k.model)
		i := e.put("IDEM-07", "A")
		i.does("IDEM-07", "key", "done", "B")
		s.killAndStart()
		c := e.keyed("key", "done")
		i = e.opens("IDEM-07", "A", "B")
		c.replies("IDEM-04", k.response("done"))
		i.asks("IDEM-03", "barrier")
	})
	killed.Needs = append(killed.Needs, suite.NeedDurableStore, suite.NeedProxyProcess)
	cases := []suite.Case{
		killed,
		on("again", "a later try is answered as the first one was, and is not sent to the user function",
			requires("IDEM-03", "IDEM-04", "IDEM-01", "META-02"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("IDEM-03", "A")
				i.does("IDEM-01", "key", "done", "B")
				for range 3 {
					i.remembers("IDEM-04", "key", "done")
				}
				i.asks("IDEM-03", "barrier")
				// It is still so behind other commands with keys and without.
				i.does("IDEM-03", "other", "other", "C")
				i.asksStoring("IDEM-01", "without", "D")
				i.asksStoring("IDEM-01", "without", "E")
				i.remembers("IDEM-04", "other", "other")
				i.remembers("IDEM-04", "key", "done")
				i = i.restart("IDEM-03", "A", "B", "C", "D", "E")
				i.remembers("IDEM-07", "key", "done")
				i.asks("IDEM-03", "barrier")
			}),
		on("metadata", "a later try gets the reply's metadata, and one without a client action what the first one got",
			requires("IDEM-04"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("IDEM-04")
				first := e.keyed("key", "text")
				i.keyedCommand("IDEM-04", "key", "text")
				i.reply(answer{action: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
					Reply: &cloudstate.Reply{Payload: pack(k.response("with metadata")), Metadata: textMetadata("x-reply", "one", "x-reply", "two")},
				}}, writes: []string{"A"}})
				first.replies("IDEM-04", k.response("with metadata"))
				second := e.keyed("key", "text")
				second.replies("IDEM-04", k.response("with metadata"))
				got := second.answer.Header.Get("x-reply")
				s.t.Require(slices.Equal(got, []string{"one", "two"}), suite.Failure{
					Requirement: "IDEM-04", Expected: `response headers x-reply: "one" and "two"`, Got: fmt.Sprintf("%q", got),
				})
				silent := e.keyed("silent", "silent")
				i.keyedCommand("IDEM-04", "silent", "silent")
				i.reply(answer{writes: []string{"B"}})
				silent.fails("SERV-31", codes.Internal, "")
				e.keyed("silent", "silent").fails("IDEM-04", codes.Internal, "")
				i.asks("IDEM-03", "barrier")
			}),
		on("another-command", "another command with the key of one that is remembered is refused",
			requires("IDEM-05", "IDEM-03"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("IDEM-05")
				i.does("IDEM-05", "key", "done", "A")
				e.keyed("key", "something else").fails("IDEM-05", codes.FailedPrecondition, "")
				e.keyed("key", "").fails("IDEM-05", codes.FailedPrecondition, "")
				i.remembers("IDEM-04", "key", "done")
				i.asks("IDEM-05", "barrier")
			}),
		on("malformed", "a malformed key is refused, and one of 128 characters is not",
			requires("IDEM-02"), func(s *scene) {
				e := s.entity(k, k.model)
				for _, keys := range [][]string{{""}, {"two words"}, {strings.Repeat("k", 129)}, {"one", "one"}} {
					md := metadata.MD{keyHeader: keys}
					e.callWith(e.ctx, "refused", md).fails("IDEM-02", codes.InvalidArgument, "")
				}
				e.unopened("IDEM-02", "every call so far had a malformed key")
				longest := strings.Repeat("!~", 64)
				c := e.keyed(longest, "text")
				i := e.opens("IDEM-02")
				i.keyedCommand("IDEM-02", longest, "text")
				i.replies("done", "A")
				c.replies("IDEM-02", k.response("done"))
				e.keyed(longest, "text").replies("IDEM-04", k.response("done"))
				i.asks("IDEM-03", "barrier")
			}),
		on("in-flight", "a second try waits for the first, and gets its answer; when that failed, it is sent",
			requires("IDEM-15", "IDEM-03"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("IDEM-15")
				first := e.keyed("key", "text")
				i.keyedCommand("IDEM-15", "key", "text")
				second, third := e.keyed("key", "text"), e.keyed("key", "text")
				s.roundTrips(10)
				i.quiet("IDEM-15", "a command with the same key is in flight")
				second.waits("IDEM-15", "the first try is answered")
				i.fails("not now", false)
				first.fails("SERV-10", codes.Unknown, "not now")
				i.keyedCommand("IDEM-14", "key", "text")
				i.replies("done", "A")
				second.replies("IDEM-15", k.response("done"))
				third.replies("IDEM-15", k.response("done"))
				i.asks("IDEM-03", "barrier")
			}),
		on("without-effect", "a command that failed or changed no state is sent again",
			requires("IDEM-14"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("IDEM-14")
				for range 2 {
					c := e.keyed("key", "reads")
					i.keyedCommand("IDEM-14", "key", "reads")
					i.replies("read")
					c.replies("IDEM-14", k.response("read"))
				}
				// So a key may be used for another command, as long as none had an effect.
				for range 2 {
					c := e.keyed("key", "fails")
					i.keyedCommand("IDEM-14", "key", "fails")
					i.fails("no", false)
					c.fails("IDEM-14", codes.Unknown, "no")
				}
				i.does("IDEM-14", "key", "writes", "A")
				i.remembers("IDEM-04", "key", "writes")
				i.asks("IDEM-03", "barrier")
			}),
		on("entities-apart", "a key means nothing to another entity",
			requires("IDEM-16"), func(s *scene) {
				e := s.entity(k, k.model)
				e.put("IDEM-16").does("IDEM-16", "key", "one", "A")
				for _, other := range []*entity{s.entity(k, k.model), s.entityOf(k, k.two, e.id)} {
					other.put("IDEM-16").does("IDEM-16", "key", "two", "B")
				}
			}),
		on("passivation", "what is remembered outlives passivation",
			requires("IDEM-07", "IDEM-03"), func(s *scene) {
				idle := k.byKind("ES-45", "VE-24")
				e := s.entity(k, k.configured)
				c := e.keyed("key", "text")
				i := e.opens("IDEM-07")
				i.keyedCommand("IDEM-07", "key", "text")
				i.replies("done", "A")
				c.replies("IDEM-07", k.response("done"))
				i.passivates(idle)
				i.Complete()
				c = e.keyed("key", "text")
				i = e.opens("IDEM-07", "A")
				c.replies("IDEM-07", k.response("done"))
				// Were it sent, it would be there before the half-close.
				i.passivates("IDEM-03")
			}),
		on("effects", "side effects are not run again, and have no key, whatever their metadata says",
			requires("IDEM-09", "IDEM-13"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				i, ti := e.put("IDEM-09"), target.put("IDEM-09")
				effect := target.effect("effect", true)
				effect.Metadata = textMetadata(keyHeader, "key")
				c := e.keyed("key", "text")
				i.keyedCommand("IDEM-09", "key", "text")
				i.reply(answer{action: replied(k.response("done")), writes: []string{"A"}, effects: []*cloudstate.SideEffect{effect, effect}})
				for _, value := range []string{"B", "C"} {
					ti.keyedCommand("IDEM-13", "key", "effect")
					ti.replies("", value)
				}
				c.replies("IDEM-09", k.response("done"))
				e.keyed("key", "text").replies("IDEM-04", k.response("done"))
				ti.asks("IDEM-09", "barrier")
				i.asks("IDEM-09", "barrier")
				// A client's command with that key is another one.
				ti.does("IDEM-13", "key", "effect", "D")
			}),
		on("forward", "a remembered forward is followed again, to a target that remembers, too",
			requires("IDEM-11", "IDEM-04", "IDEM-13"), func(s *scene) {
				e, target := s.entity(k, k.model), s.entity(k, k.two)
				i, ti := e.put("IDEM-11"), target.put("IDEM-11")
				c := e.keyed("key", "text")
				i.keyedCommand("IDEM-11", "key", "text")
				i.reply(answer{action: target.forward("forwarded"), writes: []string{"A"}})
				ti.command("IDEM-11", "forwarded")
				ti.fails("not now", false)
				c.fails("FWD-01", codes.Unknown, "not now")
				// The first half is done, the second is not.
				c = e.keyed("key", "text")
				ti.command("IDEM-11", "forwarded")
				ti.replies("done", "B")
				c.replies("IDEM-04", k.response("done"))
				for range 2 {
					e.keyed("key", "text").replies("IDEM-04", k.response("done"))
				}
				ti.asks("IDEM-11", "barrier")
				i.asks("IDEM-03", "barrier")
				// The target takes the same command for another one when it comes in another way.
				ti.does("IDEM-11", "key", "forwarded", "C")
				other := s.entity(k, k.model)
				oi := other.put("IDEM-11")
				c = other.keyed("key", "text")
				oi.keyedCommand("IDEM-11", "key", "text")
				oi.reply(answer{action: target.forward("forwarded")})
				ti.command("IDEM-11", "forwarded")
				ti.replies("another", "D")
				c.replies("IDEM-11", k.response("another"))
			}),
		on("forward-to-itself", "a chain of forwards may come to one entity twice, and only what changed no state is asked again",
			requires("IDEM-11", "IDEM-14"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("IDEM-11")
				c := e.keyed("key", "first")
				i.keyedCommand("IDEM-11", "key", "first")
				i.reply(answer{action: e.forward("second")})
				i.command("IDEM-11", "second")
				i.reply(answer{action: e.forward("third"), writes: []string{"A"}})
				i.command("IDEM-11", "third")
				i.replies("done", "B")
				c.replies("IDEM-11", k.response("done"))
				c = e.keyed("key", "first")
				i.keyedCommand("IDEM-14", "key", "first")
				i.reply(answer{action: e.forward("second")})
				c.replies("IDEM-11", k.response("done"))
				i.asks("IDEM-11", "barrier")
			}),
		on("long-answer", "a long answer may be forgotten, but not that the command was carried out",
			requires("IDEM-12", "IDEM-03"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("IDEM-12")
				short := strings.Repeat("s", 900)
				i.does("IDEM-04", "short", short, "A")
				// The first one is of a length that may use up what is kept of all answers together, but for a little.
				for _, size := range []int{32_000, 1 << 20} {
					key, long := fmt.Sprint("long-", size), strings.Repeat("l", size)
					i.does("IDEM-12", key, long, "B")
					i.remembers("IDEM-04", "short", short)
					c := e.keyed(key, long)
					<-c.done
					if c.err != nil {
						c.fails("IDEM-12", codes.AlreadyExists, "")
					} else {
						c.replies("IDEM-04", k.response(long))
					}
				}
				i.asks("IDEM-03", "barrier")
			}),
	}
	viaAction := on("forwarded-by-an-action", "an action is called at each try; the entity that it forwards to remembers",
		requires("IDEM-14", "IDEM-11"), func(s *scene) {
			e := s.entity(k, k.model)
			i := e.put("IDEM-11")
			a := s.action(model.ActionService, "ProcessUnary")
			for try := range 3 {
				c := s.callWith(s.ctx, "/"+model.ActionService+"/ProcessUnary", &actmodel.Request{}, said(""), metadata.Pairs(keyHeader, "key"))
				in := a.next("IDEM-14")
				a.receive(in, "IDEM-14")
				in.answers(e.forward("forwarded"))
				if try == 0 {
					i.command("IDEM-11", "forwarded")
					i.reply(answer{action: replied(said("done")), writes: []string{"A"}})
				}
				c.replies("IDEM-11", said("done"))
			}
			i.asks("IDEM-11", "barrier")
		})
	viaAction.Needs = append(viaAction.Needs, suite.Action)
	return append(cases, viaAction)
}

// idempotencyOnce are the cases that differ by kind.
func idempotencyOnce() []suite.Case {
	window := eventSourced.inCore("idem", "window", "a command is remembered behind many events and a snapshot", requires("IDEM-06"), func(s *scene) {
		e := s.entity(eventSourced, eventSourced.model)
		i := e.put("IDEM-06")
		i.does("IDEM-06", "key", "done", "A")
		var journal []string
		for n := range 990 {
			journal = append(journal, fmt.Sprint("event ", n))
		}
		i.snapshot("many", "state", journal...)
		i.asksStoring("IDEM-06", "more", "B", "C")
		i.remembers("IDEM-06", "key", "done")
		i.asks("IDEM-03", "barrier")
		// And by an instance that begins with the snapshot.
		journal = slices.Concat([]string{"A"}, journal, []string{"B", "C"})
		i = i.restartAt(991, "state", journal)
		i.remembers("IDEM-06", "key", "done")
		i.asks("IDEM-03", "barrier")
	})
	recent := valueBased.inCore("idem", "recent", "a value remembers the last commands that set it, until it is deleted", requires("IDEM-08", "IDEM-17"), func(s *scene) {
		e := s.entity(valueBased, valueBased.model)
		i := e.put("IDEM-08")
		for n := range 16 {
			i.does("IDEM-08", fmt.Sprint(n), fmt.Sprint("done ", n), fmt.Sprint("value ", n))
			i.asksStoring("IDEM-08", "without", "value")
		}
		for n := range 16 {
			i.remembers("IDEM-08", fmt.Sprint(n), fmt.Sprint("done ", n))
		}
		i.asks("IDEM-08", "barrier")
		c := e.keyed("delete", "deletes")
		i.keyedCommand("IDEM-17", "delete", "deletes")
		i.says(veOut(&valueentity.ValueEntityReply{CommandId: i.last, ClientAction: replied(e.k.response("deleted")), StateAction: veDelete()}))
		c.replies("IDEM-17", e.k.response("deleted"))
		i.does("IDEM-17", "0", "done 0", "again")
		i.remembers("IDEM-08", "0", "done 0")
		i.asks("IDEM-08", "barrier")
	})
	for _, c := range []*suite.Case{&window, &recent} {
		c.Needs = append(c.Needs, suite.NeedIdempotency)
	}
	return []suite.Case{window, recent}
}
