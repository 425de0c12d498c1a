package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// restartTimeout bounds cases that start a proxy again, some of them twice: each time it may take the minute of STO-15 until it answers.
const restartTimeout = 200 * time.Second

// storeCases covers area STO: what one process of a proxy leaves to the next.
func storeCases() []suite.Case {
	return slices.Concat(
		restartCasesOf(eventSourced), restartCasesOf(valueBased),
		snapshotRestartCases(), valueRestartCases(),
		idCases(eventSourced), idCases(valueBased),
		definitionChangeCases(),
		outageCases(),
	)
}

// overRestarts makes a case about this kind on the shared proxy, which it stops or kills, and starts again.
func (k *kind) overRestarts(name, title string, requirements []string, run func(s *scene)) suite.Case {
	c := k.on(name, title, requirements, run)
	c.ID = "sto/proxy/" + k.area + "-" + name
	c.Needs = append(c.Needs, suite.NeedDurableStore, suite.NeedProxyProcess)
	c.Timeout = restartTimeout
	return c
}

// stopAndStart stops the proxy in an orderly way, with the streams of these instances completed as they are half-closed, and starts it again.
func (s *scene) stopAndStart(instances ...*instance) {
	if err := s.t.Proxy().Signal(); err != nil {
		s.t.KitFault(err)
	}
	for _, i := range instances {
		i.ended("OPS-14", "the proxy was asked to stop")
	}
	s.exits()
	s.start()
}

// tries makes calls until one comes on a new stream; those before it must fail with this status. Nothing has been received from the stream.
func (e *entity) tries(requirement string, code codes.Code, text string) (*instance, *call) {
	for {
		c := e.call("next")
		answered, cancel := context.WithCancel(e.ctx)
		go func() { <-c.done; cancel() }()
		i, err := e.take(answered)
		cancel()
		if err == nil {
			e.t.Cleanup(i.Complete)
			return i, c
		}
		c.fails(requirement, code, text)
		select {
		case <-time.After(again): // leaves the machine to the proxy
		case <-e.ctx.Done():
		}
	}
}

// resumes makes calls until one is served by a new stream that holds stored, and returns the instance. A proxy that was started again may answer
// UNAVAILABLE for a while (STO-15).
func (e *entity) resumes(requirement string, stored ...string) *instance {
	i, c := e.tries("STO-15", codes.Unavailable, "")
	i.expect(requirement, e.k.begin(e.service, e.id, stored)...)
	i.serves(requirement, c)
	return i
}

// serves answers the command of a call that tries has made.
func (i *instance) serves(requirement string, c *call) {
	i.command(requirement, "next")
	i.replies("next")
	c.replies(requirement, i.e.k.response("next"))
}

// held receives what the stream begins with, and the first command, and returns what the instance was given: the snapshot's number if there was a
// snapshot, and the values of the events, or the value.
func (i *instance) held(requirement string) (snapshot int64, values []string) {
	e := i.e
	next := func() any {
		m, err := i.recv(e.ctx)
		e.t.Check(err, suite.Failure{Requirement: requirement})
		return m
	}
	wrong := func(expected string, got any) {
		e.t.Fail(suite.Failure{Requirement: requirement, Expected: expected, Got: fmt.Sprint(got)})
	}
	if e.k == valueBased {
		in, _ := next().(*valueentity.ValueEntityStreamIn)
		if in.GetInit() == nil {
			wrong("init", in)
		}
		if stored := in.GetInit().GetState().GetValue(); stored != nil {
			value := &vemodel.Persisted{}
			e.t.Check(stored.UnmarshalTo(value), suite.Failure{Requirement: requirement})
			values = append(values, value.GetValue())
		}
		i.command(requirement, "next")
		return 0, values
	}
	in, _ := next().(*eventsourced.EventSourcedStreamIn)
	if in.GetInit() == nil {
		wrong("init", in)
	}
	snapshot = in.GetInit().GetSnapshot().GetSnapshotSequence()
	for last := snapshot; ; last++ {
		in, _ = next().(*eventsourced.EventSourcedStreamIn)
		if in.GetCommand() != nil {
			i.last++
			e.t.Equal(i.commandOf("next", nil), in, suite.Failure{Requirement: requirement})
			return snapshot, values
		}
		event := &esmodel.Persisted{}
		if in.GetEvent().GetSequence() != last+1 {
			wrong(fmt.Sprintf("event %d", last+1), trace.Text(in))
		}
		e.t.Check(in.GetEvent().GetPayload().UnmarshalTo(event), suite.Failure{Requirement: requirement})
		values = append(values, event.GetValue())
	}
}

// restartCasesOf are about what both kinds leave to the next process.
func restartCasesOf(k *kind) []suite.Case {
	return []suite.Case{
		k.overRestarts("stop", "after an orderly stop and a start every entity goes on where it was, in order and without a gap",
			append(k.both("ES-06", "VE-06", "ES-07", ""), "STO-14"), func(s *scene) {
				e, other := s.entity(k, k.model), s.entity(k, k.two)
				i, beside := e.put("STO-14", counted(2)...), other.put("STO-14", "another's")
				journal := counted(2)
				// Numbers of one, two and three digits, in replies of one event and of many.
				for n, size := range []int{1, 1, 5, 1, 60, 200, 1} {
					var batch []string
					for range size {
						batch = append(batch, fmt.Sprint(len(journal)+len(batch)+1))
					}
					i.asksStoring("STO-14", fmt.Sprint("step ", n), batch...)
					journal = append(journal, batch...)
				}
				s.stopAndStart(i, beside)
				i = e.resumes("STO-14", journal...)
				journal = append(journal, "one more")
				i.asksStoring("STO-14", "more", "one more")
				beside = other.resumes("STO-14", "another's")
				empty := s.entity(k, k.two).resumes("STO-14")
				s.stopAndStart(i, beside, empty)
				e.resumes("STO-14", journal...)
				other.resumes("STO-14", "another's")
			}),
		k.overRestarts("killed-storing", "a reply whose storing a kill interrupts is stored whole or not at all, and all entities are served again",
			append(k.both("ES-54", "VE-38", "ES-20", "VE-13"), "STO-10", "STO-15"), func(s *scene) {
				for answered := range 3 {
					s.killWhileStoring(k, answered)
				}
			}),
		k.overRestarts("nothing-of-failures", "after a kill nothing is there of failed commands, of violations and of commands that were never answered",
			append(k.both("ES-36", "VE-20"), "STO-19"), func(s *scene) {
				broken, unanswered, lost := s.entity(k, k.model), s.entity(k, k.model), s.entity(k, k.two)
				i := broken.put("STO-19", "kept")
				for _, restart := range []bool{false, true} {
					c := broken.call("fails")
					i.command("STO-19", "fails")
					i.fails("expected failure", restart, "not kept")
					c.fails("STO-19", codes.Unknown, "expected failure")
					i.ended("STO-19", "the failed command had changed the user function's state")
					i = broken.opens("STO-19", "kept")
				}
				c := broken.call("wrong")
				i.command("STO-19", "wrong")
				i.says(k.reply(99, answer{action: replied(k.response("wrong")), writes: []string{"not kept"}}))
				c.fails("STO-19", codes.Unknown, k.unexpectedReply)
				i.ended("STO-19", "the reply was to another command")
				// The user function breaks off with the reply half sent, and another one has not begun it when the proxy is killed.
				ending := lost.put("STO-19", "kept")
				c = lost.call("breaks off")
				ending.command("STO-19", "breaks off")
				ending.Fail(codes.Internal, "the function died")
				c.fails("STO-19", codes.Unknown, k.unexpectedEnd)
				waiting := unanswered.put("STO-19", "kept")
				c = unanswered.call("never answered")
				waiting.command("STO-19", "never answered")
				s.killAndStart()
				<-c.done
				for _, e := range []*entity{broken, unanswered, lost} {
					e.resumes("STO-19", "kept").asksStoring("STO-19", "after", "later")
				}
			}),
		k.overRestarts("sizes", "what the message limit lets through is stored, and is whole after a restart",
			requires("STO-20", "LIM-19"), func(s *scene) {
				long, many := s.entity(k, k.model), s.entity(k, k.model)
				reply := func(text string) string {
					return sized(s.t, accepted, func(value string) proto.Message {
						return k.reply(2, answer{action: replied(k.response(text)), writes: []string{value}})
					})
				}
				i := long.put("STO-20", "first")
				value := reply("long")
				i.asksStoring("STO-20", "long", value)
				values := counted(10000)
				j := many.put("STO-20", "first")
				j.asksStoring("STO-20", "many", values...)
				s.stopAndStart(i, j)
				long.resumes("STO-20", "first", value)
				many.resumes("STO-20", append([]string{"first"}, values...)...)
			}),
	}
}

// killWhileStoring has entities answer at the same time, some with little to store and some with much, and kills the proxy when this many of
// those with little have been answered for: then a proxy that stores a reply bit by bit is in the midst of the others.
func (s *scene) killWhileStoring(k *kind, answered int) {
	const little, entities, each = 2, 6, 40
	batch := make([]string, each)
	for n := range batch {
		batch[n] = fmt.Sprint("batch ", n, strings.Repeat(".", 500))
	}
	type storing struct {
		e      *entity
		i      *instance
		c      *call
		values []string
	}
	all := make([]storing, entities)
	replies := make(chan struct{}, little)
	for n := range all {
		e := s.entity(k, k.model)
		w := storing{e: e, i: e.put("STO-10", "kept"), c: e.call("writes"), values: batch}
		w.i.command("STO-10", "writes")
		if n < little {
			w.values = batch[:1]
			go func() { <-w.c.done; replies <- struct{}{} }()
		}
		all[n] = w
	}
	for _, w := range slices.Backward(all) {
		a := k.reply(w.i.last, answer{action: replied(k.response("written")), writes: w.values})
		if out, ok := a.(*eventsourced.EventSourcedStreamOut); ok {
			out.GetReply().Snapshot = pack(&esmodel.Persisted{Value: "state"})
		}
		w.i.says(a)
	}
	for range answered {
		<-replies
	}
	s.killAndStart()
	for _, w := range all {
		<-w.c.done
		i, c := w.e.tries("STO-15", codes.Unavailable, "")
		snapshot, values := i.held("STO-10")
		i.replies("next")
		c.replies("STO-10", k.response("next"))
		whole, none := append([]string{"kept"}, w.values...), []string{"kept"}
		if k == valueBased {
			whole = w.values[len(w.values)-1:]
		}
		if snapshot > 0 {
			whole, none = nil, nil
		}
		stored := slices.Equal(values, whole) && (snapshot == 0 || snapshot == int64(len(w.values))+1)
		s.t.Require(stored || w.c.err != nil && slices.Equal(values, none) && snapshot == 0, suite.Failure{
			Requirement: "STO-10",
			Expected:    fmt.Sprintf("all %d values of the reply or, when its client has none, what was before", len(w.values)),
			Got:         fmt.Sprintf("%d values, after a snapshot at %d; the client's call: %v", len(values), snapshot, w.c.err),
		})
	}
}
