package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
)

const (
	badList   = "cloudstate.tck.model.EventSourcedTckModel"
	badValue  = "cloudstate.tck.model.valueentity.ValueEntityTckModel"
	badCalls  = "cloudstate.tck.model.action.ActionTckModel"
	goodCalls = "cloudstate.tck.model.action.ActionTwo"

	// garbageEntities answer garbage, so many of each kind.
	garbageEntities = 4
)

// mixed is a user function with good entities (carts, and the action ActionTwo) and bad ones (the TCK models), whose streams
// it drives by the misbehaviour that the entity id or the request names.
type mixed struct {
	carts
	*mockfunction.Function
	activations sync.Map // of the good event sourced entities: id to *atomic.Int64
	reports     atomic.Int64
	seed        atomic.Uint64
	mu          sync.Mutex
	live        map[*badStream]struct{}
}

func newMixed(t testing.TB) *mixed {
	m := &mixed{live: map[*badStream]struct{}{}}
	cfg := m.carts.config()
	cfg.Wait = time.Hour // bad streams wait as long as the test lasts
	cfg.Spec = mockfunction.NewSpec(
		[]protoreflect.FileDescriptor{
			shoppingcart.File_shoppingcart_shoppingcart_proto, vecart.File_valueentity_shoppingcart_shoppingcart_proto,
			esmodel.File_cloudstate_tck_model_eventsourced_proto, vemodel.File_cloudstate_tck_model_valueentity_proto,
			actionmodel.File_cloudstate_tck_model_action_proto,
		},
		mockfunction.Entity(mockfunction.EventSourcedType, cartService, "cart"),
		mockfunction.Entity(mockfunction.ValueEntityType, valueService, "value-cart"),
		mockfunction.Entity(mockfunction.EventSourcedType, badList, "bad-list"),
		mockfunction.Entity(mockfunction.ValueEntityType, badValue, "bad-value"),
		mockfunction.Entity(mockfunction.ActionType, badCalls, ""),
		mockfunction.Entity(mockfunction.ActionType, goodCalls, ""),
	)
	cfg.EventSourced = func(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
		n, _ := m.activations.LoadOrStore(init.GetEntityId(), new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		return m.carts.eventSourced(init)
	}
	cfg.Action = func(string, *action.ActionCommand) mockfunction.ActionInstance { return goodAction{} }
	m.Function = mockfunction.New(cfg)
	for _, service := range []string{badList, badValue, badCalls} {
		m.Claim(mockfunction.Claim{Service: service})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var takers sync.WaitGroup
	takers.Go(func() { m.takeLists(ctx) })
	takers.Go(func() { m.takeValues(ctx) })
	takers.Go(func() { m.takeCalls(ctx) })
	takers.Go(func() { // reports would pile up
		for ctx.Err() == nil {
			if _, err := m.NextReport(ctx); err == nil {
				m.reports.Add(1)
			}
		}
	})
	t.Cleanup(func() { cancel(); takers.Wait() })
	return m
}

// goodAction answers every call.
type goodAction struct{}

func (goodAction) Command(*action.ActionCommand) []*action.ActionResponse {
	return []*action.ActionResponse{actionReply(&actionmodel.Response{Message: "good"})}
}
func (goodAction) Done() []*action.ActionResponse { return nil }

func (m *mixed) random() *rand.Rand { return rand.New(rand.NewPCG(1, m.seed.Add(1))) }

func (m *mixed) run(s *badStream, play func()) {
	m.mu.Lock()
	m.live[s] = struct{}{}
	m.mu.Unlock()
	go func() {
		play()
		<-s.ended
		m.mu.Lock()
		delete(m.live, s)
		m.mu.Unlock()
	}()
}

// completeRest waits until the proxy has let go of every stream that broke the rules, and then ends those that are left:
// of the entities whose last garbage happened to be right.
func (m *mixed) completeRest(t *testing.T) {
	t.Helper()
	await(t, "the proxy to let go of the streams that broke the rules", func() bool { return m.left() <= 2*garbageEntities })
	m.mu.Lock()
	rest := maps.Clone(m.live)
	m.mu.Unlock()
	for s := range rest {
		s.complete()
	}
	await(t, "the bad streams to end", func() bool { return m.left() == 0 })
}

func (m *mixed) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.live)
}

func (m *mixed) takeLists(ctx context.Context) {
	for {
		s, err := m.EventSourced(ctx, mockfunction.Claim{})
		if err != nil {
			return
		}
		bad := badEventSourced(s, m.random())
		m.run(bad, func() {
			bad.play(nameOf(s.Owner.ID), func() (int64, error) {
				msg, err := s.Recv(context.Background())
				return msg.GetCommand().GetId(), err
			})
		})
	}
}

func (m *mixed) takeValues(ctx context.Context) {
	for {
		s, err := m.ValueEntity(ctx, mockfunction.Claim{})
		if err != nil {
			return
		}
		bad := badValueEntity(s, m.random())
		m.run(bad, func() {
			bad.play(nameOf(s.Owner.ID), func() (int64, error) {
				msg, err := s.Recv(context.Background())
				return msg.GetCommand().GetId(), err
			})
		})
	}
}

func (m *mixed) takeCalls(ctx context.Context) {
	for {
		s, err := m.Action(ctx, mockfunction.Claim{})
		if err != nil {
			return
		}
		bad := badAction(s, m.random())
		m.run(bad, func() {
			msg, err := s.Recv(context.Background())
			request := &actionmodel.Request{}
			if err != nil || msg.GetPayload().UnmarshalTo(request) != nil {
				bad.complete()
				return
			}
			bad.playAction(request.GetGroups()[0].GetSteps()[0].GetReply().GetMessage())
		})
	}
}

func actionRequest(name string) *actionmodel.Request {
	return &actionmodel.Request{Groups: []*actionmodel.ProcessGroup{{Steps: []*actionmodel.ProcessStep{
		{Step: &actionmodel.ProcessStep_Reply{Reply: &actionmodel.Reply{Message: name}}},
	}}}}
}

// nameOf is the misbehaviour in an entity id such as "wrong id/3".
func nameOf(id string) string { name, _, _ := strings.Cut(id, "/"); return name }

// tally counts what callers were told.
type tally struct {
	mu    sync.Mutex
	sent  int
	codes map[codes.Code]int
}

func (c *tally) call(f func(ctx context.Context) error) error {
	c.mu.Lock()
	c.sent++
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := f(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("no answer within %v", patience) // which is not a status that the proxy gave
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codes[status.Code(err)]++
	return err
}

// check demands that every call got a status.
func (c *tally) check(t testing.TB) {
	t.Helper()
	told := 0
	for _, n := range c.codes {
		told += n
	}
	t.Logf("%d calls, %d statuses: %v", c.sent, told, c.codes)
	if told != c.sent {
		t.Errorf("%d calls were made and %d were answered", c.sent, told)
	}
}

// TestBadUserFunction lets a user function break the protocol in every way on some entities: each violation costs its own
// instance only, every caller gets the status that SPEC.md fixes (ES-37 to ES-42, VE-21, ACT-25, LIM-06, SERV-29), entities
// beside them go on undisturbed, and in the end the proxy holds no more than before.
func TestBadUserFunction(t *testing.T) {
	m := newMixed(t)
	p := runInside(t, serveFunction(t, m.Function), "--command-timeout", "10s", "--passivation-timeout", "1h")
	conn := dial(t, p.client)
	told := &tally{codes: map[codes.Code]int{}}

	stopGood := m.goodLoad(t, conn)
	m.badLoad(t, conn, told) // fills caches and pools of the process
	stopGood()
	m.completeRest(t)
	before := measure()

	stopGood = m.goodLoad(t, conn)
	for range fromEnv("CLOUDSTATE_HOSTILE_ROUNDS", 2) {
		m.badLoad(t, conn, told)
	}
	stopGood()
	m.completeRest(t)
	told.check(t)

	// 10 goroutines and 4 MiB are what the runtime, gRPC and the good entities' journals may differ by; each of the hundreds
	// of calls leaving its stream behind would be some 4 goroutines and 25 KB a call.
	const goroutines, heap = 10, 4 << 20
	var after usage
	await(t, "goroutines and memory to return to where they were", func() bool {
		after = measure()
		return after.goroutines <= before.goroutines+goroutines && after.heap+after.stacks <= before.heap+before.stacks+heap
	})
	t.Logf("before: %v; after: %v", before, after)

	m.activations.Range(func(id, n any) bool {
		if n := n.(*atomic.Int64).Load(); n != 1 {
			t.Errorf("the good entity %v was activated %d times: it was disturbed", id, n)
		}
		return true
	})
	m.carts.mu.Lock()
	defer m.carts.mu.Unlock()
	for _, f := range m.faults {
		t.Error(f)
	}
}

// goodLoad calls the good entities without pause until the returned function is called, which demands that every call went
// well and that nothing was lost.
func (m *mixed) goodLoad(t *testing.T, conn *grpc.ClientConn) (stop func()) {
	list, number, act := shoppingcart.NewShoppingCartClient(conn), vecart.NewShoppingCartClient(conn), actionmodel.NewActionTwoClient(conn)
	count := func() int {
		cart, err := list.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: "good"})
		if err != nil {
			t.Errorf("the good cart: %v", err)
		}
		return len(cart.GetItems())
	}
	began := count()
	ctx, cancel := context.WithCancel(t.Context())
	var calls [3]int
	var wg sync.WaitGroup
	for i, call := range []func(context.Context, int) error{
		func(ctx context.Context, n int) error {
			_, err := list.AddItem(ctx, &shoppingcart.AddLineItem{UserId: "good", ProductId: "p", Quantity: 1})
			return err
		},
		func(ctx context.Context, n int) error {
			_, err := number.AddItem(ctx, &vecart.AddLineItem{UserId: "good", ProductId: "p", Quantity: int32(n)})
			return err
		},
		func(ctx context.Context, _ int) error {
			_, err := act.Call(ctx, &actionmodel.OtherRequest{Id: "good"})
			return err
		},
	} {
		wg.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond) // enough to notice, not to slow the rest down
			defer tick.Stop()
			for ctx.Err() == nil {
				call, bounded := call, context.Background()
				bounded, done := context.WithTimeout(bounded, patience)
				if err := call(bounded, calls[i]+1); err != nil {
					t.Errorf("a good entity suffers: %v", err)
				}
				done()
				calls[i]++
				<-tick.C
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		t.Logf("good calls meanwhile: %v", calls)
		if n := count(); n != began+calls[0] {
			t.Errorf("the good cart has %d items more, %d were added", n-began, calls[0])
		}
		if calls[0] == 0 || calls[1] == 0 || calls[2] == 0 {
			t.Error("the good entities did not get a chance")
		}
	}
}

// badLoad calls each bad entity and action some times.
func (m *mixed) badLoad(t *testing.T, conn *grpc.ClientConn, told *tally) {
	var wg sync.WaitGroup
	list, number, act := esmodel.NewEventSourcedTckModelClient(conn), vemodel.NewValueEntityTckModelClient(conn), actionmodel.NewActionTckModelClient(conn)
	for name, bad := range misbehaviours {
		times := 10
		if slow(name) {
			times = 1
		}
		expect := func(kind string, err error, text string) {
			if status.Code(err) != bad.code || status.Convert(err).Message() != text {
				t.Errorf("%s, %s: the caller got %v, want %v %q", kind, name, err, bad.code, text)
			}
		}
		wg.Go(func() {
			for range times {
				expect("event sourced", told.call(func(ctx context.Context) error {
					_, err := list.Process(ctx, &esmodel.Request{Id: name + "/1"})
					return err
				}), bad.es)
			}
		})
		wg.Go(func() {
			for range times {
				expect("value entity", told.call(func(ctx context.Context) error {
					_, err := number.Process(ctx, &vemodel.Request{Id: name + "/1"})
					return err
				}), bad.ve)
			}
		})
	}
	for name, bad := range actionMisbehaviours {
		times := 10
		if slow(name) {
			times = 1
		}
		wg.Go(func() {
			for range times {
				err := told.call(func(ctx context.Context) error {
					_, err := act.ProcessUnary(ctx, actionRequest(name))
					return err
				})
				if status.Code(err) != bad.code {
					t.Errorf("action, %s: the caller got %v, want %v", name, err, bad.code)
				}
			}
		})
	}
	// Garbage may happen to be right, so any status will do, but there must be one. Two callers share an entity.
	for i := range 2 * garbageEntities {
		id := fmt.Sprintf("garbage/%d", i/2)
		garbage := func(call func(ctx context.Context) error) {
			wg.Go(func() {
				for range fromEnv("CLOUDSTATE_GARBAGE", 60) {
					if err := told.call(call); errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				}
			})
		}
		garbage(func(ctx context.Context) error { _, err := list.Process(ctx, &esmodel.Request{Id: id}); return err })
		garbage(func(ctx context.Context) error { _, err := number.Process(ctx, &vemodel.Request{Id: id}); return err })
		garbage(func(ctx context.Context) error { _, err := act.ProcessUnary(ctx, actionRequest("garbage")); return err })
		garbage(func(ctx context.Context) error {
			s, err := act.ProcessStreamedOut(ctx, actionRequest("garbage"))
			for err == nil {
				_, err = s.Recv()
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		})
	}
	wg.Wait()
}
