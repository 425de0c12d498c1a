package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// Witness reads from the messages between proxy and user function what of each entity's stored state the user function was shown. It is safe for concurrent use.
// The zero Witness is ready.
type Witness struct {
	mu      sync.Mutex
	replays map[trace.StreamID]*replay
	seen    map[Sighting]struct{}
	gaps    []Violation
}

// replay is one stream's, as far as it came.
type replay struct {
	entity string
	last   int64
}

// Observe takes the next recorded message; messages of a stream must come in their order. It is quick, as [trace.Recorder.Follow] wants.
func (w *Witness) Observe(m trace.Message) {
	if m.From != trace.Proxy {
		if m.Kind == trace.Status {
			w.forget(m.Stream)
		}
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen, w.replays = map[Sighting]struct{}{}, map[trace.StreamID]*replay{}
	}
	switch in := m.Payload.(type) {
	case *eventsourced.EventSourcedStreamIn:
		w.eventSourced(m.Stream, in)
	case *valueentity.ValueEntityStreamIn:
		if stored := in.GetInit().GetState().GetValue(); stored != nil {
			w.saw(Sighting{Entity: in.GetInit().GetEntityId()}, stored)
		}
	default:
		if m.Kind == trace.Cancel {
			delete(w.replays, m.Stream)
		}
	}
}

func (w *Witness) eventSourced(stream trace.StreamID, in *eventsourced.EventSourcedStreamIn) {
	if init := in.GetInit(); init != nil {
		r := &replay{entity: init.GetEntityId()}
		w.replays[stream] = r
		if s := init.GetSnapshot(); s != nil {
			r.last = s.GetSnapshotSequence()
			w.saw(Sighting{Entity: r.entity, Seq: r.last, Snapshot: true}, s.GetSnapshot())
		}
		return
	}
	r, event := w.replays[stream], in.GetEvent()
	if r == nil || event == nil {
		return
	}
	if event.GetSequence() != r.last+1 {
		w.gaps = append(w.gaps, Violation{Reordered, r.entity, fmt.Sprintf("event %d was replayed after %d", event.GetSequence(), r.last)})
	}
	r.last = event.GetSequence()
	w.saw(Sighting{Entity: r.entity, Seq: r.last}, event.GetPayload())
}

// saw keeps what the model's Persisted says; both kinds' have one text. What is none of them was never stored by the model, and its text is told as it is.
func (w *Witness) saw(s Sighting, stored *anypb.Any) {
	s.Text = stored.GetTypeUrl()
	if m, err := stored.UnmarshalNew(); err == nil {
		if persisted, ok := m.(interface {
			proto.Message
			GetValue() string
		}); ok {
			s.Text = persisted.GetValue()
		}
	}
	w.seen[s] = struct{}{}
}

func (w *Witness) forget(stream trace.StreamID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.replays, stream)
}

// Sightings returns what was shown, each piece once, sorted by entity and number: the same messages give the same judgement, word for word.
func (w *Witness) Sightings() []Sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.seen), func(a, b Sighting) int {
		return cmp.Or(cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Text, b.Text))
	})
}

// Gaps returns what was replayed in another order than the events' numbers say (ES-06, ES-07).
func (w *Witness) Gaps() []Violation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.gaps)
}
