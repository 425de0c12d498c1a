package oracle

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

func packed(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWitness(t *testing.T) {
	w := &Witness{}
	sends := func(stream trace.StreamID, m proto.Message) {
		w.Observe(trace.Message{Kind: trace.Data, From: trace.Proxy, To: trace.Frontend, Stream: stream, Payload: m})
	}
	init := func(stream trace.StreamID, id string, snapshot *eventsourced.EventSourcedSnapshot) {
		sends(stream, &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{
			Init: &eventsourced.EventSourcedInit{EntityId: id, Snapshot: snapshot},
		}})
	}
	event := func(stream trace.StreamID, seq int64, text string) {
		sends(stream, &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Event{
			Event: &eventsourced.EventSourcedEvent{Sequence: seq, Payload: packed(t, &esmodel.Persisted{Value: text})},
		}})
	}
	init(1, "a", nil)
	event(1, 1, "x;")
	init(2, "b", &eventsourced.EventSourcedSnapshot{SnapshotSequence: 5, Snapshot: packed(t, &esmodel.Persisted{Value: "five;"})})
	event(1, 2, "y;")
	event(2, 6, "z;")
	event(2, 8, "gap;")
	sends(3, &valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Init{Init: &valueentity.ValueEntityInit{
		EntityId: "v", State: &valueentity.ValueEntityInitState{Value: packed(t, &vemodel.Persisted{Value: "held"})},
	}}})
	sends(4, &valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Init{Init: &valueentity.ValueEntityInit{EntityId: "empty"}}})
	init(5, "a", nil)
	event(5, 1, "x;") // again: told once
	sends(6, &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Event{Event: &eventsourced.EventSourcedEvent{Sequence: 9}}})
	init(7, "strange", &eventsourced.EventSourcedSnapshot{SnapshotSequence: 1, Snapshot: packed(t, durationpb.New(1))})
	w.Observe(trace.Message{Kind: trace.Cancel, From: trace.Proxy, Stream: 1})
	w.Observe(trace.Message{Kind: trace.Status, From: trace.Frontend, Stream: 2})

	got := w.Sightings()
	want := []Sighting{
		{"a", 1, false, "x;"},
		{"a", 2, false, "y;"},
		{"b", 5, true, "five;"},
		{"b", 6, false, "z;"},
		{"b", 8, false, "gap;"},
		{"strange", 1, true, "type.googleapis.com/google.protobuf.Duration"},
		{"v", 0, false, "held"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("saw %v", got)
	}
	if gaps := w.Gaps(); len(gaps) != 1 || gaps[0].Entity != "b" || !strings.Contains(gaps[0].Text, "event 8 was replayed after 6") {
		t.Errorf("gaps %v", gaps)
	}
	if len(w.replays) != 2 {
		t.Errorf("it remembers %d streams; two of four replays have ended", len(w.replays))
	}
}
