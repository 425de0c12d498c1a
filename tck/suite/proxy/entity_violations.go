package proxy

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// violation is something that a user function must not do while a command is in flight, and what the client is then told.
type violation struct {
	name, title string
	rule, text  string
	commit      func(i *instance)
	// ends is set when it is the user function that ends the stream.
	ends bool
}

// violations are those that both kinds have in common.
func violations(k *kind) []violation {
	undecodable := func(i *instance) {
		i.e.t.Check(i.SendRaw([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}), suite.Failure{})
	}
	reply := func(id func(i *instance) int64) func(i *instance) {
		return func(i *instance) {
			i.says(k.reply(id(i), answer{action: replied(k.response("wrong")), writes: []string{"wrong"}}))
		}
	}
	failure := func(id func(i *instance) int64) func(i *instance) {
		return func(i *instance) {
			i.says(k.failure(&cloudstate.Failure{CommandId: id(i), Description: "not for clients"}))
		}
	}
	inFlight := func(i *instance) int64 { return i.last }
	after := func(i *instance) int64 { return i.last + 1 }
	before := func(i *instance) int64 { return i.last - 1 }
	none := func(*instance) int64 { return 0 }
	wrongReply, ownFailure := k.byKind("ES-39", "VE-21"), k.byKind("ES-37", "VE-44")
	anyFailure, message, end := k.byKind("ES-38", "VE-44"), k.byKind("ES-56", "VE-46"), k.byKind("ES-40", "VE-45")
	return []violation{
		{"reply-to-later", "a reply with the id of the next command", wrongReply, k.unexpectedReply, reply(after), false},
		{"reply-to-earlier", "a reply with the id of the command before", wrongReply, k.unexpectedReply, reply(before), false},
		{"reply-to-none", "a reply with command id 0", wrongReply, k.unexpectedReply, reply(none), false},
		{"stream-failure", "a failure of the stream with the id of the command in flight", ownFailure, k.unexpectedFailure, failure(inFlight), false},
		{"stream-failure-zero", "a failure of the stream with command id 0", anyFailure, k.unexpectedFailure, failure(none), false},
		{"stream-failure-other", "a failure of the stream with another command's id", anyFailure, k.unexpectedFailure, failure(after), false},
		{"empty-message", "a message in which nothing is set", message, k.unexpectedMessage, func(i *instance) { i.says(k.nothing) }, false},
		{"undecodable-message", "a message that cannot be parsed", message, k.unexpectedMessage, undecodable, false},
		{"stream-completed", "the end of the stream with status OK", end, k.unexpectedEnd, func(i *instance) { i.Complete() }, true},
		{"stream-broken", "the end of the stream with another status", end, k.unexpectedEnd, func(i *instance) { i.Fail(codes.Internal, "not for clients") }, true},
		{"stream-unavailable", "the end of the stream with status UNAVAILABLE, the connection being well", end, k.unexpectedEnd,
			func(i *instance) { i.Fail(codes.Unavailable, "not for clients") }, true},
	}
}

func violationCases(k *kind) []suite.Case {
	var cases []suite.Case
	for _, v := range violations(k) {
		cases = append(cases, k.on(v.name, v.title+" costs the command in flight and its stream, and nothing else",
			append([]string{v.rule}, k.both("ES-57", "VE-48", "ES-65", "VE-53", "ES-15", "VE-09")...), func(s *scene) { v.observe(s, k) }))
	}
	return append(cases,
		k.on("violations-reported", "each protocol violation is reported to the user function, with service and entity id",
			k.both("ES-43", "VE-56"), func(s *scene) {
				for _, v := range violations(k) {
					if v.ends {
						continue
					}
					e := s.entity(k, k.model)
					c := e.call("")
					i := e.opens(v.rule)
					i.command(v.rule, "")
					v.commit(i)
					c.fails(v.rule, codes.Unknown, v.text)
					reports(s, k.byKind("ES-43", "VE-56"), e.service, e.id)
				}
			}),
		k.on("violations-idle", "a message while no command is in flight ends the stream, and the next command starts afresh",
			k.both("ES-38", "VE-44", "ES-39", "VE-21", "ES-56", "VE-46", "ES-57", "VE-48"), func(s *scene) {
				for _, v := range violations(k) {
					if v.ends {
						continue
					}
					e := s.entity(k, k.model)
					i := e.put(v.rule, "kept")
					v.commit(i)
					i.ended(v.rule, "no command was in flight")
					e.startsAfresh(v.rule, "kept")
				}
			}),
		k.on("second-reply", "a second reply to a command ends the stream, and changes nothing",
			k.both("ES-39", "VE-21", "ES-57", "VE-48"), func(s *scene) {
				rule := k.byKind("ES-39", "VE-21")
				e := s.entity(k, k.model)
				c := e.call("once")
				i := e.opens(rule)
				i.command(rule, "once")
				i.replies("first", "first")
				i.replies("second", "second")
				c.replies(rule, k.response("first"))
				i.ended(rule, "it replied twice")
				e.startsAfresh(rule, "first")
			}),
		k.on("end-idle", "an idle stream that the user function ends is replaced for the next command",
			k.both("ES-40", "VE-45", "ES-57", "VE-48"), func(s *scene) {
				rule := k.byKind("ES-40", "VE-45")
				for _, v := range violations(k) {
					if !v.ends {
						continue
					}
					e := s.entity(k, k.model)
					v.commit(e.put(rule, "kept"))
					// Until the proxy has seen the end it may send commands on the old stream, which then fail as those in flight do.
					e.comesBack(k.byKind("ES-57", "VE-48"), codes.Unknown, k.unexpectedEnd, "kept")
				}
			}),
	)
}

// observe commits the violation with a command in flight, beside an instance of another entity that must not notice.
func (v violation) observe(s *scene, k *kind) {
	bystander := s.entity(k, k.model).put(k.byKind("ES-65", "VE-53"), "bystander")
	waiting := bystander.e.call("waiting")
	bystander.command(k.byKind("ES-65", "VE-53"), "waiting")

	e := s.entity(k, k.model)
	i := e.put(v.rule, "kept")
	c := e.call("in flight")
	i.command(v.rule, "in flight")
	v.commit(i)
	c.fails(v.rule, codes.Unknown, v.text)
	if !v.ends {
		i.ended(v.rule, "of "+v.title)
	}
	e.startsAfresh(k.byKind("ES-57", "VE-48"), "kept")

	bystander.replies("waited")
	waiting.replies(k.byKind("ES-65", "VE-53"), k.response("waited"))
	bystander.asks(k.byKind("ES-65", "VE-53"), "unharmed")
}

// startsAfresh makes a call, which must come as command 1 of a new stream that holds stored.
func (e *entity) startsAfresh(requirement string, stored ...string) *instance {
	c := e.call("afresh")
	i := e.opens(requirement, stored...)
	i.command(requirement, "afresh")
	i.replies("afresh")
	c.replies(requirement, e.k.response("afresh"))
	return i
}

// comesBack makes calls until one comes on a new stream that holds stored; those before it must fail with this status.
func (e *entity) comesBack(requirement string, code codes.Code, text string, stored ...string) {
	i, c := e.tries(requirement, code, text)
	i.expect(requirement, e.k.begin(e.service, e.id, stored)...)
	i.serves(requirement, c)
}

// discardCases are about the commands that were queued when an instance was discarded.
func discardCases(k *kind) []suite.Case {
	return []suite.Case{
		k.on("queue-discarded", "commands that were queued when the instance was discarded are answered, each once and none of them carried out",
			append(k.both("ES-41", "VE-47", "ES-57", "VE-48"), "LIM-22"), func(s *scene) {
				for _, v := range violations(k) {
					switch v.name {
					case "reply-to-later", "stream-failure", "empty-message", "stream-completed", "stream-broken":
						v.observeQueue(s, k)
					}
				}
			}),
	}
}

// observeQueue commits the violation with commands queued behind the one in flight. Whether the proxy has accepted a call cannot be seen
// from outside, so calls that came too late, and were served by a new stream, prove nothing: then it is tried again.
func (v violation) observeQueue(s *scene, k *kind) {
	const tries = 10
	rule := k.byKind("ES-41", "VE-47")
	for range tries {
		e := s.entity(k, k.model)
		c := e.call("in flight")
		i := e.opens(rule)
		i.command(rule, "in flight")
		behind := []*call{e.call("behind"), e.call("behind"), e.call("behind")}
		s.roundTrips(10)
		v.commit(i)
		c.fails(v.rule, codes.Unknown, v.text)
		answered, cancel := context.WithCancel(s.ctx)
		go func() {
			for _, b := range behind {
				<-b.done
			}
			cancel()
		}()
		late, err := e.take(answered)
		if err != nil {
			for _, b := range behind {
				b.fails(rule, codes.Unknown, k.terminated)
			}
			i.Complete()
			e.startsAfresh(k.byKind("ES-57", "VE-48"))
			return
		}
		s.t.Cleanup(late.Complete)
		late.expect(rule, k.begin(e.service, e.id, nil)...)
		for {
			if _, err := late.recv(answered); err != nil {
				break
			}
			late.last++
			late.replies("late")
		}
		cancel()
	}
	s.t.Fail(suite.Failure{
		Requirement: rule,
		Expected:    fmt.Sprintf("the clients of queued commands to get UNKNOWN %q after %s", k.terminated, v.title),
		Got:         fmt.Sprintf("in %d tries, commands that had been sent well before came on a new stream", tries),
		Remedy:      "answer what is queued when an instance is discarded; only later commands start afresh",
	})
}
