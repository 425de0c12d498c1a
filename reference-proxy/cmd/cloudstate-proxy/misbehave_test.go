package main

import (
	"math/rand/v2"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// tooBig is over the 12 MiB that the proxy takes from a user function (LIM-01).
const tooBig = 13 << 20

// badStream is one entity stream or action call in the hands of a user function that breaks the rules.
type badStream struct {
	random   *rand.Rand
	sendRaw  func([]byte) error
	complete func()
	fail     func(codes.Code, string)
	ended    <-chan struct{}

	// answer is what a good user function says to the command with this id.
	answer func(id int64) proto.Message
	// failure is a failure of the whole stream; nil where there is none.
	failure func(id int64) proto.Message
	// blank is an empty message of the kind that the user function sends.
	blank func() proto.Message
}

func (s *badStream) send(m proto.Message) {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	// The proxy may have cut the stream off by now, which is its right.
	_ = s.sendRaw(b)
}

// garbage is a message with something random in every field, every second time about the right command, and often damaged.
func (s *badStream) garbage(id int64) []byte {
	m := s.blank()
	fill(s.random, m.ProtoReflect(), 6)
	if s.random.IntN(2) == 0 {
		switch m := m.(type) {
		case *eventsourced.EventSourcedStreamOut:
			if m.GetReply() != nil {
				m.GetReply().CommandId = id
			}
		case *valueentity.ValueEntityStreamOut:
			if m.GetReply() != nil {
				m.GetReply().CommandId = id
			}
		}
	}
	return damage(s.random, m)
}

// misbehaviour is one way for an entity to break the protocol, and what the caller must be told.
type misbehaviour struct {
	// onInit happens before there is a command, onCommand when there is one; nil does nothing.
	onInit    func(s *badStream)
	onCommand func(s *badStream, id int64)
	deaf      bool // reads nothing at all
	code      codes.Code
	es, ve    string // the texts that SPEC.md fixes
}

var misbehaviours = map[string]misbehaviour{
	"wrong id": {
		onCommand: func(s *badStream, id int64) { s.send(s.answer(id + 1)) },
		code:      codes.Unknown, es: "Unexpected entity reply", ve: "Unexpected Value entity reply",
	},
	"unasked": {
		onInit: func(s *badStream) { s.send(s.answer(99)) },
		code:   codes.Unknown, es: "Unexpected entity reply", ve: "Unexpected Value entity reply",
	},
	"closed": {
		onCommand: func(s *badStream, _ int64) { s.complete() },
		code:      codes.Unknown, es: "Unexpected entity termination", ve: "Unexpected Value entity termination",
	},
	"closed at once": {
		onInit: func(s *badStream) { s.complete() },
		code:   codes.Unknown, es: "Unexpected entity termination", ve: "Unexpected Value entity termination",
	},
	"status": {
		onCommand: func(s *badStream, _ int64) { s.fail(codes.Code(s.random.IntN(16)+1), "no more") },
		code:      codes.Unknown, es: "Unexpected entity termination", ve: "Unexpected Value entity termination",
	},
	"failure": {
		onCommand: func(s *badStream, id int64) { s.send(s.failure(id)) },
		code:      codes.Unknown, es: "Unexpected entity failure", ve: "Unexpected Value entity failure",
	},
	"empty": {
		onCommand: func(s *badStream, _ int64) { s.send(s.blank()) },
		code:      codes.Unknown, es: "Unexpected entity message", ve: "Unexpected Value entity failure",
	},
	"unreadable": {
		onCommand: func(s *badStream, _ int64) { _ = s.sendRaw([]byte{0xff, 0xff, 0xff}) },
		code:      codes.Unknown, es: "Unexpected entity message", ve: "Unexpected Value entity failure",
	},
	"too big": {
		onCommand: func(s *badStream, _ int64) { _ = s.sendRaw(make([]byte, tooBig)) },
		code:      codes.Unknown, es: "Unexpected entity termination", ve: "Unexpected Value entity termination",
	},
	"silent": {code: codes.DeadlineExceeded, es: "the user function did not answer within 10s", ve: "the user function did not answer within 10s"},
	"deaf":   {deaf: true, code: codes.DeadlineExceeded, es: "the user function did not answer within 10s", ve: "the user function did not answer within 10s"},
}

// slow are those that take the command time-out.
func slow(name string) bool { return name == "silent" || name == "deaf" }

// play drives one entity stream in the way that its entity id names; what it does not know it answers with garbage.
func (s *badStream) play(name string, next func() (id int64, err error)) {
	m, known := misbehaviours[name]
	if m.onInit != nil {
		m.onInit(s)
	}
	if m.deaf {
		<-s.ended
		return
	}
	for {
		id, err := next()
		switch {
		case err != nil:
			return
		case id == 0: // init or an event
		case !known:
			for range 1 + s.random.IntN(2) {
				_ = s.sendRaw(s.garbage(id))
			}
			if s.random.IntN(3) == 0 {
				s.send(s.answer(id))
			}
			if s.random.IntN(8) == 0 {
				s.complete()
			}
		case m.onCommand != nil:
			m.onCommand(s, id)
		}
	}
}

func badEventSourced(s *mockfunction.EventSourced, r *rand.Rand) *badStream {
	return &badStream{
		random: r, sendRaw: s.SendRaw, complete: s.Complete, fail: s.Fail, ended: s.Context().Done(),
		answer: func(id int64) proto.Message {
			return &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: &eventsourced.EventSourcedReply{
				CommandId: id, ClientAction: replyWith(&esmodel.Response{Message: "fine"}),
			}}}
		},
		failure: func(id int64) proto.Message {
			return &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Failure{Failure: failing(id)}}
		},
		blank: func() proto.Message { return &eventsourced.EventSourcedStreamOut{} },
	}
}

func badValueEntity(s *mockfunction.ValueEntity, r *rand.Rand) *badStream {
	return &badStream{
		random: r, sendRaw: s.SendRaw, complete: s.Complete, fail: s.Fail, ended: s.Context().Done(),
		answer: func(id int64) proto.Message {
			return &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: &valueentity.ValueEntityReply{
				CommandId: id, ClientAction: replyWith(&vemodel.Response{Message: "fine"}),
			}}}
		},
		failure: func(id int64) proto.Message {
			return &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Failure{Failure: failing(id)}}
		},
		blank: func() proto.Message { return &valueentity.ValueEntityStreamOut{} },
	}
}

func failing(id int64) *cloudstate.Failure {
	return &cloudstate.Failure{CommandId: id, Description: "out of order"}
}

// actionMisbehaviours are the ways for an action to break the protocol, and what the caller of a unary one must be told. An
// action that keeps silent is bounded for unary calls only: a stream lasts as long as its caller wants.
var actionMisbehaviours = map[string]struct {
	play func(s *badStream)
	code codes.Code
}{
	"wrong type": {func(s *badStream) { s.send(actionReply(&emptypb.Empty{})); s.complete() }, codes.Internal},
	"empty":      {func(s *badStream) { s.send(&action.ActionResponse{}); s.complete() }, codes.Internal},
	"unreadable": {func(s *badStream) { _ = s.sendRaw([]byte{0xff, 0xff, 0xff}); s.complete() }, codes.Unknown},
	"status":     {func(s *badStream) { s.fail(codes.Aborted, "no more") }, codes.Aborted},
	"nothing":    {func(s *badStream) { s.complete() }, codes.Internal},
	"twice":      {func(s *badStream) { s.send(s.answer(0)); s.send(s.answer(0)); s.complete() }, codes.Internal},
	"too big":    {func(s *badStream) { _ = s.sendRaw(make([]byte, tooBig)); s.complete() }, codes.ResourceExhausted},
	"silent":     {func(*badStream) {}, codes.DeadlineExceeded},
}

func badAction(s *mockfunction.Action, r *rand.Rand) *badStream {
	return &badStream{
		random: r, sendRaw: s.SendRaw, complete: s.Complete, fail: s.Fail, ended: s.Context().Done(),
		answer: func(int64) proto.Message { return actionReply(&actionmodel.Response{Message: "fine"}) },
		blank:  func() proto.Message { return &action.ActionResponse{} },
	}
}

func actionReply(m proto.Message) *action.ActionResponse {
	return &action.ActionResponse{Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: pack(m)}}}
}

// playAction drives one action call in the way that its request names.
func (s *badStream) playAction(name string) {
	if m, known := actionMisbehaviours[name]; known {
		m.play(s)
		return
	}
	for range s.random.IntN(4) {
		_ = s.sendRaw(s.garbage(0))
	}
	if s.random.IntN(2) == 0 {
		s.fail(codes.Code(s.random.IntN(16)+1), string(randomBytes(s.random, 100)))
		return
	}
	s.complete()
}
