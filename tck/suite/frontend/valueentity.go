package frontend

import (
	"context"
	"fmt"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// valueEntityCases covers replies, state actions, forwards and side effects.
func valueEntityCases() []suite.Case {
	return []suite.Case{
		veCase("initial-empty-state", "an entity for which nothing is stored starts empty, and a read changes nothing", requires("VE-07", "VE-35"),
			func(v *veStream) {
				v.reads("VE-07", "")
			}),
		veFree("init-without-state", "a missing init.state is the same as an empty one", requires("VE-07"),
			func(ctx context.Context, t *suite.T) {
				v := openVE(ctx, t, dial(ctx, t), t.ID("ve"))
				v.sent(v.SendInit(&protocol.ValueEntityInit{ServiceName: veModel, EntityId: v.id}))
				v.reads("VE-07", "")
				v.finish()
			}),
		veFree("init-with-state", "an instance starts from the value in init.state", requires("VE-07"),
			func(ctx context.Context, t *suite.T) {
				v := openVE(ctx, t, dial(ctx, t), t.ID("ve"))
				v.initWith("stored")
				v.reads("VE-07", "stored")
				v.finish()
			}),
		veCase("update", "a command that sets the state sends an update with the new value; a read after it sends none", requires("VE-11", "VE-35"),
			func(v *veStream) {
				v.process(update("A"))
				v.expect("VE-11", veState("A"), veUpdated("A"))
				v.reads("VE-35", "A")
			}),
		veCase("delete", "a command that deletes the state sends a delete; a read after it sees an empty state", requires("VE-34", "VE-35"),
			func(v *veStream) {
				v.process(update("A"))
				v.expect("VE-11", veState("A"), veUpdated("A"))
				v.process(remove())
				v.expect("VE-34", veState(""), veDeleted())
				v.reads("VE-35", "")
				v.process(update("B"))
				v.expect("VE-11", veState("B"), veUpdated("B"))
			}),
		veCase("updates-in-one-command", "of several updates in one command only the last is sent", requires("VE-12"),
			func(v *veStream) {
				v.process(updates("A", "B", "C")...)
				v.expect("VE-12", veState("C"), veUpdated("C"))
				v.reads("VE-12", "C")
			}),
		veCase("updates-then-delete", "of updates and a delete after them only the delete is sent", requires("VE-12"),
			func(v *veStream) {
				v.process(update("A"), update("B"), remove(), update("C"), remove())
				v.expect("VE-12", veState(""), veDeleted())
				v.reads("VE-12", "")
			}),
		veCase("update-delete-update", "of an update after a delete only the update is sent", requires("VE-12"),
			func(v *veStream) {
				v.process(update("A"), remove(), update("B"))
				v.expect("VE-12", veState("B"), veUpdated("B"))
				v.reads("VE-12", "B")
			}),
		veFree("rehydration", "an instance that starts from what another one stored answers as that one would", requires("VE-07"),
			func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("ve")
				first := openVE(ctx, t, p, id)
				first.init()
				first.process(update("A"))
				first.expect("VE-11", veState("A"), veUpdated("A"))
				first.process(updates("B", "C", "D")...)
				first.expect("VE-12", veState("D"), veUpdated("D"))
				first.finish()
				second := openVE(ctx, t, p, id)
				second.initWith("D")
				second.reads("VE-07", "D")
				second.process(update("E"))
				second.expect("VE-11", veState("E"), veUpdated("E"))
				second.reads("VE-07", "E")
				second.finish()
			}),
		veFree("instance-is-forgotten", "after passivation an instance knows only what init tells it", requires("VE-07"),
			func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("ve")
				first := openVE(ctx, t, p, id)
				first.init()
				first.process(update("A"))
				first.expect("VE-11", veState("A"), veUpdated("A"))
				first.finish()
				second := openVE(ctx, t, p, id)
				second.init()
				second.reads("VE-07", "")
				second.finish()
			}),
		veCase("side-effects-in-order", "several side effects are sent in the order in which they were asked for", requires("FWD-31"),
			func(v *veStream) {
				v.process(veEffect("a", false), veEffect("b", true), veEffect("c", false))
				v.expect("FWD-31", veState(""), veEffected("a", false), veEffected("b", true), veEffected("c", false))
			}),
		veCase("side-effect", "a reply carries the side effect that was asked for, without a state action, and the next one does not",
			requires("FWD-31", "VE-35"),
			func(v *veStream) {
				v.process(update("X"))
				v.expect("VE-11", veState("X"), veUpdated("X"))
				v.process(veEffect("one", false))
				v.expect("FWD-31", veState("X"), veEffected("one", false))
				v.reads("VE-10", "X")
			}),
		veCase("side-effect-synchronous", "a synchronous side effect is flagged so", requires("FWD-31"),
			func(v *veStream) {
				v.process(veEffect("one", true))
				v.expect("FWD-31", veState(""), veEffected("one", true))
			}),
		veCase("side-effects-and-state", "a state action and side effects fit into one reply", requires("FWD-31"),
			func(v *veStream) {
				v.process(append(updates("A", "B", "C", "D", "E"), veEffect("a", false), veEffect("b", false), veEffect("c", false))...)
				v.expect("FWD-31", veState("E"), veUpdated("E"), veEffected("a", false), veEffected("b", false), veEffected("c", false))
			}),
		veCase("forward", "a forward takes the place of the reply and leaves the state alone", requires("VE-10", "VE-35"),
			func(v *veStream) {
				v.process(update("X"))
				v.expect("VE-11", veState("X"), veUpdated("X"))
				v.process(veForward("other"))
				v.expect("VE-35", veForwarded("other"))
				v.reads("VE-10", "X")
			}),
		veCase("forward-with-state", "a state action is sent with a forward too", requires("VE-17"),
			func(v *veStream) {
				v.process(update("A"), veForward("other"))
				v.expect("VE-17", veForwarded("other"), veUpdated("A"))
				v.process(remove(), veForward("other"))
				v.expect("VE-17", veForwarded("other"), veDeleted())
				v.reads("VE-17", "")
			}),
		veCase("forward-and-side-effect", "a forward may come with a side effect", requires("FWD-31"),
			func(v *veStream) {
				v.process(veForward("one"), veEffect("two", false))
				v.expect("FWD-31", veForwarded("one"), veEffected("two", false))
			}),
		veCase("command-ids", "each of three hundred commands gets one reply, with the command's id", requires("VE-10"),
			func(v *veStream) {
				for range 300 {
					v.reads("VE-10", "")
				}
			}),
		veCase("command-metadata", "metadata on a command does not change what it does", requires("VE-10"),
			func(v *veStream) {
				v.last++
				v.sent(v.SendCommand(&cloudstate.Command{
					EntityId: v.id, Id: v.last, Name: "Process", Metadata: someMetadata(),
					Payload: pack(&model.Request{Id: v.id, Actions: updates("A")}),
				}))
				v.expect("VE-10", veState("A"), veUpdated("A"))
			}),
		{
			ID: "ve/frontend/second-service", Title: "two value entity services keep apart, also for the same entity id",
			Requirements: requires("VE-10", "VE-07"), Kind: suite.Frontend, Needs: []string{suite.ValueEntity, veModel, veTwo},
			Run: func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("ve")
				one, two := openVE(ctx, t, p, id), openVE(ctx, t, p, id)
				one.init()
				two.sent(two.Init(veTwo, id, nil))
				one.process(update("A"))
				one.expect("VE-11", veState("A"), veUpdated("A"))
				two.last++
				two.sent(two.Command(two.last, "Call", &model.Request{Id: id}))
				two.expect("VE-10", veState(""))
				one.reads("VE-07", "A")
				one.finish()
				two.finish()
			},
		},
		{
			ID: "ve/frontend/configured-service", Title: "the configured value entity service answers",
			Requirements: requires("VE-10"), Kind: suite.Frontend, Needs: []string{suite.ValueEntity, veConfigured},
			Run: func(ctx context.Context, t *suite.T) {
				v := openVE(ctx, t, dial(ctx, t), t.ID("ve"))
				v.sent(v.Init(veConfigured, v.id, nil))
				v.last++
				v.sent(v.Command(v.last, "Call", &model.Request{Id: v.id}))
				v.expect("VE-10", veState(""))
				v.finish()
			},
		},
		veFree("passivation", "a half-closed stream is completed with status OK, with commands before it or without", requires("VE-59"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				used := openVE(ctx, t, p, t.ID("ve"))
				used.init()
				used.process(update("A"))
				used.expect("VE-59", veState("A"), veUpdated("A"))
				used.passivate()
				unused := openVE(ctx, t, p, t.ID("ve"))
				unused.initWith("A")
				unused.passivate()
			}),
		veFree("many-instances", "a hundred instances at once keep their own state and their own command ids", requires("VE-10", "VE-11"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				streams := make([]*veStream, 100)
				for i := range streams {
					streams[i] = openVE(ctx, t, p, t.ID("ve"))
					streams[i].init()
					streams[i].process(update(fmt.Sprint(i)))
				}
				for i := len(streams) - 1; i >= 0; i-- {
					state := fmt.Sprint(i)
					streams[i].expect("VE-11", veState(state), veUpdated(state))
					streams[i].reads("VE-10", state)
				}
				for _, v := range streams {
					v.finish()
				}
			}),
		veFree("cancelled-stream", "a stream that the proxy cancels leaves nothing behind, and disturbs no other", requires("VE-07", "VE-10"),
			func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("ve")
				bystander := openVE(ctx, t, p, t.ID("ve"))
				bystander.initWith("B")
				first := openVE(ctx, t, p, id)
				first.init()
				first.process(update("lost"))
				first.expect("VE-11", veState("lost"), veUpdated("lost"))
				first.Cancel()
				second := openVE(ctx, t, p, id)
				second.init()
				second.reads("VE-07", "")
				second.finish()
				bystander.reads("VE-10", "B")
				bystander.finish()
			}),
	}
}
