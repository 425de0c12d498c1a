package testkit

import (
	"errors"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// EventSourced is a kit for one event sourced entity. It keeps what a proxy would have stored of it: the events, and the
// latest snapshot. After each command it holds the state against what events and snapshot make of it: see
// [EventSourced.Run].
type EventSourced struct {
	entity
	compare  cmp.Options
	first    int64                    // number of events before the journal, which a given snapshot covers
	journal  []*anypb.Any             // in order, from number first+1
	snapshot *pb.EventSourcedSnapshot // latest, nil for none
	verified *pb.EventSourcedSnapshot // taken after the last command, of a state in order; at first the given snapshot
	live     *instance                // nil: the next command meets a new one
}

// NewEventSourced makes a kit for the entity of this id, which has no events yet. service is eventsourced.New's, checked as
// a server checks it at start. compare adds to how states are compared: whatever of a state is neither made by events nor
// kept in snapshots, such as a cache, is to be ignored (cmpopts.IgnoreFields). Functions, channels, and what instances
// share by pointer, are ignored without being named.
func NewEventSourced(t T, service cloudstate.Service, entityID string, compare ...cmp.Option) *EventSourced {
	t.Helper()
	k := &EventSourced{entity: loadEntity(t, service, entityID, "NewEventSourced"), compare: append(states(), compare...)}
	t.Cleanup(k.passivate)
	return k
}

// Given adds events as if the entity had emitted them before, given as to Emit. The next command meets a new instance
// that replays them. Events that the entity cannot replay end the test.
func (k *EventSourced) Given(events ...any) {
	k.t.Helper()
	for _, event := range events {
		k.journal = append(k.journal, encode(k.t, "Given", event))
	}
	k.passivate()
	k.replay("Given", k.snapshot)
}

// GivenSnapshot begins the entity with a stored snapshot that covers its first events, as many as sequence says. It comes
// before anything else that happens to the entity. A snapshot that cannot be restored ends the test.
func (k *EventSourced) GivenSnapshot(sequence int64, snapshot any) {
	k.t.Helper()
	if k.sequence() > 0 || k.live != nil {
		k.t.Fatalf("testkit: GivenSnapshot after events or commands: give the snapshot first")
	}
	if sequence < 1 {
		k.t.Fatalf("testkit: GivenSnapshot of %d events: a snapshot covers at least one", sequence)
	}
	k.first = sequence
	k.snapshot = &pb.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: encode(k.t, "GivenSnapshot", snapshot)}
	k.verified = k.snapshot
	k.replay("GivenSnapshot", k.snapshot)
}

// Run sends a command and returns the answer. method is the rpc's name or full name, such as the generated constant
// pb.<Service>_<Method>_FullMethodName; metadata is what a caller's headers would be.
//
// Events and snapshot of the answer count as stored. Then the state is held against that of two new instances: one
// that replays the command's events on the state before it, and one that is restored from a snapshot of the state
// as it is now. A difference ends the test: the entity would be another one after its next activation. So does a panic.
func (k *EventSourced) Run(method string, message proto.Message, metadata ...cloudstate.Entry) *Result {
	k.t.Helper()
	if k.live == nil {
		k.commands = 0
	}
	command := k.command(method, message, metadata)
	if k.live == nil {
		k.live = k.activate(k.snapshot)
	}
	out := &pb.EventSourcedStreamOut{}
	err := k.live.stream.send(&pb.EventSourcedStreamIn{Message: &pb.EventSourcedStreamIn_Command{Command: command}})
	if err == nil || errors.Is(err, errOver) {
		err = k.live.stream.receive(out)
	}
	if failure := out.GetFailure(); failure != nil {
		err = errors.New(failure.GetDescription())
	}
	if err != nil {
		k.broken(command.GetName(), err)
	}
	return k.settle(command.GetName(), out.GetReply())
}

// settle does with a reply what a proxy does.
func (k *EventSourced) settle(command string, reply *pb.EventSourcedReply) *Result {
	k.t.Helper()
	result := &Result{t: k.t, command: command, Events: decodeAll(reply.GetEvents())}
	result.setAction(reply.GetClientAction())
	result.setEffects(reply.GetSideEffects())
	k.journal = append(k.journal, reply.GetEvents()...)
	if snapshot := reply.GetSnapshot(); snapshot != nil {
		result.Snapshot = decode(snapshot)
		k.snapshot = &pb.EventSourcedSnapshot{SnapshotSequence: k.sequence(), Snapshot: snapshot}
	}
	if reply.GetClientAction().GetFailure().GetRestart() {
		result.Restarted = true
		k.passivate()
		return result
	}
	k.verify(command)
	return result
}

// Restart ends the instance, as a proxy does with an idle one: the next command meets a new one, made from the stored
// snapshot and events. The state must be the same as before, or the test ends.
func (k *EventSourced) Restart() {
	k.t.Helper()
	if k.live == nil {
		return
	}
	before := k.live.seen.State
	k.passivate()
	k.same("Restart", k.replay("Restart", k.snapshot), before,
		"the stored snapshot and the events after it make another state than the one before the restart")
}

// Events returns the entity's events so far, decoded, without those that a given snapshot covers.
func (k *EventSourced) Events() []any { return decodeAll(k.journal) }

// Snapshot returns the latest stored snapshot, decoded, nil for none.
func (k *EventSourced) Snapshot() any {
	if k.snapshot == nil {
		return nil
	}
	return decode(k.snapshot.GetSnapshot())
}

// State returns the state of a kit's entity, for tests that know its type. It is to be read before the next command,
// and not to be changed.
func State[S any](k *EventSourced) *S {
	k.t.Helper()
	var seen any
	if k.live != nil {
		seen = k.live.seen.State
	} else {
		seen = k.replay("State", k.snapshot)
	}
	state, ok := seen.(*S)
	if !ok {
		k.t.Fatalf("testkit: the state of %s is a %T, not a %T", k.service.Name(), seen, state)
	}
	return state
}

// sequence is the number of the last event.
func (k *EventSourced) sequence() int64 { return k.first + int64(len(k.journal)) }
