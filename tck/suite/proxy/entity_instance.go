package proxy

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// entity is one entity id whose streams belong to the case's script.
type entity struct {
	*scene
	k           *kind
	service, id string
}

// entity claims a fresh id of service for the script.
func (s *scene) entity(k *kind, service string) *entity {
	return s.entityOf(k, service, s.t.ID(k.area))
}

// entityOf claims id of service for the script; the streams that it has taken, or left, end after the case.
func (s *scene) entityOf(k *kind, service, id string) *entity {
	e := &entity{scene: s, k: k, service: service, id: id}
	release := s.function.Claim(e.claim())
	s.t.Cleanup(func() {
		release()
		for i := e.waiting(); i != nil; i = e.waiting() {
			i.Complete()
		}
	})
	return e
}

func (e *entity) claim() mockfunction.Claim { return mockfunction.Claim{Service: e.service, ID: e.id} }

// method is the path of the service's only rpc.
func (e *entity) method() string { return "/" + e.service + "/" + e.command() }

// command is the simple name of the service's only rpc.
func (e *entity) command() string {
	if e.service == e.k.model {
		return "Process"
	}
	return "Call"
}

// call starts a client's call with a request that text tells from others.
func (e *entity) call(text string) *call { return e.callWith(e.ctx, text, nil) }

func (e *entity) callWith(ctx context.Context, text string, md metadata.MD) *call {
	return e.scene.callWith(ctx, e.method(), e.k.request(e.id, text), e.k.response(""), md)
}

// instance is one stream of an entity, in the script's hands. Its methods end the case when the proxy does something else than expected.
type instance struct {
	conversation
	e    *entity
	recv func(context.Context) (proto.Message, error)
	send func(proto.Message) error
	last int64 // id of the last command received
}

// conversation is what the streams of both kinds have in common.
type conversation interface {
	Complete()
	Fail(codes.Code, string)
	Where() string
	Context() context.Context
	SendRaw([]byte) error
	ExpectEnd(context.Context) (*wire.End, error)
	ExpectHalfClose(context.Context) error
	ExpectCancel(context.Context) error
}

// take waits for the entity's next stream until ctx ends.
func (e *entity) take(ctx context.Context) (*instance, error) {
	if e.k == eventSourced {
		stream, err := e.function.EventSourced(ctx, e.claim())
		if err != nil {
			return nil, err
		}
		return &instance{
			conversation: stream, e: e,
			recv: func(ctx context.Context) (proto.Message, error) { return stream.Recv(ctx) },
			send: func(m proto.Message) error { return sendAs(m, stream.Send) },
		}, nil
	}
	stream, err := e.function.ValueEntity(ctx, e.claim())
	if err != nil {
		return nil, err
	}
	return &instance{
		conversation: stream, e: e,
		recv: func(ctx context.Context) (proto.Message, error) { return stream.Recv(ctx) },
		send: func(m proto.Message) error { return sendAs(m, stream.Send) },
	}, nil
}

// sendAs sends m on a stream of messages M.
func sendAs[M proto.Message](m proto.Message, send func(M) error) error {
	message, ok := m.(M)
	if !ok {
		return &suite.KitError{Err: fmt.Errorf("a %s is no message for this stream", m.ProtoReflect().Descriptor().FullName())}
	}
	return send(message)
}

// waiting returns a stream that is there already, or nil.
func (e *entity) waiting() *instance {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	i, err := e.take(now)
	if err != nil {
		return nil
	}
	return i
}

// stream takes the entity's next stream; nothing has been received from it.
func (e *entity) stream(requirement string) *instance {
	i, err := e.take(e.ctx)
	e.t.Check(err, suite.Failure{Requirement: requirement, Remedy: "open a stream for the first command of an entity without an active instance"})
	e.t.Cleanup(i.Complete)
	return i
}

// opens takes the entity's next stream, which must begin as that of an entity into which stored was written.
func (e *entity) opens(requirement string, stored ...string) *instance {
	i := e.stream(requirement)
	i.expect(requirement, e.k.begin(e.service, e.id, stored)...)
	return i
}

// unopened requires that no further stream of the entity has been opened so far.
func (e *entity) unopened(requirement, why string) {
	if i := e.waiting(); i != nil {
		e.t.Cleanup(i.Complete)
		e.t.Fail(suite.Failure{
			Requirement: requirement,
			Expected:    fmt.Sprintf("no further stream for %s of %s: %s", e.id, e.service, why),
			Got:         "a further stream, " + i.Where(),
		})
	}
}

// expect receives these messages, in this order.
func (i *instance) expect(requirement string, messages ...proto.Message) {
	for _, want := range messages {
		got, err := i.recv(i.e.ctx)
		if err == nil {
			err = trace.Compare(i.Where(), want, got)
		} else {
			var mismatch *trace.Mismatch
			if errors.As(err, &mismatch) {
				mismatch.Expected = trace.Text(want)
			}
		}
		i.e.t.Check(err, suite.Failure{Requirement: requirement})
	}
}

// command receives the next command, whose request text tells from others.
func (i *instance) command(requirement, text string) { i.commandWith(requirement, text, nil) }

// commandWith is command for one with metadata.
func (i *instance) commandWith(requirement, text string, md *cloudstate.Metadata) {
	i.last++
	i.expect(requirement, i.commandOf(text, md))
}

// commandOf is the last command as the proxy must have sent it.
func (i *instance) commandOf(text string, md *cloudstate.Metadata) proto.Message {
	return i.e.k.command(&cloudstate.Command{
		EntityId: i.e.id, Id: i.last, Name: i.e.command(), Payload: pack(i.e.k.request(i.e.id, text)), Metadata: md,
	})
}

// reply answers the last command.
func (i *instance) reply(a answer) { i.says(i.e.k.reply(i.last, a)) }

// replies answers the last command with text, and stores writes.
func (i *instance) replies(text string, writes ...string) {
	i.reply(answer{action: replied(i.e.k.response(text)), writes: writes})
}

// fails answers the last command with a failure.
func (i *instance) fails(text string, restart bool, writes ...string) {
	i.reply(answer{action: failed(&cloudstate.Failure{CommandId: i.last, Description: text, Restart: restart}), writes: writes})
}

// says sends any message.
func (i *instance) says(m proto.Message) {
	i.e.t.Check(i.send(m), suite.Failure{Remedy: "keep an instance's stream open until it is idle for the passivation time-out or the user function breaks the protocol"})
}

// quiet requires that the proxy has sent nothing more on the stream so far; it follows a barrier.
func (i *instance) quiet(requirement, why string) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	m, err := i.recv(now)
	if errors.Is(err, context.Canceled) {
		return
	}
	got := trace.Text(m)
	if err != nil {
		got = err.Error()
	}
	i.e.t.Fail(suite.Failure{Requirement: requirement, Expected: "nothing on " + i.Where() + ": " + why, Got: got})
}

// ended waits for the proxy to end the stream, by half-closing or by cancelling it, and completes it.
func (i *instance) ended(requirement, why string) {
	_, err := i.ExpectEnd(i.e.ctx)
	i.e.t.Check(err, suite.Failure{
		Requirement: requirement,
		Expected:    "the proxy to end the stream (half-close or cancel), because " + why,
		Remedy:      "discard the instance: end its stream at once and start afresh for the next command",
	})
	i.Complete()
}

// roundTrips makes n calls, one after the other, on an entity that the case does not look at: what the proxy had accepted before them, it has had
// the time to act on. They are no proof of order; a case that needs one has its barrier besides.
func (s *scene) roundTrips(n int) {
	if s.other == "" {
		s.other = s.t.ID("other")
	}
	for range n {
		var k *kind
		switch {
		case s.serves(suite.EventSourced):
			k = eventSourced
		case s.serves(suite.ValueEntity):
			k = valueBased
		default:
			return
		}
		c := s.call("/"+k.model+"/Process", k.request(s.other, ""), k.response(""))
		c.replies("", k.response(""))
	}
}

// serves reports whether the proxy declares the entity type.
func (s *scene) serves(entityType string) bool {
	info := s.t.Proxy().Info
	if info == nil {
		return true
	}
	for _, declared := range info.GetSupportedEntityTypes() {
		if declared == entityType {
			return true
		}
	}
	return false
}
