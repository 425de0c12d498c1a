package mockfunction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// Replay answers a proxy as the recorded user function did, and holds what the proxy sends against what is recorded.
type Replay struct {
	// Trace is what was recorded between a proxy and a user function.
	Trace *tracefile.Trace
	// Rules say what may differ.
	Rules match.Rules
	// Listen is where the proxy looks for its user function, as host:port.
	Listen string
	// Ready, if set, is called with the true address once the function listens.
	Ready func(address string)
	// Proxy is where clients call the proxy. If it is set, the commands that came from clients are sent again there; otherwise somebody else has
	// to. A command that a recorded forward or side effect asks for is left to the proxy.
	Proxy string
	// Wait is how long nothing may happen before the replay is given up; 0 means [wire.DefaultWait].
	Wait time.Duration
	// Recorder records what goes over the wire; nil records nothing.
	Recorder *trace.Recorder
}

// Run replays until all that is recorded has happened, or until nothing happened for too long. It returns the differences, each a
// *trace.Mismatch: a call with a difference is given up, the others go on. The error says that the trace cannot be replayed.
func (r Replay) Run(ctx context.Context) (differences []error, err error) {
	if err := match.Complete(r.Trace); err != nil {
		return nil, err
	}
	run := newReplay(r.Trace, r.Rules)
	if run.discovery == nil {
		return nil, errors.New("the trace holds no discovery answer, without which no proxy serves anything: record from the proxy's start")
	}
	function := New(Config{Recorder: r.Recorder, Wait: r.Wait})
	function.replay = run
	defer run.end()
	if err := function.Start(r.Listen); err != nil {
		return nil, err
	}
	defer function.Kill() // unless it has been stopped in good order
	if r.Ready != nil {
		r.Ready(function.Addr())
	}
	if r.Proxy != "" {
		driver, err := newDriver(r.Proxy, run)
		if err != nil {
			return nil, err
		}
		driver.begin(ctx)
		defer driver.close()
	}
	err = run.wait(ctx, function.cfg.Wait)
	differences = run.result()
	function.StopWithin(grace)
	return differences, err
}

// grace is how long what was sent last may take to arrive.
const grace = 2 * time.Second

// replay is the state of a running [Replay]; its methods are safe for concurrent use.
type replay struct {
	trace     *tracefile.Trace
	rules     match.Rules
	discovery *match.Call
	calls     []*match.Call

	mu          sync.Mutex
	waiting     map[match.Key][]*match.Call
	missing     []bool // which messages have not happened yet, of those that must
	first       int    // the first of missing; beyond the last message if there is none
	over        bool   // the result is out; what is cut off by the end is no difference
	differences []error
	ended       context.Context //nolint:containedctx // done when over; for those that wait on streams
	end         context.CancelFunc
	changed     chan struct{} // closed and replaced whenever something has happened
}

func newReplay(recorded *tracefile.Trace, rules match.Rules) *replay {
	r := &replay{
		trace: recorded, rules: rules, calls: match.Calls(recorded.Messages), waiting: map[match.Key][]*match.Call{},
		missing: make([]bool, len(recorded.Messages)), changed: make(chan struct{}),
	}
	r.ended, r.end = context.WithCancel(context.Background())
	for _, call := range r.calls {
		key := call.Key()
		if key.Repeatable() && r.discovery != nil {
			continue // a proxy may ask more than once, or once only
		}
		if key.Repeatable() {
			if !slices.ContainsFunc(call.Steps, func(s match.Step) bool { return s.IsAnswer() && s.Payload != nil }) {
				continue
			}
			r.discovery = call
		}
		if id, mapped := rules.Entities[key.Owner.ID]; mapped {
			key.Owner.ID = id
		}
		r.waiting[key] = append(r.waiting[key], call)
		for _, step := range append(call.Body(), call.Steps[0]) {
			r.missing[step.Index] = true
		}
	}
	r.happened() // what comes before the first that must happen, must not
	return r
}

// serve answers one call of the proxy.
func (r *replay) serve(f *Function, transport grpc.ServerStream, method string) error {
	s := accept[proto.Message](f, transport, method, func() proto.Message {
		if m := r.trace.Types.NewMessage(method, false); m != nil {
			return m
		}
		return &emptypb.Empty{}
	})
	first := s.ReceiveNow()
	s.Unread(first)
	key := match.Key{Method: method, Owner: match.OwnerOf(first.Msg)}
	call := r.take(key)
	if call == nil && key.Repeatable() {
		call = r.discovery
	}
	if call == nil {
		got := r.rules.NewConversation(r.trace.Types).Describe(match.StepOf(first))
		r.differ(&trace.Mismatch{Where: key.String(), Expected: "no further call of that kind", Got: got})
		return s.finish(status.New(codes.FailedPrecondition, "the trace that is replayed holds no further such call"))
	}
	return r.answer(s, call)
}

// answer goes through the recorded call.
func (r *replay) answer(s *Stream[proto.Message, proto.Message], call *match.Call) error {
	conversation := r.rules.NewConversation(r.trace.Types)
	r.happened(call.Steps[0])
	for _, step := range call.Body() {
		where := fmt.Sprintf("%s, message %d", call.Where(), step.Seq)
		switch {
		case step.Kind == trace.Cancel:
			// Seen in the end, by whoever holds the call.
		case step.Kind == trace.Status:
			r.happened(step)
			return s.finish(status.New(step.Code, step.Reason))
		case step.IsAnswer():
			if err := sendStep(s, conversation, step); err != nil {
				return r.giveUp(s, call, err)
			}
		default:
			got := match.StepOf(s.ReceiveNow())
			if err := conversation.Step(where, step, got); err != nil {
				return r.giveUp(s, call, err)
			}
		}
		r.happened(step)
	}
	return r.hold(s, call, conversation)
}

func sendStep(s *Stream[proto.Message, proto.Message], conversation *match.Conversation, step match.Step) error {
	if step.Payload != nil {
		return s.Send(conversation.Translate(step.Payload))
	}
	return s.SendRaw(step.Raw)
}

// hold keeps a call open that the recording leaves open, until the proxy ends it or the replay is over.
func (r *replay) hold(s *Stream[proto.Message, proto.Message], call *match.Call, conversation *match.Conversation) error {
	for {
		item, err := s.Next(r.ended, "nothing more")
		if r.ended.Err() != nil {
			return s.finish(recordedEnd(call))
		}
		if err != nil {
			continue // nothing came, which is right
		}
		if item.End != nil && item.End.HalfClose {
			return s.finish(status.New(codes.OK, ""))
		}
		if item.End != nil {
			return item.End.Status.Err()
		}
		r.differ(&trace.Mismatch{Where: call.Where(), Expected: "nothing more", Got: conversation.Describe(match.StepOf(item))})
	}
}

// recordedEnd is the status that the call ended with, after the proxy's half-close; a call that was cut off has none.
func recordedEnd(call *match.Call) *status.Status {
	if last := call.Steps[len(call.Steps)-1]; last.Kind == trace.Status {
		return status.New(last.Code, last.Reason)
	}
	return status.New(codes.Unavailable, "the replay is over")
}

// giveUp ends a call with a difference; nobody waits for the rest of it.
func (r *replay) giveUp(s *Stream[proto.Message, proto.Message], call *match.Call, err error) error {
	r.differ(err)
	r.happened(call.Steps...)
	return s.finish(status.New(codes.Aborted, "the proxy does not do what is recorded"))
}

// take returns the next recorded call of the key.
func (r *replay) take(key match.Key) *match.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting[key]) == 0 {
		return nil
	}
	call := r.waiting[key][0]
	r.waiting[key] = r.waiting[key][1:]
	return call
}

// happened notes that recorded messages have passed.
func (r *replay) happened(steps ...match.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, step := range steps {
		r.missing[step.Index] = false
	}
	for r.first < len(r.missing) && !r.missing[r.first] {
		r.first++
	}
	r.wake()
}

func (r *replay) differ(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.differences = append(r.differences, err)
	}
	r.wake()
}

func (r *replay) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns when all has happened, or nothing for the given time.
func (r *replay) wait(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		r.mu.Lock()
		done, changed := r.first == len(r.missing), r.changed
		r.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
			timer.Reset(patience)
		case <-timer.C:
			r.conclude(patience)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// conclude adds what has not happened, the first of each call.
func (r *replay) conclude(patience time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, call := range r.calls {
		for _, step := range call.Steps {
			if r.missing[step.Index] {
				r.differences = append(r.differences, &trace.Mismatch{
					Where:    fmt.Sprintf("%s, message %d", call.Where(), step.Seq),
					Expected: r.rules.NewConversation(r.trace.Types).Describe(step), Got: fmt.Sprintf("nothing within %s", patience),
				})
				break
			}
		}
	}
}

// result returns the differences and takes no more.
func (r *replay) result() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.end()
	return r.differences
}

// reached tells whether everything before the message of that index has happened, and otherwise when to look again.
func (r *replay) reached(index int) (bool, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first >= index, r.changed
}
