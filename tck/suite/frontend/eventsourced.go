package frontend

import (
	"context"
	"fmt"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// eventSourcedCases covers replies, events, forwards and side effects.
func eventSourcedCases() []suite.Case {
	return []suite.Case{
		esCase("initial-empty-state", "an instance without snapshot and events starts empty, and a read emits nothing", requires("ES-10", "ES-18"),
			func(s *esStream) {
				s.reads("ES-10", "")
			}),
		esCase("emit-one", "one emitted event is in the reply and in the state that later replies show", requires("ES-19", "ES-18"),
			func(s *esStream) {
				s.process(emit("A"))
				s.expect("ES-19", esState("A"), esEvents("A"))
				s.reads("ES-19", "A")
			}),
		esCase("emit-several", "several emitted events are in one reply, in the order in which they were emitted", requires("ES-19", "ES-18"),
			func(s *esStream) {
				s.process(emits("A", "B", "C")...)
				s.expect("ES-19", esState("ABC"), esEvents("A", "B", "C"))
				s.process(emit("D"))
				s.expect("ES-19", esState("ABCD"), esEvents("D"))
			}),
		esCase("forward", "a forward takes the place of the reply and leaves the state alone", requires("ES-18"),
			func(s *esStream) {
				s.process(emit("X"))
				s.expect("ES-18", esState("X"), esEvents("X"))
				s.process(esForward("other"))
				s.expect("ES-18", esForwarded("other"))
				s.reads("ES-18", "X")
			}),
		esCase("forward-with-events", "events that were emitted before a forward are sent with it", requires("ES-27"),
			func(s *esStream) {
				s.process(emit("A"), esForward("other"))
				s.expect("ES-27", esForwarded("other"), esEvents("A"))
				s.reads("ES-27", "A")
			}),
		esCase("side-effect", "a reply carries the side effect that was asked for, and the next one does not", requires("FWD-31"),
			func(s *esStream) {
				s.process(emit("X"))
				s.expect("ES-18", esState("X"), esEvents("X"))
				s.process(esEffect("other", false))
				s.expect("FWD-31", esState("X"), esEffected("other", false))
				s.reads("ES-18", "X")
			}),
		esCase("side-effect-synchronous", "a synchronous side effect is flagged so", requires("FWD-31"),
			func(s *esStream) {
				s.process(esEffect("other", true))
				s.expect("FWD-31", esState(""), esEffected("other", true))
			}),
		esCase("forward-and-side-effect", "a forward may come with a side effect", requires("FWD-31"),
			func(s *esStream) {
				s.process(esForward("one"), esEffect("two", false))
				s.expect("FWD-31", esForwarded("one"), esEffected("two", false))
			}),
		esCase("side-effects-in-order", "several side effects are sent in the order in which they were asked for", requires("FWD-31"),
			func(s *esStream) {
				s.process(esEffect("a", false), esEffect("b", true), esEffect("c", false))
				s.expect("FWD-31", esState(""), esEffected("a", false), esEffected("b", true), esEffected("c", false))
			}),
		esCase("side-effects-and-events", "several events and side effects fit into one reply", requires("FWD-31"),
			func(s *esStream) {
				s.process(append(emits("A", "B", "C", "D"), esEffect("a", false), esEffect("b", false), esEffect("c", false))...)
				s.expect("FWD-31", esState("ABCD"), esEvents("A", "B", "C", "D"),
					esEffected("a", false), esEffected("b", false), esEffected("c", false))
			}),
		esCase("command-ids", "each of three hundred commands gets one reply, with the command's id", requires("ES-18"),
			func(s *esStream) {
				for range 300 {
					s.reads("ES-18", "")
				}
			}),
		esCase("command-metadata", "metadata on a command does not change what it does", requires("ES-18"),
			func(s *esStream) {
				s.last++
				s.sent(s.SendCommand(&cloudstate.Command{
					EntityId: s.id, Id: s.last, Name: "Process", Metadata: someMetadata(),
					Payload: pack(&model.Request{Id: s.id, Actions: emits("A")}),
				}))
				s.expect("ES-18", esState("A"), esEvents("A"))
			}),
		{
			ID: "es/frontend/second-service", Title: "two event sourced services keep apart, also for the same entity id",
			Requirements: requires("ES-18", "ES-10"), Kind: suite.Frontend, Needs: []string{suite.EventSourced, esModel, esTwo},
			Run: func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("es")
				one, two := openES(ctx, t, p, id), openES(ctx, t, p, id)
				one.init()
				two.sent(two.Init(esTwo, id))
				one.process(emit("A"))
				one.expect("ES-18", esState("A"), esEvents("A"))
				two.last++
				two.sent(two.Command(two.last, "Call", &model.Request{Id: id}))
				two.expect("ES-18", esState(""))
				one.reads("ES-10", "A")
				one.finish()
				two.finish()
			},
		},
		{
			ID: "es/frontend/configured-service", Title: "the configured event sourced service answers",
			Requirements: requires("ES-18"), Kind: suite.Frontend, Needs: []string{suite.EventSourced, esConfigured},
			Run: func(ctx context.Context, t *suite.T) {
				s := openES(ctx, t, dial(ctx, t), t.ID("es"))
				s.sent(s.Init(esConfigured, s.id))
				s.last++
				s.sent(s.Command(s.last, "Call", &model.Request{Id: s.id}))
				s.expect("ES-18", esState(""))
				s.finish()
			},
		},
		esFree("passivation", "a half-closed stream is completed with status OK, with commands before it or without", requires("ES-48"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				used := openES(ctx, t, p, t.ID("es"))
				used.init()
				used.process(emit("A"))
				used.expect("ES-48", esState("A"), esEvents("A"))
				used.passivate()
				unused := openES(ctx, t, p, t.ID("es"))
				unused.init()
				unused.replay(1, "A", "B")
				unused.passivate()
			}),
		esFree("many-instances", "a hundred instances at once keep their own state and their own command ids", requires("ES-18", "ES-19"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				streams := make([]*esStream, 100)
				for i := range streams {
					streams[i] = openES(ctx, t, p, t.ID("es"))
					streams[i].init()
					streams[i].process(emit(fmt.Sprint(i)))
				}
				for i := len(streams) - 1; i >= 0; i-- {
					state := fmt.Sprint(i)
					streams[i].expect("ES-18", esState(state), esEvents(state))
					streams[i].reads("ES-19", state)
				}
				for _, s := range streams {
					s.finish()
				}
			}),
		esFree("cancelled-stream", "a stream that the proxy cancels leaves nothing behind, and disturbs no other", requires("ES-10", "ES-18"),
			func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("es")
				bystander := openES(ctx, t, p, t.ID("es"))
				bystander.init()
				bystander.process(emit("B"))
				bystander.expect("ES-18", esState("B"), esEvents("B"))
				first := openES(ctx, t, p, id)
				first.init()
				first.process(emit("lost"))
				first.expect("ES-18", esState("lost"), esEvents("lost"))
				first.Cancel()
				second := openES(ctx, t, p, id)
				second.init()
				second.reads("ES-10", "")
				second.finish()
				bystander.reads("ES-18", "B")
				bystander.finish()
			}),
	}
}

// someMetadata is what a proxy may pass on of a client's headers.
func someMetadata() *cloudstate.Metadata {
	return &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
		{Key: "x-tck", Value: &cloudstate.MetadataEntry_StringValue{StringValue: "one"}},
		{Key: "x-tck", Value: &cloudstate.MetadataEntry_StringValue{StringValue: "two"}},
		{Key: "x-tck-bin", Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte{0, 255}}},
		{Key: "x-tck-empty"},
	}}
}
