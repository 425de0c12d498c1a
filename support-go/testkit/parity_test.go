package testkit_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	espb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	es "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	ve "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	vepb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/internal/servertest"
	"github.com/stateful-serverless/cloudstate/support-go/tckmodel"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

// served runs the TCK model as it is run behind a proxy, and returns its service of a name beside a proxy to reach it.
func served(t *testing.T, name string) (cloudstate.Service, *mockproxy.Proxy) {
	t.Helper()
	address, _ := servertest.Start(t, &cloudstate.Server{Services: tckmodel.Services()})
	proxy, err := mockproxy.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	for _, service := range tckmodel.Services() {
		if service.Name() == name {
			return service, proxy
		}
	}
	t.Fatalf("no service %s", name)
	return nil, nil
}

// instance is the stream of an entity instance, whose answers are of type Out.
type instance[Out any] interface {
	Command(id int64, name string, payload proto.Message) error
	Recv(ctx context.Context) (Out, error)
}

// ask brings a command to the server and returns its answer.
func ask[Out any](t *rapid.T, at instance[Out], id int64, request proto.Message) Out {
	t.Helper()
	if err := at.Command(id, "Process", request); err != nil {
		t.Fatal(err)
	}
	out, err := at.Recv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// answered holds a result against what a server sent over gRPC for the same command.
func answered(t *rapid.T, result *testkit.Result, action *protocol.ClientAction, effects []*protocol.SideEffect) {
	t.Helper()
	if failure := action.GetFailure(); failure != nil {
		result.WantFailure(codes.Unknown)
		if result.Failure.Message() != failure.GetDescription() {
			t.Errorf("the failure says %q, the server's %q", result.Failure.Message(), failure.GetDescription())
		}
	} else if forward := action.GetForward(); forward != nil {
		alike(t, result.Forward.Message, forward.GetPayload())
		if want := "/" + forward.GetServiceName() + "/" + forward.GetCommandName(); result.Forward.Method != want {
			t.Errorf("forward to %s, the server's to %s", result.Forward.Method, want)
		}
	} else {
		alike(t, result.Reply, action.GetReply().GetPayload())
	}
	if len(result.Effects) != len(effects) {
		t.Fatalf("%d side effects, the server has %d", len(result.Effects), len(effects))
	}
	for i, effect := range effects {
		alike(t, result.Effects[i].Message, effect.GetPayload())
		if result.Effects[i].Synchronous != effect.GetSynchronous() {
			t.Errorf("side effect %d is not as the server's", i)
		}
	}
}

// alike tells when a decoded value is not what the payload holds; nil is none.
func alike(t *rapid.T, value any, payload *anypb.Any) {
	t.Helper()
	if value == nil && payload == nil {
		return
	}
	message, ok := value.(proto.Message)
	decoded, err := payload.UnmarshalNew()
	if !ok || err != nil || !proto.Equal(message, decoded) {
		t.Errorf("got %v, the server's is %v (%v)", value, decoded, err)
	}
}

// TestEventSourcedParity: a kit answers each command as a server does over gRPC, also after restarts.
func TestEventSourcedParity(t *testing.T) {
	t.Parallel()
	service, proxy := served(t, "cloudstate.tck.model.EventSourcedTckModel")
	step := rapid.Custom(func(t *rapid.T) *es.RequestAction {
		text := rapid.StringN(1, 3, -1).Draw(t, "text")
		return rapid.SampledFrom([]*es.RequestAction{
			{Action: &es.RequestAction_Emit{Emit: &es.Emit{Value: text}}},
			{Action: &es.RequestAction_Emit{Emit: &es.Emit{Value: text}}},
			{Action: &es.RequestAction_Forward{Forward: &es.Forward{Id: text}}},
			{Action: &es.RequestAction_Effect{Effect: &es.Effect{Id: text, Synchronous: len(text) > 1}}},
			{Action: &es.RequestAction_Fail{Fail: &es.Fail{Message: text}}},
		}).Draw(t, "step")
	})
	rapid.Check(t, func(t *rapid.T) {
		kit := testkit.NewEventSourced(t, service, who)
		var journal []*anypb.Any
		var snapshot *espb.EventSourcedSnapshot
		var stream *mockproxy.EventSourced
		defer func() { stream.Cancel() }()
		id := int64(0)
		activate := func() {
			var err error
			if stream, err = proxy.EventSourced(t.Context()); err != nil {
				t.Fatal(err)
			}
			id = 0
			if snapshot == nil {
				err = stream.Init(service.Name(), who)
			} else {
				err = stream.InitSnapshot(service.Name(), who, snapshot.GetSnapshotSequence(), snapshot.GetSnapshot())
			}
			for i := snapshot.GetSnapshotSequence(); i < int64(len(journal)); i++ {
				err = errors.Join(err, stream.Event(i+1, journal[i]))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		restart := func() {
			if err := stream.Passivate(t.Context()); err != nil {
				t.Fatal(err)
			}
			activate()
		}
		activate()
		for range rapid.IntRange(1, 8).Draw(t, "commands") {
			if rapid.Bool().Draw(t, "restart") {
				kit.Restart()
				restart()
			}
			request := &es.Request{Id: who, Actions: rapid.SliceOfN(step, 0, 5).Draw(t, "steps")}
			id++
			reply, result := ask(t, stream, id, request).GetReply(), kit.Run("Process", request)
			answered(t, result, reply.GetClientAction(), reply.GetSideEffects())
			if len(result.Events) != len(reply.GetEvents()) {
				t.Fatalf("%d events, the server's has %d", len(result.Events), len(reply.GetEvents()))
			}
			for i, event := range reply.GetEvents() {
				alike(t, result.Events[i], event)
				journal = append(journal, event)
			}
			alike(t, result.Snapshot, reply.GetSnapshot())
			if reply.GetSnapshot() != nil {
				snapshot = &espb.EventSourcedSnapshot{SnapshotSequence: int64(len(journal)), Snapshot: reply.GetSnapshot()}
			}
			if result.Restarted != reply.GetClientAction().GetFailure().GetRestart() {
				t.Errorf("restarted: %t, not so the server's", result.Restarted)
			}
			if result.Restarted {
				restart()
			}
		}
	})
}

// TestValueParity: so does one for a value entity.
func TestValueParity(t *testing.T) {
	t.Parallel()
	service, proxy := served(t, "cloudstate.tck.model.valueentity.ValueEntityTckModel")
	step := rapid.Custom(func(t *rapid.T) *ve.RequestAction {
		text := rapid.StringN(1, 3, -1).Draw(t, "text")
		return rapid.SampledFrom([]*ve.RequestAction{
			{Action: &ve.RequestAction_Update{Update: &ve.Update{Value: text}}},
			{Action: &ve.RequestAction_Update{Update: &ve.Update{Value: text}}},
			{Action: &ve.RequestAction_Delete{Delete: &ve.Delete{}}},
			{Action: &ve.RequestAction_Forward{Forward: &ve.Forward{Id: text}}},
			{Action: &ve.RequestAction_Effect{Effect: &ve.Effect{Id: text, Synchronous: len(text) > 1}}},
			{Action: &ve.RequestAction_Fail{Fail: &ve.Fail{Message: text}}},
		}).Draw(t, "step")
	})
	rapid.Check(t, func(t *rapid.T) {
		kit := testkit.NewValue[*ve.Persisted](t, service, who)
		var stored *anypb.Any
		var stream *mockproxy.ValueEntity
		defer func() { stream.Cancel() }()
		id := int64(0)
		activate := func() {
			var err error
			if stream, err = proxy.ValueEntity(t.Context()); err == nil {
				id = 0
				err = stream.SendInit(&vepb.ValueEntityInit{
					ServiceName: service.Name(), EntityId: who, State: &vepb.ValueEntityInitState{Value: stored},
				})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		activate()
		for range rapid.IntRange(1, 8).Draw(t, "commands") {
			if rapid.Bool().Draw(t, "restart") {
				kit.Restart()
				if err := stream.Passivate(t.Context()); err != nil {
					t.Fatal(err)
				}
				activate()
			}
			request := &ve.Request{Id: who, Actions: rapid.SliceOfN(step, 0, 5).Draw(t, "steps")}
			id++
			reply, result := ask(t, stream, id, request).GetReply(), kit.Run("Process", request)
			answered(t, result, reply.GetClientAction(), reply.GetSideEffects())
			change := reply.GetStateAction()
			if result.Updated != (change.GetUpdate() != nil) || result.Deleted != (change.GetDelete() != nil) {
				t.Errorf("updated: %t, deleted: %t; the server's change is %v", result.Updated, result.Deleted, change)
			}
			if change != nil {
				stored = change.GetUpdate().GetValue()
			}
			if kit.Exists() != (stored != nil) {
				t.Errorf("there is a value: %t; at the server: %v", kit.Exists(), stored)
			}
			if stored != nil {
				alike(t, kit.State(), stored)
			}
		}
	})
}
