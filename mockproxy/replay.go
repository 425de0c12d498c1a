package mockproxy

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// Replay sends a trace's proxy side again, in the recorded order, and holds what the user function says against what is recorded. Its result are
// the differences, each a *trace.Mismatch; a call with a difference is given up, the others go on. The error is set if the trace cannot be
// replayed. Recorded times are of no account; each answer has the time of [WithWait].
func (p *Proxy) Replay(ctx context.Context, recorded *tracefile.Trace, rules match.Rules) (differences []error, err error) {
	if err := match.Complete(recorded); err != nil {
		return nil, err
	}
	calls := match.Calls(recorded.Messages)
	if len(calls) == 0 {
		return nil, errors.New("the trace holds no call by a proxy")
	}
	all, steps := make([]*replayed, 0, len(calls)), make([]*replayed, len(recorded.Messages))
	defer func() {
		for _, r := range all {
			r.abandon()
		}
	}()
	for _, call := range calls {
		r := &replayed{proxy: p, call: call, types: recorded.Types, conversation: rules.NewConversation(recorded.Types)}
		all = append(all, r)
		for _, step := range call.Steps {
			steps[step.Index] = r
		}
	}
	for i, m := range recorded.Messages {
		r := steps[i]
		if r == nil || r.over {
			continue
		}
		if err := r.step(ctx, m); err != nil {
			differences = append(differences, err)
			r.abandon()
		}
		if ctx.Err() != nil {
			return differences, ctx.Err()
		}
	}
	return differences, nil
}

// replayed is one call of a trace on its way.
type replayed struct {
	proxy        *Proxy
	call         *match.Call
	types        *tracefile.Types
	conversation *match.Conversation
	stream       *Stream[proto.Message, proto.Message]
	over         bool // the call has ended, or was given up
	closed       bool // half-closed
}

// step sends the recorded message, or expects it.
func (r *replayed) step(ctx context.Context, m trace.Message) error {
	where := fmt.Sprintf("%s, message %d", r.call.Where(), m.Seq)
	if r.stream == nil {
		if err := r.open(ctx, m); err != nil {
			return err
		}
	}
	switch {
	case m.Kind == trace.Open:
		return nil
	case m.IsAnswer():
		return r.expect(ctx, where, m)
	case m.Kind == trace.Data:
		return r.send(m)
	case m.Kind == trace.HalfClose:
		return r.closeSend()
	}
	r.abandon() // as the recorded proxy did
	return nil
}

func (r *replayed) open(ctx context.Context, m trace.Message) error {
	if m.Kind == trace.Open {
		ctx = metadata.NewOutgoingContext(ctx, m.Metadata)
	}
	stream, err := open[proto.Message](ctx, r.proxy, r.call.Method, func() proto.Message {
		if answer := r.types.NewMessage(r.call.Method, true); answer != nil {
			return answer
		}
		return &emptypb.Empty{} // whatever comes is unknown fields of it
	})
	r.stream = stream
	return err
}

func (r *replayed) send(m trace.Message) error {
	var err error
	if m.Payload != nil {
		err = r.stream.Send(r.conversation.Translate(m.Payload))
	} else {
		err = r.stream.SendRaw(m.Raw)
	}
	if err := ignoreEnded(err); err != nil {
		return err
	}
	// A caller with one message says at once that it has no more; where the recorder saw that is chance, and servers wait for it.
	if match.Single(r.call.Method) {
		return r.closeSend()
	}
	return nil
}

func (r *replayed) closeSend() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return r.stream.CloseSend()
}

// expect waits for the recorded answer, or for the recorded end of the call.
func (r *replayed) expect(ctx context.Context, where string, m trace.Message) error {
	want := match.Step{Message: m}
	item, err := r.stream.Next(ctx, r.conversation.Describe(want))
	if err != nil {
		return err
	}
	got := match.StepOf(item)
	r.over = item.End != nil
	return r.conversation.Step(where, want, got)
}

// abandon ends the call if it is still open.
func (r *replayed) abandon() {
	r.over = true
	if r.stream != nil {
		r.stream.Cancel()
	}
}
