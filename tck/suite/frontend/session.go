package frontend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// dial connects the kit's proxy to the frontend for the length of the case. An expectation gives up somewhat before the case
// does, so that the report says what was awaited.
func dial(ctx context.Context, t *suite.T) *mockproxy.Proxy {
	options := []mockproxy.Option{mockproxy.WithRecorder(t.Trace())}
	if deadline, ok := ctx.Deadline(); ok {
		options = append(options, mockproxy.WithWait(time.Until(deadline)*3/4))
	}
	p, err := mockproxy.Dial(t.Frontend().Address, options...)
	if err != nil {
		t.KitFault(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// pack wraps one of the kit's own messages.
func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("frontend: the kit cannot encode its own %s: %v", m.ProtoReflect().Descriptor().FullName(), err)) //nolint:forbidigo // the kit's own messages always encode; the engine makes a panic a kit fault
	}
	return a
}

// ignoreEnded drops the error of sending on a stream that the frontend has already ended, which a case about violations invites.
func ignoreEnded(t *suite.T, err error) {
	var mismatch *trace.Mismatch
	if err != nil && !errors.As(err, &mismatch) {
		t.KitFault(err)
	}
}

// ender is what the two kinds of entity streams have in common.
type ender interface {
	CloseSend() error
	ExpectEnd(context.Context) (*wire.End, error)
}

// finish half-closes an instance's stream and expects nothing but its end, whatever the status: that it is OK is for the cases
// about passivation to say. once is the requirement that one more message would break.
func finish(ctx context.Context, t *suite.T, s ender, once string) {
	if err := s.CloseSend(); err != nil {
		t.KitFault(err)
	}
	_, err := s.ExpectEnd(ctx)
	t.Check(err, suite.Failure{
		Requirement: once,
		Remedy:      "answer each command once, and complete the stream when the proxy half-closes it",
	})
}
