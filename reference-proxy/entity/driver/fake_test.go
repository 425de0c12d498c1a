package driver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// fakeStreams is a user function without a network: each stream that the driver
// opens is handed to the test.
type fakeStreams struct {
	opened chan *fakeStream
	refuse error
}

func (f *fakeStreams) EntityStream(context.Context, string) (Stream, error) {
	if f.refuse != nil {
		return nil, f.refuse
	}
	s := &fakeStream{in: make(chan []byte, 1), out: make(chan []byte, 16), closed: make(chan struct{}), cancelled: make(chan struct{})}
	f.opened <- s
	return s, nil
}

type fakeStream struct {
	in, out           chan []byte // in: to the user function; it blocks when not read
	closed, cancelled chan struct{}
	closeOnce         sync.Once
	cancelOnce        sync.Once
	end               error // what Recv gives when out is closed
}

var (
	errCancelled = errors.New("cancelled")
	errEOF       = io.EOF
)

func (s *fakeStream) Send(msg []byte) error {
	select {
	case s.in <- msg:
		return nil
	case <-s.cancelled:
		return io.EOF
	}
}

func (s *fakeStream) Recv() ([]byte, error) {
	select {
	case msg, ok := <-s.out:
		if !ok {
			return nil, s.end
		}
		return msg, nil
	case <-s.cancelled:
		return nil, errCancelled
	}
}

func (s *fakeStream) CloseSend() error { s.closeOnce.Do(func() { close(s.closed) }); return nil }
func (s *fakeStream) Cancel()          { s.cancelOnce.Do(func() { close(s.cancelled) }) }

// complete ends the user function's side with status OK.
func (s *fakeStream) complete(err error) { s.end = err; close(s.out) }

func (s *fakeStream) next(t *testing.T) *eventsourced.EventSourcedStreamIn {
	t.Helper()
	m := &eventsourced.EventSourcedStreamIn{}
	select {
	case msg := <-s.in:
		if err := proto.Unmarshal(msg, m); err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Hour): // virtual
		t.Fatal("the proxy sent nothing")
	}
	return m
}

func (s *fakeStream) init(t *testing.T) *eventsourced.EventSourcedInit {
	t.Helper()
	m := s.next(t).GetInit()
	if m == nil {
		t.Fatal("the first message is not init")
	}
	return m
}

func (s *fakeStream) command(t *testing.T) *cloudstate.Command {
	t.Helper()
	m := s.next(t)
	if m.GetCommand() == nil {
		t.Fatalf("want a command, got %v", m)
	}
	return m.GetCommand()
}

func (s *fakeStream) send(t *testing.T, m *eventsourced.EventSourcedStreamOut) {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s.out <- b
}

func (s *fakeStream) reply(t *testing.T, id int64, events ...*anypb.Any) {
	t.Helper()
	s.send(t, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: &eventsourced.EventSourcedReply{
		CommandId:    id,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: text("ok")}}},
		Events:       events,
	}}})
}

func (s *fakeStream) fail(t *testing.T, id int64, restart bool) {
	t.Helper()
	s.send(t, &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: &eventsourced.EventSourcedReply{
		CommandId:    id,
		ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Description: "no", Restart: restart}}},
	}}})
}

func text(s string) *anypb.Any {
	a, err := anypb.New(wrapperspb.String(s))
	if err != nil {
		panic(err)
	}
	return a
}

// claims is an owner that claims the one shard when it is asked first, and again after a loss. A test may let its lease
// lapse, or another owner have the shard.
type claims struct {
	store  journal.Store
	mu     sync.Mutex
	holder journal.Holder
	fence  *journal.Fence
	lapsed chan struct{} // while not nil, nothing is held and Fence waits for it
	refuse error         // of Fence
}

func newClaims(store journal.Store, h journal.Holder) *claims {
	if err := store.BeginLease(context.Background(), h, time.Minute); err != nil {
		panic(err)
	}
	return &claims{store: store, holder: h}
}

func (c *claims) Fence(ctx context.Context, _ journal.EntityID) (journal.Fence, error) {
	c.mu.Lock()
	lapsed := c.lapsed
	c.mu.Unlock()
	if lapsed != nil {
		<-lapsed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return journal.Fence{}, c.refuse
	}
	if c.fence == nil {
		owner, err := c.store.ReadOwner(ctx, 0)
		if err != nil {
			return journal.Fence{}, err
		}
		f, err := c.store.Claim(ctx, 0, owner.Token, c.holder)
		if err != nil {
			return journal.Fence{}, err
		}
		c.fence = &f
	}
	return *c.fence, nil
}

func (c *claims) Held(f journal.Fence) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fence != nil && *c.fence == f && c.lapsed == nil
}

func (c *claims) Lost(f journal.Fence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fence != nil && *c.fence == f {
		c.fence = nil
	}
}

// lapse makes the lease lapse until heal.
func (c *claims) lapse() (heal func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan struct{})
	c.lapsed = ch
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lapsed = nil
		close(ch)
	}
}

// takeOver gives the shard to another owner, which the store knows and this one learns at once.
func (r *rig) takeOver() *claims {
	c := r.owner
	c.mu.Lock()
	defer c.mu.Unlock()
	l, _, _ := r.store.ReadLease(r.t.Context(), c.holder)
	if err := r.store.EndLease(r.t.Context(), c.holder, l.Beat); err != nil {
		r.t.Fatal(err)
	}
	c.holder += "'"
	if err := r.store.BeginLease(r.t.Context(), c.holder, time.Minute); err != nil {
		r.t.Fatal(err)
	}
	c.fence = nil
	return newClaims(r.store, "another"+c.holder)
}

// rig is a host with one entity type, the fake user function, and a memory store
// that a test may make fail.
type rig struct {
	t       *testing.T
	host    *Host
	typ     *Type
	streams *fakeStreams
	store   *faultyStore
	owner   *claims
	reports chan string
}

type faultyStore struct {
	journal.Store
	mu     sync.Mutex
	append error
	adopt  error
	hold   chan struct{} // while not nil, appends wait for it

	holdPrune    chan struct{} // while not nil, removals wait for it
	holdSnapshot chan struct{} // while not nil, snapshots wait for it

	beforeAdopt func() // once, if not nil
}

func (s *faultyStore) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	s.mu.Lock()
	err, before := s.adopt, s.beforeAdopt
	s.beforeAdopt = nil
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if err != nil {
		return err
	}
	return s.Store.Adopt(ctx, f, id, expected)
}

func (s *faultyStore) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	s.mu.Lock()
	hold := s.holdPrune
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return s.Store.Prune(ctx, f, id, through)
}

func (s *faultyStore) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snapshot journal.Snapshot) error {
	s.mu.Lock()
	hold := s.holdSnapshot
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return s.Store.SaveSnapshot(ctx, f, id, snapshot)
}

func (s *faultyStore) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	s.mu.Lock()
	err, hold := s.append, s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if err != nil {
		return err
	}
	return s.Store.Append(ctx, f, id, expected, events)
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	cfg := Config{
		CommandTimeout: time.Minute, PassivationTimeout: 30 * time.Second, PassivationGrace: 5 * time.Second,
		MaxQueued: 2, MaxInstances: 3, Replay: journal.Chunk{Records: 2, Bytes: 1 << 20},
	}
	if change != nil {
		change(&cfg)
	}
	r := &rig{
		t: t, typ: EventSourced("Svc", "svc", 0), streams: &fakeStreams{opened: make(chan *fakeStream, 16)},
		store: &faultyStore{Store: memory.New()}, reports: make(chan string, 16),
	}
	r.owner = newClaims(r.store, "node")
	r.host = NewHost(cfg, r.streams, r.store, r.owner, func(s string) { r.reports <- s }, slog.New(slog.DiscardHandler))
	return r
}

type answer struct {
	outcome entity.Outcome
	err     error
}

// call sends a command in the background.
func (r *rig) call(ctx context.Context, id, payload string, late func(entity.Outcome)) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		o, err := r.host.Submit(ctx, r.typ, id, &entity.Command{Name: "Do", TypeURL: "x/y", Payload: []byte(payload)}).Wait(ctx, late)
		done <- answer{o, err}
	}()
	return done
}

func (r *rig) stream() *fakeStream {
	r.t.Helper()
	select {
	case s := <-r.streams.opened:
		return s
	case <-time.After(time.Hour): // virtual
		r.t.Fatal("the driver opened no stream")
		return nil
	}
}

func wantReply(t *testing.T, a answer) {
	t.Helper()
	if a.err != nil || a.outcome.Reply == nil {
		t.Fatalf("want a reply, got %+v, %v", a.outcome, a.err)
	}
}

func wantFault(t *testing.T, a answer, class entity.FaultClass, text string) {
	t.Helper()
	if a.err != nil || a.outcome.Fault == nil || a.outcome.Fault.Class != class || a.outcome.Fault.Text != text {
		t.Fatalf("want fault %d %q, got %+v (fault %v), %v", class, text, a.outcome, a.outcome.Fault, a.err)
	}
}
