package frontend

import (
	"context"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// valueEntityFailureCases covers commands that fail by the user's own decision, and commands that cannot be handled.
func valueEntityFailureCases() []suite.Case {
	return []suite.Case{
		veCase("failure", "a failed command is answered by a failure with its id and description, and by nothing else", requires("VE-18"),
			func(v *veStream) {
				v.process(veFail("expected failure"))
				v.expect("VE-18", failed("expected failure"))
			}),
		veCase("failure-keeps-the-stream", "the stream and the state go on after a failed command", requires("VE-54"),
			func(v *veStream) {
				v.reads("VE-07", "")
				v.process(update("one"))
				v.expect("VE-11", veState("one"), veUpdated("one"))
				v.process(veFail("expected failure"))
				v.expect("VE-18", failed("expected failure"))
				v.reads("VE-54", "one")
			}),
		veFree("failure-keeps-no-state", "a state that a failing command set is neither sent nor kept", requires("VE-42", "VE-41"),
			failureKeepsNoState),
		veCase("failure-drops-side-effects", "side effects that a failing command asked for are not sent", requires("VE-41"),
			func(v *veStream) {
				v.process(veEffect("dropped", false), veEffect("too", true), veFail("another failure"))
				v.expect("VE-41", failed("another failure"))
				v.reads("VE-41", "")
			}),
		veCase("failure-drops-forward", "a command that forwards and then fails has failed", requires("VE-18"),
			func(v *veStream) {
				v.process(veForward("dropped"), veFail("expected failure"))
				v.expect("VE-18", failed("expected failure"))
				v.reads("VE-18", "")
			}),
		veCannotHandle("unknown-command", "a command that the service does not have fails, and costs no more than its own stream", "NoSuchMethod",
			pack(&model.Request{Id: "x"}).GetValue()),
		veCannotHandle("broken-payload", "a payload that is no such message fails its command, and costs no more than its own stream", "Process",
			[]byte{0xff, 0xff, 0xff}),
	}
}

// failureKeepsNoState fails a command after it set, and one after it deleted, the state, and shows by the next answers that
// nothing of it is left: on the same stream, or, if the failure asks for a restart, on a new one.
func failureKeepsNoState(ctx context.Context, t *suite.T) {
	p, id := dial(ctx, t), t.ID("ve")
	v := openVE(ctx, t, p, id)
	v.initWith("kept")
	for _, step := range []*model.RequestAction{update("lost"), remove()} {
		v.process(step, veFail("expected failure"))
		out, err := v.Recv(ctx)
		t.Check(err, suite.Failure{Requirement: "VE-18", Expected: "a reply with the failure"})
		action := failed("expected failure")
		action.GetFailure().CommandId = v.last
		action.GetFailure().Restart = out.GetReply().GetClientAction().GetFailure().GetRestart()
		t.Equal(&protocol.ValueEntityStreamOut{Message: &protocol.ValueEntityStreamOut_Reply{
			Reply: &protocol.ValueEntityReply{CommandId: v.last, ClientAction: action},
		}}, Normalise(out), suite.Failure{
			Requirement: "VE-41", Remedy: "a failure comes without state action and side effects",
		})
		if action.GetFailure().GetRestart() {
			v.finish()
			v = openVE(ctx, t, p, id)
			v.initWith("kept")
		}
		v.reads("VE-42", "kept")
	}
	v.finish()
}

// veCannotHandle is a case about a command that the frontend cannot bring to the model. It may answer by a failure of the
// command or of the stream; either carries the command's id, and an instance beside it goes on.
func veCannotHandle(name, title, command string, payload []byte) suite.Case {
	return veFree(name, title, requires("VE-18", "VE-55"), func(ctx context.Context, t *suite.T) {
		p := dial(ctx, t)
		bystander := openVE(ctx, t, p, t.ID("ve"))
		bystander.init()
		v := openVE(ctx, t, p, t.ID("ve"))
		v.init()
		v.reads("VE-10", "")
		v.reads("VE-10", "")
		value := pack(&model.Request{})
		value.Value = payload
		v.sent(v.SendCommand(&cloudstate.Command{EntityId: v.id, Id: 3, Name: command, Payload: value}))
		out, err := v.Recv(ctx)
		if code, ended := endedWith(err); !ended || code == codes.OK {
			failure := out.GetFailure()
			if failure == nil {
				failure = out.GetReply().GetClientAction().GetFailure()
			}
			f := suite.Failure{
				Requirement: "VE-55",
				Expected:    "a failure of command 3, as a reply or as a top-level failure, or a status other than OK",
				Got:         describe(out, err),
				Remedy:      "contain what goes wrong in a handler, and answer it by a failure that carries the command's id",
			}
			t.Require(failure.GetCommandId() == 3, f)
			if out.GetReply() != nil {
				f.Requirement = "VE-18"
				t.Require(out.GetReply().GetCommandId() == 3, f)
			}
		}
		bystander.process(update("A"))
		bystander.expect("VE-10", veState("A"), veUpdated("A"))
		bystander.finish()
	})
}

// valueEntityViolationCases covers what a frontend does when the proxy breaks the protocol.
func valueEntityViolationCases() []suite.Case {
	return []suite.Case{
		veViolation("first-message-command", "VE-27", "its first message is a command", func(v *veStream) {
			ignoreEnded(v.t, v.SendCommand(&cloudstate.Command{EntityId: v.id, Id: 1, Name: "Process", Payload: pack(&model.Request{Id: v.id})}))
		}),
		veViolation("first-message-garbage", "VE-27", "its first message is no message at all", func(v *veStream) {
			ignoreEnded(v.t, v.SendRaw([]byte{0xff, 0xff, 0xff, 0xff}))
		}),
		veViolation("first-message-empty", "VE-27", "nothing is set in its first message", func(v *veStream) {
			ignoreEnded(v.t, v.Send(&protocol.ValueEntityStreamIn{}))
		}),
		veViolation("second-init", "VE-28", "init came a second time", func(v *veStream) {
			v.init()
			ignoreEnded(v.t, v.Init(veModel, v.id, nil))
		}),
		veViolation("second-init-later", "VE-28", "init came a second time, after a command", func(v *veStream) {
			v.init()
			v.process(update("A"))
			v.expect("VE-11", veState("A"), veUpdated("A"))
			ignoreEnded(v.t, v.Init(veModel, v.id, nil))
		}),
		veViolation("unknown-service", "VE-29", "init names a service that is not served", func(v *veStream) {
			ignoreEnded(v.t, v.Init("cloudstate.tck.model.NoSuchService", v.id, nil))
		}),
		veViolation("wrong-entity-id", "VE-30", "a command names another entity than init did", func(v *veStream) {
			v.init()
			command := &cloudstate.Command{EntityId: v.id + "-not", Id: 1, Name: "Process", Payload: pack(&model.Request{Id: v.id + "-not"})}
			ignoreEnded(v.t, v.SendCommand(command))
		}),
		veViolation("empty-message", "VE-31", "a message came in which nothing is set", func(v *veStream) {
			v.init()
			ignoreEnded(v.t, v.Send(&protocol.ValueEntityStreamIn{}))
		}),
		veViolation("unknown-message", "VE-31", "a message came in which only a field is set that nobody knows", func(v *veStream) {
			v.init()
			ignoreEnded(v.t, v.SendRaw(unknownField))
		}),
	}
}

// veViolation is a case in which the proxy breaks the protocol: the stream must be failed, and an instance beside it go on.
func veViolation(name, requirement, why string, violate func(v *veStream)) suite.Case {
	title := "a stream fails, and only that stream, when " + why
	return veFree(name, title, requires(requirement), func(ctx context.Context, t *suite.T) {
		p := dial(ctx, t)
		bystander := openVE(ctx, t, p, t.ID("ve"))
		bystander.initWith("A")
		bystander.reads("VE-10", "A")
		v := openVE(ctx, t, p, t.ID("ve"))
		violate(v)
		v.fails(requirement, why)
		bystander.reads(requirement, "A")
		bystander.finish()
	})
}
