package frontend

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// eventSourcedFailureCases covers commands that fail by the user's own decision, and commands that cannot be handled.
func eventSourcedFailureCases() []suite.Case {
	return []suite.Case{
		esCase("failure", "a failed command is answered by a failure with its id and description, and by nothing else", requires("ES-30"),
			func(s *esStream) {
				s.process(esFail("expected failure"))
				s.expect("ES-30", failed("expected failure"))
			}),
		esCase("failure-keeps-the-stream", "the stream and the state go on after a failed command", requires("ES-64"),
			func(s *esStream) {
				s.reads("ES-18", "")
				s.process(emits("1", "2", "3")...)
				s.expect("ES-18", esState("123"), esEvents("1", "2", "3"))
				s.process(esFail("expected failure"))
				s.expect("ES-30", failed("expected failure"))
				s.reads("ES-64", "123")
			}),
		esFree("failure-keeps-no-events", "events that a failing command emitted are neither sent nor kept, and do not count for snapshots",
			requires("ES-32", "ES-31"), failureKeepsNoEvents),
		esCase("failure-drops-side-effects", "side effects that a failing command asked for are not sent", requires("ES-31"),
			func(s *esStream) {
				s.process(esEffect("dropped", false), esEffect("too", true), esFail("expected failure"))
				s.expect("ES-31", failed("expected failure"))
				s.reads("ES-31", "")
			}),
		esCase("failure-drops-forward", "a command that forwards and then fails has failed", requires("ES-30"),
			func(s *esStream) {
				s.process(esForward("dropped"), esFail("expected failure"))
				s.expect("ES-30", failed("expected failure"))
				s.reads("ES-30", "")
			}),
		esCannotHandle("unknown-command", "a command that the service does not have fails, and costs no more than its own stream", "NoSuchMethod",
			pack(&model.Request{Id: "x"}).GetValue()),
		esCannotHandle("broken-payload", "a payload that is no such message fails its command, and costs no more than its own stream", "Process",
			[]byte{0xff, 0xff, 0xff}),
	}
}

// failureKeepsNoEvents fails a command after it emitted, and shows by the next answers that nothing of it is left: on the same
// stream, or, if the failure asks for a restart, on a new one that is replayed as a proxy would.
func failureKeepsNoEvents(ctx context.Context, t *suite.T) {
	p, id := dial(ctx, t), t.ID("es")
	s := openES(ctx, t, p, id)
	s.init()
	s.process(emits("A", "B", "C")...)
	s.expect("ES-18", esState("ABC"), esEvents("A", "B", "C"))
	s.process(emit("4"), emit("5"), esFail("failure 1"), emit("6"))
	restart := expectFailure(s, "failure 1")
	if restart {
		s.finish()
		s = openES(ctx, t, p, id)
		s.init()
		s.replay(1, "A", "B", "C")
	}
	s.reads("ES-32", "ABC")
	s.process(emit("D"))
	s.expect("ES-32", esState("ABCD"), esEvents("D"))
	s.process(emit("x"), esFail("failure 2"), emit("y"))
	if expectFailure(s, "failure 2") {
		s.finish()
		s = openES(ctx, t, p, id)
		s.init()
		s.replay(1, "A", "B", "C", "D")
	}
	s.process(emit("E"))
	out, err := s.Recv(ctx)
	t.Check(err, suite.Failure{Requirement: "ES-32", Expected: "the reply to the command after the failed one"})
	// Whether a snapshot is due here is for the snapshot cases; what it holds must be the state without the failed events.
	want := esReply(s.last, esState("ABCDE"), esEvents("E"))
	if out.GetReply().GetSnapshot() != nil {
		esSnapshot("ABCDE")(want)
	}
	t.Equal(&protocol.EventSourcedStreamOut{Message: &protocol.EventSourcedStreamOut_Reply{Reply: want}}, Normalise(out),
		suite.Failure{Requirement: "ES-32", Remedy: "roll back what a failed command did, or set restart in its failure"})
	s.finish()
}

// expectFailure expects the last command's failure after it emitted events, with restart or without, and returns which.
func expectFailure(s *esStream, description string) (restart bool) {
	out, err := s.Recv(s.ctx)
	s.t.Check(err, suite.Failure{Requirement: "ES-30", Expected: "a reply with the failure " + description})
	restart = out.GetReply().GetClientAction().GetFailure().GetRestart()
	action := failed(description)
	action.GetFailure().Restart = restart
	want := &protocol.EventSourcedStreamOut{Message: &protocol.EventSourcedStreamOut_Reply{Reply: esReply(s.last, action)}}
	s.t.Equal(want, Normalise(out), suite.Failure{
		Requirement: "ES-31", Remedy: "a failure comes without events, snapshot and side effects",
	})
	return restart
}

// esCannotHandle is a case about a command that the frontend cannot bring to the model. It may answer by a failure of the
// command or of the stream; either carries the command's id, and an instance beside it goes on.
func esCannotHandle(name, title, command string, payload []byte) suite.Case {
	return esFree(name, title, requires("ES-30", "ES-44"), func(ctx context.Context, t *suite.T) {
		p := dial(ctx, t)
		bystander := openES(ctx, t, p, t.ID("es"))
		bystander.init()
		s := openES(ctx, t, p, t.ID("es"))
		s.init()
		s.reads("ES-18", "")
		s.reads("ES-18", "")
		value := pack(&model.Request{})
		value.Value = payload
		s.sent(s.SendCommand(&cloudstate.Command{EntityId: s.id, Id: 3, Name: command, Payload: value}))
		out, err := s.Recv(ctx)
		if code, ended := endedWith(err); !ended || code == codes.OK {
			failure := out.GetFailure()
			if failure == nil {
				failure = out.GetReply().GetClientAction().GetFailure()
			}
			f := suite.Failure{
				Requirement: "ES-44",
				Expected:    "a failure of command 3, as a reply or as a top-level failure, or a status other than OK",
				Got:         describe(out, err),
				Remedy:      "contain what goes wrong in a handler, and answer it by a failure that carries the command's id",
			}
			t.Require(failure.GetCommandId() == 3, f)
			if out.GetReply() != nil {
				f.Requirement = "ES-30"
				t.Require(out.GetReply().GetCommandId() == 3, f)
			}
		}
		bystander.process(emit("A"))
		bystander.expect("ES-18", esState("A"), esEvents("A"))
		bystander.finish()
	})
}

// eventSourcedViolationCases covers what a frontend does when the proxy breaks the protocol.
func eventSourcedViolationCases() []suite.Case {
	return []suite.Case{
		esViolation("first-message-command", "ES-11", "its first message is a command", func(s *esStream) {
			ignoreEnded(s.t, s.SendCommand(&cloudstate.Command{EntityId: s.id, Id: 1, Name: "Process", Payload: pack(&model.Request{Id: s.id})}))
		}),
		esViolation("first-message-event", "ES-11", "its first message is an event", func(s *esStream) {
			ignoreEnded(s.t, s.Event(1, &model.Persisted{Value: "A"}))
		}),
		esViolation("first-message-garbage", "ES-11", "its first message is no message at all", func(s *esStream) {
			ignoreEnded(s.t, s.SendRaw([]byte{0xff, 0xff, 0xff, 0xff}))
		}),
		esViolation("first-message-empty", "ES-11", "nothing is set in its first message", func(s *esStream) {
			ignoreEnded(s.t, s.Send(&protocol.EventSourcedStreamIn{}))
		}),
		esViolation("wrong-entity-id", "ES-12", "a command names another entity than init did", func(s *esStream) {
			s.init()
			command := &cloudstate.Command{EntityId: s.id + "-not", Id: 1, Name: "Process", Payload: pack(&model.Request{Id: s.id + "-not"})}
			ignoreEnded(s.t, s.SendCommand(command))
		}),
		esViolation("second-init", "ES-50", "init came a second time", func(s *esStream) {
			s.init()
			ignoreEnded(s.t, s.Init(esModel, s.id))
		}),
		esViolation("second-init-later", "ES-50", "init came a second time, after a command", func(s *esStream) {
			s.init()
			s.process(emit("A"))
			s.expect("ES-18", esState("A"), esEvents("A"))
			ignoreEnded(s.t, s.Init(esModel, s.id))
		}),
		esViolation("unknown-service", "ES-51", "init names a service that is not served", func(s *esStream) {
			ignoreEnded(s.t, s.Init("cloudstate.tck.model.NoSuchService", s.id))
		}),
		esViolation("empty-message", "ES-52", "a message came in which nothing is set", func(s *esStream) {
			s.init()
			ignoreEnded(s.t, s.Send(&protocol.EventSourcedStreamIn{}))
		}),
		esViolation("unknown-message", "ES-52", "a message came in which only a field is set that nobody knows", func(s *esStream) {
			s.init()
			ignoreEnded(s.t, s.SendRaw(unknownField))
		}),
	}
}

// unknownField is a message with nothing but field 99, an empty string.
var unknownField = []byte{0x9a, 0x06, 0x00}

// esViolation is a case in which the proxy breaks the protocol: the stream must be failed, and an instance beside it go on.
func esViolation(name, requirement, why string, violate func(s *esStream)) suite.Case {
	title := "a stream fails, and only that stream, when " + why
	return esFree(name, title, requires(requirement), func(ctx context.Context, t *suite.T) {
		p := dial(ctx, t)
		bystander := openES(ctx, t, p, t.ID("es"))
		bystander.init()
		bystander.process(emit("A"))
		bystander.expect("ES-18", esState("A"), esEvents("A"))
		s := openES(ctx, t, p, t.ID("es"))
		violate(s)
		s.fails(requirement, why)
		bystander.process(emit("B"))
		bystander.expect(requirement, esState("AB"), esEvents("B"))
		bystander.finish()
	})
}
