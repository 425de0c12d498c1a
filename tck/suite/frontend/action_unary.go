package frontend

import (
	"context"
	"slices"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// outcome is one of the four things that an action can answer with.
type outcome struct {
	name, title string
	requirement string
	steps       []*model.ProcessStep
	response    func(effects ...*cloudstate.SideEffect) *protocol.ActionResponse
}

// fails reports whether the outcome is a failure, which in an action may have side effects and may be followed by more.
func (o outcome) fails() bool { return o.name == "failure" }

func outcomes() []outcome {
	return []outcome{
		{"reply", "a reply", "ACT-11", []*model.ProcessStep{actReply("one")},
			func(e ...*cloudstate.SideEffect) *protocol.ActionResponse { return actReplied("one", e...) }},
		{"no-reply", "neither reply nor forward nor failure", "ACT-13", nil, actSilent},
		{"forward", "a forward", "ACT-11", []*model.ProcessStep{actForward("other")},
			func(e ...*cloudstate.SideEffect) *protocol.ActionResponse { return actForwarded("other", e...) }},
		{"failure", "a failure", "ACT-11", []*model.ProcessStep{actFail("expected failure")},
			func(e ...*cloudstate.SideEffect) *protocol.ActionResponse { return actFailed("expected failure", e...) }},
	}
}

// sideEffects is one set of side effects that goes with an outcome.
type sideEffects struct {
	name, title string
	steps       []*model.ProcessStep
	effects     []*cloudstate.SideEffect
}

func sideEffectSets() []sideEffects {
	return []sideEffects{
		{"", "", nil, nil},
		{"-side-effect", " and a side effect", []*model.ProcessStep{actEffect("other", false)},
			[]*cloudstate.SideEffect{actEffected("other", false)}},
		{"-side-effect-synchronous", " and a synchronous side effect", []*model.ProcessStep{actEffect("other", true)},
			[]*cloudstate.SideEffect{actEffected("other", true)}},
		{"-side-effects-in-order", " and several side effects in the order in which they were asked for",
			[]*model.ProcessStep{actEffect("a", false), actEffect("b", true), actEffect("c", false)},
			[]*cloudstate.SideEffect{actEffected("a", false), actEffected("b", true), actEffected("c", false)}},
	}
}

// actionUnaryCases covers unary calls: every outcome with every set of side effects, and what is particular to unary calls.
func actionUnaryCases() []suite.Case {
	var cases []suite.Case
	for _, o := range outcomes() {
		for _, set := range sideEffectSets() {
			requirements := requires(o.requirement, "ACT-32")
			if set.steps != nil {
				requirements = requires("ACT-12", o.requirement)
			}
			if set.steps != nil && o.fails() {
				requirements = requires("ACT-14", "ACT-12")
			}
			steps := slices.Concat(o.steps, set.steps)
			cases = append(cases, actCase("unary-"+o.name+set.name, "a unary call answers with "+o.title+set.title, requirements,
				func(ctx context.Context, t *suite.T) {
					unaryIs(ctx, t, requirements[0], []*model.ProcessGroup{group(steps...)}, o.response(set.effects...))
				}))
		}
	}
	return append(cases,
		actCase("unary-last-step-wins", "of several steps that decide the response the last one does", requires("ACT-32", "ACT-11"),
			func(ctx context.Context, t *suite.T) {
				unaryIs(ctx, t, "ACT-32", []*model.ProcessGroup{
					group(actReply("one"), actForward("two"), actEffect("a", false)), group(actFail("three"), actReply("four")),
				}, actReplied("four", actEffected("a", false)))
			}),
		actCase("command-metadata", "metadata on a command does not change what it does", requires("ACT-11"),
			func(ctx context.Context, t *suite.T) {
				command := actCommand(actModel, "ProcessUnary", actRequest(group(actReply("one"))))
				command.Metadata = someMetadata()
				got, err := dial(ctx, t).HandleUnary(ctx, command)
				t.Check(err, suite.Failure{Expected: trace.Text(actReplied("one"))})
				t.Equal(actReplied("one"), Normalise(got), suite.Failure{})
			}),
		suite.Case{
			ID: "act/frontend/second-service", Title: "a second action service answers", Requirements: requires("ACT-11", "ACT-32"),
			Kind: suite.Frontend, Needs: []string{suite.Action, actTwo},
			Run: func(ctx context.Context, t *suite.T) {
				got, err := dial(ctx, t).HandleUnary(ctx, actCommand(actTwo, "Call", &model.OtherRequest{Id: "x"}))
				t.Check(err, suite.Failure{Expected: trace.Text(actReplied(""))})
				t.Equal(actReplied(""), Normalise(got), suite.Failure{})
			},
		},
	)
}
