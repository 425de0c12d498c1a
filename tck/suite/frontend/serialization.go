package frontend

import (
	"bytes"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// serializationCases covers how messages are written into Any values.
func serializationCases() []suite.Case {
	return []suite.Case{
		anyCase("es", suite.EventSourced, esModel, func(ctx context.Context, t *suite.T) []proto.Message {
			s := openES(ctx, t, dial(ctx, t), t.ID("es"))
			s.init()
			s.process(append(emits("A", "B", "C", "D", "E"), esEffect("x", false))...)
			one, err := s.Recv(ctx)
			t.Check(err, suite.Failure{Expected: "a reply"})
			s.process(esForward("y"))
			two, err := s.Recv(ctx)
			t.Check(err, suite.Failure{Expected: "a reply"})
			return []proto.Message{one, two}
		}),
		anyCase("ve", suite.ValueEntity, veModel, func(ctx context.Context, t *suite.T) []proto.Message {
			v := openVE(ctx, t, dial(ctx, t), t.ID("ve"))
			v.init()
			v.process(update("A"), veEffect("x", false))
			one, err := v.Recv(ctx)
			t.Check(err, suite.Failure{Expected: "a reply"})
			v.process(veForward("y"))
			two, err := v.Recv(ctx)
			t.Check(err, suite.Failure{Expected: "a reply"})
			return []proto.Message{one, two}
		}),
		anyCase("act", suite.Action, actModel, func(ctx context.Context, t *suite.T) []proto.Message {
			p := dial(ctx, t)
			one, err := p.HandleUnary(ctx, actCommand(actModel, "ProcessUnary", actRequest(group(actReply("A"), actEffect("x", false)))))
			t.Check(err, suite.Failure{Expected: "a reply"})
			two, err := p.HandleUnary(ctx, actCommand(actModel, "ProcessUnary", actRequest(group(actForward("y")))))
			t.Check(err, suite.Failure{Expected: "a reply"})
			return []proto.Message{one, two}
		}),
	}
}

// anyCase is a case about every Any in the answers of one model: exchange returns answers, and is run twice to see that equal
// values are written as equal bytes.
func anyCase(area, entityType, service string, exchange func(ctx context.Context, t *suite.T) []proto.Message) suite.Case {
	return suite.Case{
		ID: "ser/frontend/" + area + "-messages", Title: "messages are written under their own type URL, and equal ones as equal bytes",
		Requirements: requires("SER-01", "SER-05"), Kind: suite.Frontend, Needs: []string{entityType, service},
		Run: func(ctx context.Context, t *suite.T) {
			first, second := anyValues(exchange(ctx, t)), anyValues(exchange(ctx, t))
			t.Require(len(first) > 0 && len(first) == len(second), suite.Failure{
				Requirement: "SER-05", Expected: "the same answers to the same commands",
				Got: fmt.Sprintf("%d messages the first and %d the second time", len(first), len(second)),
			})
			for i, a := range first {
				message, err := a.UnmarshalNew()
				t.Require(err == nil, suite.Failure{
					Requirement: "SER-01", Expected: "a message of the model under its type URL", Got: describe(a, err),
				})
				want := "type.googleapis.com/" + string(message.ProtoReflect().Descriptor().FullName())
				t.Require(a.GetTypeUrl() == want, suite.Failure{
					Requirement: "SER-01", Expected: "the type URL " + want, Got: a.GetTypeUrl(),
				})
				t.Require(bytes.Equal(a.GetValue(), second[i].GetValue()), suite.Failure{
					Requirement: "SER-05", Expected: "equal bytes for equal messages",
					Got: fmt.Sprintf("%x and %x", a.GetValue(), second[i].GetValue()),
				})
			}
		},
	}
}

// anyValues collects the Any values in messages, in order.
func anyValues(messages []proto.Message) []*anypb.Any {
	var out []*anypb.Any
	var visit func(m protoreflect.Message)
	visit = func(m protoreflect.Message) {
		if a, ok := m.Interface().(*anypb.Any); ok {
			out = append(out, a)
			return
		}
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			switch {
			case fd.Message() == nil || fd.IsMap() || !m.Has(fd):
			case fd.IsList():
				for j := range m.Get(fd).List().Len() {
					visit(m.Get(fd).List().Get(j).Message())
				}
			default:
				visit(m.Get(fd).Message())
			}
		}
	}
	for _, m := range messages {
		visit(m.ProtoReflect())
	}
	return out
}
