package fuzz

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// proxySide plays the client in front of a proxy and the user function behind it.
type proxySide struct {
	address  string
	patience time.Duration
	conn     *grpc.ClientConn
	function *function
	written  atomic.Int64 // bytes that the proxy was given to keep
	losses   atomic.Int64 // how often its connections to the user function were closed
}

func newProxySide(address string, patience time.Duration, f *function) (*proxySide, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	return &proxySide{address: address, patience: patience, conn: conn, function: f}, nil
}

func (p *proxySide) close() { _ = p.conn.Close() }

// stored is what the proxy was given to keep, in bytes.
func (p *proxySide) stored() int64 { return p.written.Load() }

// exclusive: what closes the connections between proxy and user function disturbs every conversation.
func (p *proxySide) exclusive(c Conversation) bool {
	return c.Kind == Discovery || slices.ContainsFunc(c.Steps, losesConnection)
}

func losesConnection(step Step) bool {
	return slices.ContainsFunc(step.Answers, func(a Answer) bool { return a.End == Disconnect })
}

// hold holds a conversation and returns what was wrong with it.
func (p *proxySide) hold(ctx context.Context, c Conversation, entity string) error {
	switch c.Kind {
	case Raw:
		return holdRaw(ctx, p.address, p.patience, c)
	case Discovery:
		return p.rediscover(ctx, c)
	case EventSourced, ValueEntity:
		return p.holdEntity(ctx, c, entity)
	default:
		return p.holdAction(ctx, c, entity)
	}
}

// invoke makes a unary call. The reply is nil unless the status is OK.
func (p *proxySide) invoke(ctx context.Context, method string, payload []byte) ([]byte, error) {
	var reply wire.Frame
	err := p.conn.Invoke(ctx, method, &wire.Frame{Bytes: payload}, &reply)
	return reply.Bytes, err
}

// register has the function answer an entity as a conversation or a witness says.
func (p *proxySide) register(kind Kind, key entityKey) *entityRun {
	run := &entityRun{open: make(map[*inward]bool), oracle: proxyOracle{kind: kind, snapshots: make(map[int64]*anypb.Any)}}
	p.function.mu.Lock()
	defer p.function.mu.Unlock()
	p.function.entities[key] = run
	return run
}

func (p *proxySide) unregister(key entityKey) {
	p.function.mu.Lock()
	run := p.function.entities[key]
	delete(p.function.entities, key)
	p.function.mu.Unlock()
	run.finish()
	run.mu.Lock()
	defer run.mu.Unlock()
	// Beside what was written an entity has its name, several times over, and an instance.
	p.written.Add(run.oracle.written + 512)
}

func (p *proxySide) holdEntity(ctx context.Context, c Conversation, entity string) error {
	key := entityKey{model.EventSourcedService, entity}
	if c.Kind == ValueEntity {
		key.service = model.ValueEntityService
	}
	run := p.register(c.Kind, key)
	defer p.unregister(key)
	before := alive
	for i, step := range c.Steps {
		if step.Send == nil {
			continue
		}
		call := func() *entityCall {
			return &entityCall{
				payload: step.Send.bytesFor(entity), entity: entity, answers: step.Answers, cancel: step.Cancel,
				came: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
			}
		}
		fate, err := p.step(ctx, run, "/"+key.service+"/Process", call, before, lawful(c.Kind, call().payload, entity))
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		if before = fate; losesConnection(step) {
			p.losses.Add(1)
			if err := p.serves(ctx); err != nil {
				return err
			}
		}
	}
	return run.fail()
}

// lawful tells whether a request is one that must reach the conversation's own entity.
func lawful(kind Kind, raw []byte, entity string) bool {
	if len(raw) > lim19 {
		return false // LIM-02
	}
	if kind == EventSourced {
		var request esmodel.Request
		return proto.Unmarshal(raw, &request) == nil && request.GetId() == entity
	}
	var request vemodel.Request
	return proto.Unmarshal(raw, &request) == nil && request.GetId() == entity
}

// streamFaults are what a call may get whose command went to a stream that the step before has left to fail: by its end, or by
// something on it that only some parsers take for a message.
var streamFaults = []string{
	"Unexpected entity message", "Unexpected entity reply", "Unexpected entity failure", "Unexpected entity termination", "Entity terminated",
	"Unexpected Value entity reply", "Unexpected Value entity failure", "Unexpected Value entity termination", "Value entity terminated",
}

// mostFailed bounds how many calls in a row may meet a stream that was left to fail: each takes one that ends, and few are open at a time.
const mostFailed = 20

// step makes one call on an entity, again when its command met a stream that the step before has left to fail (ES-40, ES-41).
// It returns what became of the stream.
func (p *proxySide) step(ctx context.Context, run *entityRun, method string, newCall func() *entityCall, before fate, must bool) (fate, error) {
	for again := 0; ; again++ {
		call := newCall()
		reached, got, err := p.once(ctx, run, method, call)
		if failure := run.fail(); failure != nil {
			return alive, failure
		}
		st := status.Convert(err)
		switch {
		case ctx.Err() != nil:
			return alive, ctx.Err()
		case reached && call.cancel && st.Code() == codes.Canceled:
			return call.fate, nil
		case reached:
			return call.fate, call.outcome.check(got, err)
		case st.Code() == codes.DeadlineExceeded:
			return alive, broken("LIM-22", "the client got no outcome within the bound")
		case before == unclear && again < mostFailed && slices.Contains(streamFaults, st.Message()):
			continue
		case must:
			return alive, broken("SERV-19", "the command did not reach the user function; the client got %s %s", st.Code(), st.Message())
		}
		return before, nil
	}
}

// once makes a call and awaits that the user function is done with it, if it got it.
func (p *proxySide) once(ctx context.Context, run *entityRun, method string, call *entityCall) (reached bool, got []byte, err error) {
	run.mu.Lock()
	run.call = call
	run.mu.Unlock()
	calling, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	if call.cancel {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-call.came:
				cancel()
			case <-stop:
			}
		}()
	}
	got, err = p.invoke(calling, method, call.payload)
	close(call.gone)
	run.mu.Lock()
	waiting := run.call == call
	run.call = nil
	run.mu.Unlock()
	if waiting {
		return false, got, err
	}
	bound := time.NewTimer(p.patience)
	defer bound.Stop()
	select {
	case <-call.done:
	case <-bound.C:
		run.fault(broken("", "the proxy does not end a stream on which it got what no user function may send"))
		return false, nil, err
	case <-ctx.Done():
		return false, nil, err
	}
	return true, got, err
}

// serves waits until the proxy serves again.
func (p *proxySide) serves(ctx context.Context) error {
	request := mutated(&esmodel.Request{Id: "a probe"}, nil)
	for deadline := time.Now().Add(3 * p.patience); ; {
		calling, cancel := context.WithTimeout(ctx, p.patience)
		_, err := p.invoke(calling, "/"+model.EventSourcedTwo+"/Call", request)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return broken("DISC-46 DISC-47", "the proxy does not serve again: %v", err)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rediscover closes the connections to the user function, answers discover as the conversation says, and then as before.
func (p *proxySide) rediscover(ctx context.Context, c Conversation) error {
	defer p.losses.Add(1)
	for _, step := range c.Steps {
		for _, answer := range step.Answers {
			p.function.mu.Lock()
			p.function.answers = []Answer{answer}
			p.function.mu.Unlock()
			p.ask(ctx)
		}
	}
	p.ask(ctx)
	return p.serves(ctx)
}

// ask has the proxy call discover, and waits for a moment for what it says to the answer.
func (p *proxySide) ask(ctx context.Context) {
	select {
	case <-p.function.asked:
	default:
	}
	p.function.disconnect()
	for range 2 {
		select {
		case <-p.function.asked:
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// proxyWitness is an entity whose instance nothing may disturb.
type proxyWitness struct {
	side            *proxySide
	run             *entityRun
	key             entityKey
	asked           int
	losses, streams int64
}

func (p *proxySide) witness(_ context.Context, entity string) (witness, error) {
	key := entityKey{model.EventSourcedConfigured, entity}
	return &proxyWitness{side: p, key: key, run: p.register(EventSourced, key), losses: p.losses.Load()}, nil
}

// ask makes a call and awaits the exact answer, on the stream of before.
func (w *proxyWitness) ask(ctx context.Context) error {
	w.asked++
	reply, _ := emptyAnswer(EventSourced, inFlight).(*eventsourced.EventSourcedStreamOut)
	if w.asked%64 == 1 {
		reply.GetReply().Events = append(reply.GetReply().Events, pack(&esmodel.Persisted{Value: "w"}))
	}
	request := &esmodel.Request{Id: w.key.id, Actions: []*esmodel.RequestAction{{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: fmt.Sprint(w.asked)}}}}}
	payload := mutated(request, nil)
	call := func() *entityCall {
		return &entityCall{
			payload: payload, entity: w.key.id, answers: []Answer{{Send: &Message{Body: reply}}},
			came: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
		}
	}
	if _, err := w.side.step(ctx, w.run, "/"+w.key.service+"/Call", call, alive, true); err != nil {
		return fmt.Errorf("an entity beside it: %w", err)
	}
	losses := w.side.losses.Load()
	w.run.mu.Lock()
	streams := int64(w.run.streams)
	w.run.mu.Unlock()
	if w.streams > 0 && streams != w.streams && losses == w.losses {
		return broken("ES-65 VE-53", "an entity beside it lost its stream")
	}
	w.losses, w.streams = losses, streams
	return nil
}

func (w *proxyWitness) close() { w.side.unregister(w.key) }
