package testkit

import (
	"context"
	"reflect"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/support-go/internal/probe"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
)

// instance is one that the library made, and what can be seen of it while its handlers rest: after it has answered a
// command, and after its stream has ended.
type instance struct {
	stream *stream
	seen   probe.Instance
}

// activate has the library make an instance from a snapshot, nil for none, and the events after it.
func (k *EventSourced) activate(snapshot *pb.EventSourcedSnapshot) *instance {
	k.t.Helper()
	made := &instance{}
	ctx := probe.With(context.Background(), func(seen probe.Instance) { made.seen = seen })
	made.stream = k.call(ctx, "handle")
	messages := []*pb.EventSourcedStreamIn{{Message: &pb.EventSourcedStreamIn_Init{Init: &pb.EventSourcedInit{
		ServiceName: k.service.Name(), EntityId: k.id, Snapshot: snapshot,
	}}}}
	from := snapshot.GetSnapshotSequence()
	for i, event := range k.journal[from-k.first:] {
		messages = append(messages, &pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Event{
			Event: &pb.EventSourcedEvent{Sequence: from + int64(i) + 1, Payload: event},
		}})
	}
	for _, message := range messages {
		if made.stream.send(message) != nil {
			break // who waits for the instance's answer or end is told why
		}
	}
	return made
}

// replay returns the state that a new instance has when it is made from a snapshot and the events after it.
func (k *EventSourced) replay(where string, snapshot *pb.EventSourcedSnapshot) any {
	k.t.Helper()
	made := k.activate(snapshot)
	if err := made.stream.finish(&pb.EventSourcedStreamOut{}); err != nil {
		k.broken(where+": a new instance cannot be made from what is stored", err)
	}
	return made.seen.State
}

// passivate ends the instance that lives, if one does.
func (k *EventSourced) passivate() {
	if k.live != nil {
		// An instance that has failed was told of; one that is idle ends without error.
		_ = k.live.stream.finish(&pb.EventSourcedStreamOut{})
		k.live = nil
	}
}

// verify holds the state after a command against what events and snapshot make of it.
func (k *EventSourced) verify(command string) {
	k.t.Helper()
	live := k.live.seen
	k.same(command, k.replay(command, k.verified), live.State,
		"the state is not what the events make of it: only eventsourced.Event handlers may change it, "+
			"and they must give the same result each time")
	if live.Snapshot == nil || k.verified.GetSnapshotSequence() == k.sequence() {
		return // no snapshots, or no event since the last one: the state was just held against it
	}
	var taken *anypb.Any
	err := wire.Guard(k.logger, "eventsourced.Snapshot", func() (err error) {
		taken, err = live.Snapshot()
		return err
	})
	if err != nil {
		k.broken(command+": a snapshot of the state", err)
	}
	now := &pb.EventSourcedSnapshot{SnapshotSequence: k.sequence(), Snapshot: taken}
	k.same(command, k.replay(command, now), live.State,
		"the state is not what its snapshot keeps of it: eventsourced.Snapshot must take and restore all of it")
	k.verified = now
}

// same ends the test when a state differs from the one that a command left.
func (k *EventSourced) same(where string, replayed, left any, blame string) {
	k.t.Helper()
	if diff := cmp.Diff(replayed, left, k.compare); diff != "" {
		k.t.Fatalf("testkit: %s: %s. A new instance has (-), the instance that ran has (+):\n%s", where, blame, diff)
	}
}

// states is how states are compared.
func states() cmp.Options {
	return cmp.Options{
		cmp.Exporter(func(reflect.Type) bool { return true }),
		protocmp.Transform(),
		cmpopts.EquateEmpty(), // an encoded empty list or map is none
		cmpopts.EquateNaNs(),
		cmp.FilterPath(incomparable, cmp.Ignore()),
	}
}

// incomparable tells what says nothing about a state: functions, channels, and what two instances share.
func incomparable(path cmp.Path) bool {
	step := path.Last()
	kind := step.Type().Kind()
	if kind == reflect.Func || kind == reflect.Chan {
		return true
	}
	if kind == reflect.Pointer {
		one, other := step.Values()
		return one.IsValid() && other.IsValid() && one.Pointer() == other.Pointer()
	}
	return false
}
