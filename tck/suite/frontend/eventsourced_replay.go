package frontend

import (
	"context"
	"fmt"
	"strings"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// eventSourcedSnapshotCases covers when snapshots are sent. The model takes one every five events.
func eventSourcedSnapshotCases() []suite.Case {
	return []suite.Case{
		esCase("snapshots", "a snapshot comes with the reply whose events reach or cross a multiple of five, taken after the last of them",
			requires("ES-26"),
			func(s *esStream) {
				state := ""
				for i, values := range [][]string{{"A"}, {"B"}, {"C"}, {"D"}, {"E"}, {"F", "G", "H"}, {"I", "J", "K"}, {"L"}} {
					state += strings.Join(values, "")
					parts := []esPart{esEvents(values...)}
					if i == 4 || i == 6 { // events 5, and 9 to 11
						parts = append(parts, esSnapshot(state))
					}
					s.process(emits(values...)...)
					s.expect("ES-26", esState(state), parts...)
				}
			}),
		esCase("snapshot-once-per-reply", "events that cross several multiples of five bring one snapshot, after the last of them",
			requires("ES-26"),
			func(s *esStream) {
				values := strings.Split("ABCDEFGHIJKL", "")
				s.process(emits(values...)...)
				s.expect("ES-26", esState("ABCDEFGHIJKL"), esEvents(values...), esSnapshot("ABCDEFGHIJKL"))
			}),
		esCase("snapshot-with-forward", "a snapshot that is due is sent with a forward too", requires("ES-27", "ES-26"),
			func(s *esStream) {
				s.process(emits("A", "B", "C", "D")...)
				s.expect("ES-26", esState("ABCD"), esEvents("A", "B", "C", "D"))
				s.process(emit("E"), esForward("other"))
				s.expect("ES-27", esForwarded("other"), esEvents("E"), esSnapshot("ABCDE"))
			}),
		esCase("snapshot-with-side-effects", "a snapshot that is due and side effects fit into one reply", requires("ES-26", "FWD-31"),
			func(s *esStream) {
				s.process(append(emits("A", "B", "C", "D", "E"), esEffect("a", false), esEffect("b", false), esEffect("c", false))...)
				out, err := s.Recv(s.ctx)
				s.t.Check(err, suite.Failure{Expected: "a reply"})
				want := esReply(s.last, esState("ABCDE"), esEvents("A", "B", "C", "D", "E"), esSnapshot("ABCDE"))
				got := Normalise(out)
				effects := got.GetReply().GetSideEffects()
				if got.GetReply() != nil {
					got.GetReply().SideEffects = nil
				}
				s.t.Equal(&protocol.EventSourcedStreamOut{Message: &protocol.EventSourcedStreamOut_Reply{Reply: want}}, got, suite.Failure{})
				s.t.Require(len(effects) == 3, suite.Failure{
					Requirement: "FWD-31", Expected: "three side effects beside the events and the snapshot", Got: describe(out, nil),
				})
			}),
		esFree("snapshot-counts-replay", "replayed events count towards the next snapshot, those before the snapshot in init included",
			requires("ES-26"),
			func(ctx context.Context, t *suite.T) {
				p := dial(ctx, t)
				s := openES(ctx, t, p, t.ID("es"))
				s.init()
				s.replay(1, "A", "B", "C", "D")
				s.process(emit("E"))
				s.expect("ES-26", esState("ABCDE"), esEvents("E"), esSnapshot("ABCDE"))
				s.finish()
				s = openES(ctx, t, p, t.ID("es"))
				s.initAt(8, "H")
				s.process(emit("I"))
				s.expect("ES-26", esState("HI"), esEvents("I"))
				s.process(emit("J"))
				s.expect("ES-26", esState("HIJ"), esEvents("J"), esSnapshot("HIJ"))
				s.finish()
			}),
		esFree("no-snapshot-without-events", "a reply without events never carries a snapshot, wherever the count of events stands",
			requires("ES-22"),
			func(ctx context.Context, t *suite.T) {
				s := openES(ctx, t, dial(ctx, t), t.ID("es"))
				s.init()
				for i := range 24 {
					var steps []*model.RequestAction
					if i%2 == 0 {
						steps = emits("x")
					}
					s.process(steps...)
					out, err := s.Recv(ctx)
					t.Check(err, suite.Failure{Expected: "a reply"})
					t.Require(out.GetReply() != nil, suite.Failure{Requirement: "ES-18", Expected: "a reply", Got: describe(out, nil)})
					t.Require(out.GetReply().GetSnapshot() == nil || len(out.GetReply().GetEvents()) > 0, suite.Failure{
						Requirement: "ES-22",
						Expected:    "no snapshot in a reply without events",
						Got:         describe(out, nil),
						Remedy:      "send a snapshot that is due with the events that made it due",
					})
				}
				s.finish()
			}),
	}
}

// eventSourcedReplayCases covers how an instance is rebuilt.
func eventSourcedReplayCases() []suite.Case {
	// began returns a case whose stream begins in its own way and then shows the state that it came to.
	began := func(name, title, state string, begin func(s *esStream)) suite.Case {
		return esFree(name, title, requires("ES-10"), func(ctx context.Context, t *suite.T) {
			s := openES(ctx, t, dial(ctx, t), t.ID("es"))
			begin(s)
			s.reads("ES-10", state)
			s.process(emit("+"))
			s.expect("ES-10", esState(state+"+"), esEvents("+"))
			s.finish()
		})
	}
	return []suite.Case{
		began("initial-snapshot", "the state is restored from the snapshot in init", "ABCDE", func(s *esStream) {
			s.initAt(5, "ABCDE")
		}),
		began("initial-snapshot-and-events", "the state is restored from the snapshot in init and the events after it", "ABCDEFG",
			func(s *esStream) {
				s.initAt(5, "ABCDE")
				s.replay(6, "F", "G")
			}),
		began("initial-events", "the state is restored from events alone", "ABC", func(s *esStream) {
			s.init()
			s.replay(1, "A", "B", "C")
		}),
		esFree("long-replay", "a thousand events are replayed in order", requires("ES-10"),
			func(ctx context.Context, t *suite.T) {
				s := openES(ctx, t, dial(ctx, t), t.ID("es"))
				s.init()
				values := make([]string, 1000)
				for i := range values {
					values[i] = fmt.Sprintf("%d,", i)
				}
				s.replay(1, values...)
				s.reads("ES-10", strings.Join(values, ""))
				s.finish()
			}),
		esFree("rehydration", "an instance that is rebuilt from what another one emitted answers as that one would", requires("ES-10"),
			func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("es")
				first := openES(ctx, t, p, id)
				first.init()
				first.process(emits("A", "B", "C")...)
				first.expect("ES-10", esState("ABC"), esEvents("A", "B", "C"))
				first.process(emits("D", "E")...)
				out, err := first.Recv(ctx)
				t.Check(err, suite.Failure{Expected: "a reply"})
				first.process(emits("F", "G")...)
				first.expect("ES-10", esState("ABCDEFG"), esEvents("F", "G"))
				first.finish()
				second := openES(ctx, t, p, id)
				if snapshot := out.GetReply().GetSnapshot(); snapshot != nil {
					second.sent(second.InitSnapshot(esModel, id, 5, snapshot))
				} else { // a library need not snapshot here (ES-26)
					second.init()
					second.replay(1, "A", "B", "C", "D", "E")
				}
				second.replay(6, "F", "G")
				second.reads("ES-10", "ABCDEFG")
				second.finish()
			}),
		esFree("instance-is-forgotten", "after passivation an instance knows only what init and replay tell it", requires("ES-10"),
			func(ctx context.Context, t *suite.T) {
				p, id := dial(ctx, t), t.ID("es")
				first := openES(ctx, t, p, id)
				first.init()
				first.process(emit("A"))
				first.expect("ES-10", esState("A"), esEvents("A"))
				first.finish()
				second := openES(ctx, t, p, id)
				second.init()
				second.reads("ES-10", "")
				second.finish()
			}),
	}
}
