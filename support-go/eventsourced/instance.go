package eventsourced

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/probe"
	"github.com/stateful-serverless/cloudstate/support-go/internal/wire"
)

// runner is an instance whatever the type of its state. Its methods run the author's code: they may panic.
type runner interface {
	restore(snapshot *pb.EventSourcedSnapshot) error
	replay(event *pb.EventSourcedEvent) error
	// handle answers a command. The error is one that ends the stream.
	handle(ctx context.Context, command *protocol.Command) (*pb.EventSourcedReply, error)
	probe() probe.Instance
}

var (
	errStale = status.Error(codes.FailedPrecondition,
		"command after a failure that asked for a restart: the instance must be restarted first")
	errNoSnapshots = status.Error(codes.FailedPrecondition,
		"a snapshot was stored, but the entity has no eventsourced.Snapshot to restore it")
)

// instance is one entity in memory, for as long as its stream lives. Not for concurrent use.
type instance[S any] struct {
	entity   *Entity[S]
	id       string
	state    *S
	sequence int64 // of the last event applied
	stale    bool  // the state holds events of a failed command
	limit    int   // bytes of one message to the proxy
}

func (e *Entity[S]) newInstance(entityID string, limit int) runner {
	return &instance[S]{entity: e, id: entityID, state: e.initial(entityID), limit: limit}
}

func (i *instance[S]) probe() probe.Instance {
	seen := probe.Instance{State: i.state}
	if i.entity.snapshots != nil {
		seen.Snapshot = func() (*anypb.Any, error) { return i.entity.snapshots.take(i.state) }
	}
	return seen
}

func (i *instance[S]) restore(snapshot *pb.EventSourcedSnapshot) error {
	if i.entity.snapshots == nil {
		return errNoSnapshots
	}
	if err := i.entity.snapshots.restore(i.state, snapshot.GetSnapshot()); err != nil {
		return fmt.Errorf("snapshot of sequence number %d: %w", snapshot.GetSnapshotSequence(), err)
	}
	i.sequence = snapshot.GetSnapshotSequence()
	return nil
}

// replay applies a stored event. One that is out of order is refused: the state would silently be another one.
func (i *instance[S]) replay(event *pb.EventSourcedEvent) error {
	if event.GetSequence() != i.sequence+1 {
		return fmt.Errorf("event of sequence number %d after %d", event.GetSequence(), i.sequence)
	}
	if err := i.apply(event.GetPayload()); err != nil {
		return fmt.Errorf("event of sequence number %d: %w", event.GetSequence(), err)
	}
	i.sequence++
	return nil
}

func (i *instance[S]) apply(event *anypb.Any) error {
	handle := i.entity.events[event.GetTypeUrl()]
	if handle == nil {
		return fmt.Errorf("%q has no eventsourced.Event handler", event.GetTypeUrl())
	}
	return handle(i.state, event)
}

func (i *instance[S]) handle(parent context.Context, cmd *protocol.Command) (*pb.EventSourcedReply, error) {
	if i.stale {
		return nil, errStale
	}
	handler, ok := i.entity.commands[cmd.GetName()]
	if !ok {
		return i.fail(cmd, nil, status.Errorf(codes.Unimplemented, "unknown command %s of service %s", cmd.GetName(), i.entity.Name())), nil
	}
	var outcome cloudstate.Outcome
	ctx := &Context{
		Context:   cloudstate.NewContext(parent, handler.method, cloudstate.MetadataOf(cmd.GetMetadata()), &outcome),
		entityID:  i.id,
		commandID: cmd.GetId(),
		apply:     i.apply,
	}
	message, err := handler.run(i.state, ctx, cmd.GetPayload())
	if err != nil {
		return i.fail(cmd, ctx.events, err), nil
	}
	reply, err := i.reply(cmd, message, ctx.events, &outcome)
	if err != nil {
		return i.fail(cmd, ctx.events, err), nil
	}
	i.sequence += int64(len(ctx.events))
	return reply, nil
}

func (i *instance[S]) reply(
	cmd *protocol.Command, message proto.Message, events []*anypb.Any, outcome *cloudstate.Outcome,
) (*pb.EventSourcedReply, error) {
	action, err := wire.EntityAction(message, outcome.Forward, outcome.ReplyMetadata.Proto())
	if err != nil {
		return nil, err
	}
	reply := &pb.EventSourcedReply{
		CommandId:    cmd.GetId(),
		ClientAction: action,
		SideEffects:  outcome.SideEffects,
		Events:       events,
	}
	if i.snapshotDue(len(events)) {
		if reply.Snapshot, err = i.entity.snapshots.take(i.state); err != nil {
			return nil, status.Errorf(codes.Internal, "snapshot: %v", err)
		}
	}
	return reply, wire.CheckSize(reply, i.limit)
}

// snapshotDue tells whether that many more events reach or cross a multiple of SnapshotEvery (SPEC ES-26).
func (i *instance[S]) snapshotDue(events int) bool {
	every := int64(i.entity.config.SnapshotEvery)
	return i.entity.snapshots != nil && (i.sequence+int64(events))/every > i.sequence/every
}

// fail answers a command with a failure and nothing else (SPEC ES-30, ES-31). When events had been applied the instance
// asks to be restarted, and takes no further command (ES-32).
func (i *instance[S]) fail(cmd *protocol.Command, events []*anypb.Any, err error) *pb.EventSourcedReply {
	failure := wire.Failure(cmd.GetId(), err)
	failure.Restart = len(events) > 0
	i.stale = failure.Restart
	return &pb.EventSourcedReply{CommandId: cmd.GetId(), ClientAction: wire.FailureAction(failure)}
}
