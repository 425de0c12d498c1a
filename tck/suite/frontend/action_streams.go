package frontend

import (
	"context"
	"fmt"
	"slices"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// actionStreamCases covers the three streamed forms with every outcome.
func actionStreamCases() []suite.Case {
	var cases []suite.Case
	for _, o := range outcomes() {
		cases = append(cases, streamedInCases(o)...)
		cases = append(cases, streamedOutCase(o), streamedCase(o))
	}
	return append(cases,
		actCase("streamed-in-no-messages", "a client-streaming call without messages is answered once, after the half-close", requires("ACT-15", "ACT-13"),
			func(ctx context.Context, t *suite.T) {
				a := streamedIn(ctx, t)
				a.halfClose()
				a.expect("ACT-15", actSilent())
				a.ends("ACT-15")
			}),
		actCase("streamed-out-nothing", "a server-streaming call that makes no response ends with status OK", requires("ACT-16"),
			func(ctx context.Context, t *suite.T) {
				streamedOut(ctx, t).ends("ACT-16")
			}),
		actCase("streamed-out-in-order", "a thousand responses of a server-streaming call come in order", requires("ACT-16"),
			func(ctx context.Context, t *suite.T) {
				groups := make([]*model.ProcessGroup, 1000)
				for i := range groups {
					groups[i] = group(actReply(fmt.Sprint(i)))
				}
				a := streamedOut(ctx, t, groups...)
				for i := range groups {
					a.expect("ACT-16", actReplied(fmt.Sprint(i)))
				}
				a.ends("ACT-16")
			}),
		actCase("streamed-nothing", "a bidirectional call without messages ends with status OK after the half-close", requires("ACT-17"),
			func(ctx context.Context, t *suite.T) {
				a := streamed(ctx, t)
				a.halfClose()
				a.ends("ACT-17")
			}),
		actCase("streams-keep-apart", "fifty bidirectional calls at once keep apart", requires("ACT-17"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				calls := make([]*actStream, 50)
				for i := range calls {
					call, err := p.HandleStreamed(ctx)
					calls[i] = newActStream(ctx, t, call, err)
					calls[i].sent(calls[i].Header(actModel, "ProcessStreamed"))
					calls[i].request(group(actReply(fmt.Sprint(i))))
				}
				for i, a := range slices.Backward(calls) {
					a.expect("ACT-17", actReplied(fmt.Sprint(i)))
				}
				for _, a := range calls {
					a.halfClose()
					a.ends("ACT-17")
				}
			}),
		actCase("cancelled-call", "a call that the proxy cancels disturbs no other", requires("ACT-17"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				bystander, err := p.HandleStreamed(ctx)
				b := newActStream(ctx, t, bystander, err)
				b.sent(b.Header(actModel, "ProcessStreamed"))
				lost := streamedIn(ctx, t)
				lost.request(group(actReply("lost")))
				lost.Cancel()
				b.request(group(actReply("kept")))
				b.expect("ACT-17", actReplied("kept"))
				b.halfClose()
				b.ends("ACT-17")
			}),
	)
}

// streamedInCases are the client-streaming calls that end in o: one message, and three with side effects gathered over them.
func streamedInCases(o outcome) []suite.Case {
	gathered := requires("ACT-12", "ACT-15", o.requirement)
	if o.fails() {
		gathered = requires("ACT-14", "ACT-12", "ACT-15")
	}
	return []suite.Case{
		actCase("streamed-in-"+o.name, "a client-streaming call answers once, after the half-close, with "+o.title, requires("ACT-15", o.requirement),
			func(ctx context.Context, t *suite.T) {
				a := streamedIn(ctx, t)
				a.request(group(o.steps...))
				a.halfClose()
				a.expect("ACT-15", o.response())
				a.ends("ACT-15")
			}),
		actCase("streamed-in-"+o.name+"-side-effects",
			"a client-streaming call answers with "+o.title+" and the side effects of all messages, in order", gathered,
			func(ctx context.Context, t *suite.T) {
				a := streamedIn(ctx, t)
				a.request(group(actEffect("a", false)))
				a.request(group(slices.Concat(o.steps, []*model.ProcessStep{actEffect("b", true)})...))
				a.request(group(actEffect("c", false), actEffect("d", false)))
				a.halfClose()
				a.expect(gathered[0], o.response(
					actEffected("a", false), actEffected("b", true), actEffected("c", false), actEffected("d", false)))
				a.ends("ACT-15")
			}),
	}
}

// fourGroups asks for o four times, with one side effect, a synchronous one, several and none, and says what is to be answered.
func fourGroups(o outcome) (groups []*model.ProcessGroup, responses []*protocol.ActionResponse) {
	sets := sideEffectSets()
	for _, set := range []sideEffects{sets[1], sets[2], sets[3], sets[0]} {
		groups = append(groups, group(slices.Concat(o.steps, set.steps)...))
		responses = append(responses, o.response(slices.Clone(set.effects)...))
	}
	return groups, responses
}

// manyOut returns the requirements of a case whose call has many responses with outcome o, the first being the form's own, and
// the one that a response after the first proves: that a failure did not end the call, if that is what they are.
func manyOut(form string, o outcome) (requirements []string, later string) {
	if o.fails() {
		return requires(form, "ACT-18", "ACT-12", "ACT-14"), "ACT-18"
	}
	return requires(form, "ACT-12", o.requirement), form
}

func streamedOutCase(o outcome) suite.Case {
	requirements, later := manyOut("ACT-16", o)
	return actCase("streamed-out-"+o.name, "a server-streaming call answers each group of steps with "+o.title+" and its side effects, in order, and ends",
		requirements, func(ctx context.Context, t *suite.T) {
			groups, responses := fourGroups(o)
			a := streamedOut(ctx, t, groups...)
			a.expect("ACT-16", responses[0])
			for _, want := range responses[1:] {
				a.expect(later, want)
			}
			a.ends("ACT-16")
		})
}

func streamedCase(o outcome) suite.Case {
	requirements, later := manyOut("ACT-17", o)
	return actCase("streamed-"+o.name, "a bidirectional call answers each message before the next with "+o.title+" and side effects, and ends after the half-close",
		requirements, func(ctx context.Context, t *suite.T) {
			groups, responses := fourGroups(o)
			a := streamed(ctx, t)
			a.request(groups[0])
			a.expect("ACT-17", responses[0])
			for i := range groups[1:3] {
				a.request(groups[1+i])
				a.expect(later, responses[1+i])
			}
			a.request(groups[3], groups[0])
			a.expect(later, responses[3])
			a.expect(later, responses[0])
			a.halfClose()
			a.ends("ACT-17")
		})
}
