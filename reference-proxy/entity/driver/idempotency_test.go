package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// trouble is what befalls one write, or the command that asks for it.
type trouble int

const (
	smooth         trouble = iota
	refusedBefore          // the store says that it did not write
	unknownLost            // the outcome is unknown, and it did not write
	unknownWritten         // the outcome is unknown, and it wrote
	unknownLate            // the outcome is unknown, and it is written when somebody writes next
	killedBefore           // the proxy dies before the write
	killedAfter            // the proxy dies after the write, before the answer
	fencedOff              // another node had the shard meanwhile
	unreadable             // the next read fails
	functionFails          // the user function answers with a failure
	functionEnds           // the user function ends the stream instead of an answer
	troubles
)

// site is one entity on a memory store, the proxy that serves it now, and its user function.
type site struct {
	t     *testing.T
	value bool
	store journal.Store

	mu    sync.Mutex
	next  trouble
	late  func()
	made  int // of commands by the user function: no two answers are alike
	node  *node
	nodes []*node
}

type node struct {
	journal.Store // as this node sees it
	site          *site
	host          *Host
	typ           *Type
	owner         *claims
	dead          bool
}

func newSite(t *testing.T, value bool) *site {
	s := &site{t: t, value: value, store: memory.New()}
	s.restart()
	return s
}

// restart lets a new process take the place of the one that is there.
func (s *site) restart() {
	holder := journal.Holder(fmt.Sprint("node-", len(s.nodes)))
	if s.node != nil {
		s.endLease(s.node.owner.holder)
	}
	n := &node{Store: s.store, site: s, owner: newClaims(s.store, holder), typ: EventSourced("Svc", "svc", 0)}
	if s.value {
		n.typ = Value("Svc", "svc", 0)
	}
	cfg := Config{
		CommandTimeout: time.Minute, PassivationTimeout: time.Hour, PassivationGrace: time.Second,
		MaxQueued: 100, MaxInstances: 10, IdempotencyWindow: 40, Replay: journal.Chunk{Records: 3},
	}
	n.host = NewHost(cfg, s, n, n.owner, func(string) {}, slog.New(slog.DiscardHandler))
	s.node, s.nodes = n, append(s.nodes, n)
}

func (s *site) endLease(h journal.Holder) {
	l, found, err := s.store.ReadLease(context.Background(), h)
	if err == nil && found {
		err = s.store.EndLease(context.Background(), h, l.Beat)
	}
	if err != nil {
		s.t.Error(err)
	}
}

func (s *site) close() {
	for _, n := range s.nodes {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = n.host.Drain(ctx)
	}
}

// take gives the trouble of the round to whoever asks first.
func (s *site) take(of ...trouble) trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range of {
		if s.next == t {
			s.next = smooth
			return t
		}
	}
	return smooth
}

var errKilled = errors.New("this process is gone")

func (n *node) alive() bool {
	n.site.mu.Lock()
	defer n.site.mu.Unlock()
	return !n.dead
}

func (n *node) kill() {
	n.site.mu.Lock()
	defer n.site.mu.Unlock()
	n.dead = true
}

func (n *node) write(do func() error) error {
	if !n.alive() {
		return errKilled
	}
	n.site.mu.Lock()
	late := n.site.late
	n.site.late = nil
	n.site.mu.Unlock()
	if late != nil {
		late()
	}
	unknown := fmt.Errorf("%w: cut off", journal.ErrUnknownOutcome)
	switch n.site.take(refusedBefore, unknownLost, unknownWritten, unknownLate, killedBefore, killedAfter, fencedOff) { //nolint:exhaustive // the others do not befall writes
	case refusedBefore:
		return journal.ErrUnavailable
	case unknownLost:
		return unknown
	case unknownWritten:
		_ = do()
		return unknown
	case unknownLate:
		n.site.mu.Lock()
		n.site.late = func() { _ = do() }
		n.site.mu.Unlock()
		return unknown
	case killedBefore:
		n.kill()
		return errKilled
	case killedAfter:
		_ = do()
		n.kill()
		return errKilled
	case fencedOff:
		c := n.owner
		c.mu.Lock()
		n.site.endLease(c.holder)
		c.holder += "'"
		if err := n.site.store.BeginLease(context.Background(), c.holder, time.Minute); err != nil {
			n.site.t.Error(err)
		}
		c.fence = nil
		c.mu.Unlock()
		other := newClaims(n.site.store, "other"+c.holder)
		if _, err := other.Fence(context.Background(), theEntity); err != nil {
			n.site.t.Error(err)
		}
		n.site.endLease(other.holder)
		return do()
	}
	return do()
}

func (n *node) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	return n.write(func() error { return n.site.store.Append(ctx, f, id, expected, events) })
}

func (n *node) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error) {
	var version uint64
	err := n.write(func() (err error) {
		version, err = n.site.store.PutValue(ctx, f, id, expected, e)
		return err
	})
	return version, err
}

func (n *node) Read(ctx context.Context, id journal.EntityID, after uint64, most journal.Chunk) ([]journal.Record, bool, error) {
	if n.site.take(unreadable) == unreadable {
		return nil, false, errors.New("connection reset")
	}
	return n.site.store.Read(ctx, id, after, most)
}

// EntityStream is the user function: an entity is the list of the payloads of its commands, and its answers are
// numbered.
func (s *site) EntityStream(context.Context, string) (Stream, error) {
	f := &fakeStream{in: make(chan []byte, 100), out: make(chan []byte, 100), closed: make(chan struct{}), cancelled: make(chan struct{})}
	go func() {
		state := ""
		for {
			select {
			case msg := <-f.in:
				reply, ok := s.answer(msg, &state)
				if !ok {
					f.complete(io.EOF)
					return
				}
				if reply != nil {
					f.out <- reply
				}
			case <-f.closed:
				f.complete(io.EOF)
				return
			case <-f.cancelled:
				return
			}
		}
	}()
	return f, nil
}

func (s *site) answer(msg []byte, state *string) (reply []byte, ok bool) {
	in, vin := &eventsourced.EventSourcedStreamIn{}, &valueentity.ValueEntityStreamIn{}
	var cmd *cloudstate.Command
	if s.value {
		must(proto.Unmarshal(msg, vin))
		if v := vin.GetInit().GetState().GetValue(); v != nil {
			*state = string(v.GetValue())
		}
		cmd = vin.GetCommand()
	} else {
		must(proto.Unmarshal(msg, in))
		cmd = in.GetCommand()
	}
	if cmd == nil {
		return nil, true
	}
	switch s.take(functionFails, functionEnds) { //nolint:exhaustive // the others befall the store
	case functionEnds:
		return nil, false
	case functionFails:
		action := &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Description: "no"}}}
		return s.encode(&eventsourced.EventSourcedReply{CommandId: cmd.GetId(), ClientAction: action}, nil), true
	}
	s.mu.Lock()
	s.made++
	nth := s.made
	s.mu.Unlock()
	*state += string(cmd.GetPayload().GetValue()) + ";"
	action := &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: text(fmt.Sprint("answer ", nth))}}}
	return s.encode(&eventsourced.EventSourcedReply{
		CommandId: cmd.GetId(), ClientAction: action, Events: []*anypb.Any{{TypeUrl: "detail"}, {TypeUrl: "effect", Value: cmd.GetPayload().GetValue()}},
	}, &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Update{Update: &valueentity.ValueEntityUpdate{Value: &anypb.Any{Value: []byte(*state)}}}}), true
}

func (s *site) encode(r *eventsourced.EventSourcedReply, update *valueentity.ValueEntityAction) []byte {
	var b []byte
	var err error
	if s.value {
		b, err = proto.Marshal(&valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: &valueentity.ValueEntityReply{
			CommandId: r.GetCommandId(), ClientAction: r.GetClientAction(), StateAction: update,
		}}})
	} else {
		b, err = proto.Marshal(&eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: r}})
	}
	must(err)
	return b
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// try sends the command once and returns its answer, or "" when the caller was not told that it was carried out.
func (s *site) try(key string) (answered string) {
	n := s.node
	o, err := n.host.Submit(s.t.Context(), n.typ, theEntity.Key, &entity.Command{Name: "Do", Payload: []byte(key), Keyed: &entity.Keyed{Key: key}}).Wait(s.t.Context(), nil)
	if err != nil || o.Reply == nil || !n.alive() {
		return ""
	}
	return string(o.Reply.Payload)
}

// effects counts how often each command is in the store.
func (s *site) effects() map[string]int {
	count := map[string]int{}
	if s.value {
		v, err := s.store.GetValue(s.t.Context(), theEntity)
		must(err)
		a := &anypb.Any{}
		must(proto.Unmarshal(v.Payload, a))
		for _, part := range splitList(string(a.GetValue())) {
			count[part]++
		}
		return count
	}
	recs, more, err := s.store.Read(s.t.Context(), theEntity, 0, journal.Chunk{Records: 1 << 20, Bytes: 1 << 30})
	must(err)
	if more {
		panic("the journal is longer than one read")
	}
	for _, r := range recs {
		a := &anypb.Any{}
		must(proto.Unmarshal(r.Payload, a))
		if a.GetTypeUrl() == "effect" {
			count[string(a.GetValue())]++
		}
	}
	return count
}

func splitList(s string) (parts []string) {
	for at := 0; at < len(s); {
		end := at
		for s[end] != ';' {
			end++
		}
		parts = append(parts, s[at:end])
		at = end + 1
	}
	return parts
}

// IDEM-03, IDEM-04: whatever befalls the store, the proxy and the user function, at each point of a command's way, and however often
// and by how many callers at once a keyed command is sent: it takes effect at most once, exactly once when any try was
// answered, and all who are answered are told the same.
func TestKeyedCommandsTakeEffectOnce(t *testing.T) {
	tries, rounds, met := 0, 0, map[trouble]int{}
	for _, value := range []bool{false, true} {
		t.Run(map[bool]string{false: "event sourced", true: "value"}[value], func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := newSite(t, value)
				defer s.close()
				answers := map[string]string{}
				var mu sync.Mutex
				try := func(key string) {
					got := s.try(key)
					mu.Lock()
					defer mu.Unlock()
					tries++
					if before := answers[key]; got != "" && before != "" && got != before {
						rt.Errorf("%s was told %q and %q", key, before, got)
					}
					if got != "" {
						answers[key] = got
					}
				}
				keys := rapid.IntRange(1, 8).Draw(rt, "keys")
				for range rapid.IntRange(1, 15).Draw(rt, "rounds") {
					rounds++
					trouble := trouble(rapid.IntRange(0, int(troubles)-1).Draw(rt, "trouble"))
					s.mu.Lock()
					s.next = trouble
					s.mu.Unlock()
					var wg sync.WaitGroup
					for range rapid.IntRange(1, 3).Draw(rt, "callers") {
						key := fmt.Sprint("k", rapid.IntRange(1, keys).Draw(rt, "key"))
						wg.Go(func() { try(key) })
					}
					wg.Wait()
					s.mu.Lock()
					if s.next != trouble {
						met[trouble]++
					}
					s.next = smooth
					s.mu.Unlock()
					if !s.node.alive() || rapid.IntRange(0, 5).Draw(rt, "restart") == 0 {
						s.node.kill()
						s.restart()
					}
				}
				// Some callers give up; the others try until they are told.
				for n := 1; n <= keys; n++ {
					key := fmt.Sprint("k", n)
					if rapid.Bool().Draw(rt, "gives up") {
						continue
					}
					for answers[key] == "" {
						try(key)
					}
				}
				count := s.effects()
				for n := 1; n <= keys; n++ {
					key := fmt.Sprint("k", n)
					if c := count[key]; c > 1 || c == 0 && answers[key] != "" {
						rt.Errorf("%s took effect %d times; its caller was told %q", key, c, answers[key])
					}
				}
			})
		})
	}
	t.Logf("%d tries in %d rounds; trouble met, by kind: %v", tries, rounds, met)
	for k := smooth + 1; k < troubles; k++ {
		if met[k] == 0 {
			t.Errorf("trouble %d never came about", k)
		}
	}
}
